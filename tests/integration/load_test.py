#!/usr/bin/env python3
"""The load that the main job promises: sums to the event, freshness, and memory."""

import json
import os
import re
import subprocess
import sys
import threading
import time
import http.client

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import Cases, Folder, Server, Sqlite, await_true, expect


def total(database, key):
    rows = database.query(f"SELECT value FROM increments WHERE increments.key = '{key}'")
    return int(rows[0][0]) if rows else 0


def five_keys_a_thousand_a_second():
    """Five keys, 1,000 requests a second each for 5 s: each total 5,000 within 10 s of the last reply."""
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url)
        server.start()
        keys = [f"{digit * 8}-1234-5678-1234-567812345678" for digit in "12345"]
        faults = []

        def produce(key, count):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            began = time.monotonic()
            for i in range(count):
                ahead = began + i / 500 - time.monotonic()
                if ahead > 0:
                    time.sleep(ahead)
                connection.request("POST", "/increment", json.dumps({"key": key, "value": 1}))
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200 or body != b"{}":
                    faults.append((answer.status, body))
        threads = [threading.Thread(target=produce, args=(key, 2500)) for key in keys for _ in range(2)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sent = time.monotonic()
        expect(not faults, f"{len(faults)} requests failed: {faults[:3]}")
        await_true(lambda: all(total(database, key) == 5000 for key in keys), 10, "5,000 of each key")
        lag = server.metric("tidemark_flow_lag_seconds")
        expect(lag is not None and lag < 10, f"the lag stands at {lag}")
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        return f"25,000 requests in {sent - began:.1f} s, complete {time.monotonic() - sent:.1f} s later"


def one_hot_key_from_500_clients():
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url)
        server.start()
        key = "dddddddd-1234-5678-1234-567812345678"
        done = subprocess.run(["hey", "-n", "100000", "-c", "500", "-m", "POST", "-d", f'{{"key":"{key}","value":1}}',
                               f"http://127.0.0.1:{server.port}/increment"], capture_output=True, text=True, timeout=300)
        expect(re.search(r"\[200\]\s+100000 responses", done.stdout), f"not all were answered 200:\n{done.stdout[-1500:]}")
        await_true(lambda: total(database, key) == 100_000, 10, f"a total of 100,000, not {total(database, key)}")
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        return re.search(r"Requests/sec:\s+\S+", done.stdout).group(0)


def a_million_keys_in_one_flush_window():
    """One million distinct keys that wait for one flush: less than 400 MB resident."""
    with Folder() as folder:
        database = Sqlite(folder)
        one_meter = "\nmeters:\n  - {slug: used, eventType: use, aggregation: SUM, valueProperty: $.amount, windows: [TOTAL]}\n"
        server = Server(folder, database.url, {"flush_interval": "10s"}, one_meter)
        server.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for batch in range(500):
            lines = "\n".join(json.dumps({"specversion": "1.0", "id": f"{batch}-{i}", "source": "t", "type": "use",
                                          "subject": f"subject-{batch * 2000 + i}", "data": {"amount": 1, "kind": "k"}})
                              for i in range(2000))
            connection.request("POST", "/api/v1/events", lines, {"Content-Type": "application/x-ndjson"})
            answer = connection.getresponse()
            expect(answer.status == 204, f"{answer.status}: {answer.read()[:300]}")
            answer.read()
        await_true(lambda: database.query("SELECT COUNT(*) FROM tidemark_totals WHERE meter = 'used' AND window_size = 'TOTAL'")
                   == [["1000000"]], 240, "a million totals")
        with open(f"/proc/{server.process.pid}/status") as status:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) / 1024
        expect(peak < 400, f"{peak:.0f} MB resident at the peak")
        expect(server.stop(60) == 0, "SIGTERM didn't end with 0")
        return f"{peak:.0f} MB resident at the peak"


def idle_is_small_and_quiet():
    with Folder() as folder:
        server = Server(folder, Sqlite(folder).url)
        server.start()
        time.sleep(2)
        ticks = lambda: sum(int(x) for x in open(f"/proc/{server.process.pid}/stat").read().split()[13:15])
        before = ticks()
        time.sleep(3)
        used = (ticks() - before) / os.sysconf("SC_CLK_TCK")
        with open(f"/proc/{server.process.pid}/status") as status:
            resident = int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) / 1024
        expect(resident < 40, f"{resident:.0f} MB resident when idle")
        expect(used < 0.5, f"{used:.2f} s of CPU in 3 s of idleness")
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        return f"{resident:.0f} MB resident, {used * 1000:.0f} ms of CPU in 3 s"


def main():
    cases = Cases()
    cases.run("five keys, 1,000 a second each", five_keys_a_thousand_a_second)
    cases.run("one hot key from 500 clients", one_hot_key_from_500_clients)
    cases.run("a million keys in one flush window", a_million_keys_in_one_flush_window)
    cases.run("an idle server is small and quiet", idle_is_small_and_quiet)
    cases.finish()


if __name__ == "__main__":
    main()
