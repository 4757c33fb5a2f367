#!/usr/bin/env python3
"""The load that the main job promises: sums to the event, freshness, and memory."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import http.client
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import PATIENCE, Cases, Folder, Server, Sqlite, await_true, expect


def total(database, key):
    rows = database.query(f"SELECT value FROM increments WHERE increments.key = '{key}'")
    return int(rows[0][0]) if rows else 0


def peak_resident_mb(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) / 1024


def five_keys_a_thousand_a_second():
    """Five keys, 1,000 requests a second each for 5 s: each total 5,000 within 10 s of the last reply, never staler than that."""
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url)
        server.start()
        keys = [f"{digit * 8}-1234-5678-1234-567812345678" for digit in "12345"]
        began = time.monotonic()
        senders = [subprocess.Popen(["hey", "-n", "5000", "-c", "10", "-q", "100", "-m", "POST", "-d", f'{{"key":"{key}","value":1}}',
                                     f"http://127.0.0.1:{server.port}/increment"], stdout=subprocess.PIPE, text=True)
                   for key in keys]
        lags = []
        while any(sender.poll() is None for sender in senders):
            lags.append(server.metric("tidemark_flow_lag_seconds"))
            time.sleep(0.1)
        sent = time.monotonic()
        for sender in senders:
            report = sender.communicate()[0]
            expect(re.search(r"\[200\]\s+5000 responses", report), f"not all were answered 200:\n{report[-1500:]}")
        await_true(lambda: all(total(database, key) == 5000 for key in keys), 10, "5,000 of each key")
        lags = [lag for lag in lags if lag is not None]  # Not known before the first page.
        expect(len(lags) > 5 and max(lags) < 10, f"the lag stood at {lags}")
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        return f"25,000 requests in {sent - began:.1f} s, complete {time.monotonic() - sent:.1f} s later, {max(lags):.1f} s behind at most"


def one_hot_key_from_500_clients():
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url)
        server.start()
        key = "dddddddd-1234-5678-1234-567812345678"
        done = subprocess.run(["hey", "-n", "100000", "-c", "500", "-m", "POST", "-d", f'{{"key":"{key}","value":1}}',
                               f"http://127.0.0.1:{server.port}/increment"], capture_output=True, text=True, timeout=600)
        expect(re.search(r"\[200\]\s+100000 responses", done.stdout), f"not all were answered 200:\n{done.stdout[-1500:]}")
        await_true(lambda: total(database, key) == 100_000, PATIENCE, f"a total of 100,000, not {total(database, key)}")
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        return re.search(r"Requests/sec:\s+\S+", done.stdout).group(0)


def a_million_keys_in_one_flush_window():
    """One million distinct keys that wait for one flush: less than 400 MB resident."""
    with Folder() as folder:
        database = Sqlite(folder)
        one_meter = "\nmeters:\n  - {slug: used, eventType: use, aggregation: SUM, valueProperty: $.amount, windows: [TOTAL]}\n"
        server = Server(folder, database.url, {"flush_interval": "10s"}, one_meter)
        server.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        for batch in range(500):
            lines = "\n".join(json.dumps({"specversion": "1.0", "id": f"{batch}-{i}", "source": "t", "type": "use",
                                          "subject": f"subject-{batch * 2000 + i}", "data": {"amount": 1, "kind": "k"}})
                              for i in range(2000))
            connection.request("POST", "/api/v1/events", lines, {"Content-Type": "application/x-ndjson"})
            answer = connection.getresponse()
            expect(answer.status == 204, f"{answer.status}: {answer.read()[:300]}")
            answer.read()
        await_true(lambda: database.query("SELECT COUNT(*) FROM tidemark_totals WHERE meter = 'used' AND window_size = 'TOTAL'")
                   == [["1000000"]], 600, "a million totals")
        peak = peak_resident_mb(server)
        expect(peak < 400, f"{peak:.0f} MB resident at the peak")
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        return f"{peak:.0f} MB resident at the peak"


def pipeline(port, numbers, faults):
    """Increments one counter for each number, some hundred requests at a time."""
    length = 0  # Of one answer; all are alike.
    with socket.create_connection(("127.0.0.1", port)) as connection:
        begin = numbers.start
        while begin < numbers.stop:
            some = range(begin, min(begin + 500, numbers.stop)) if length else [begin]
            begin += len(some)
            bodies = ['{"key":"%s","value":1}' % uuid.UUID(int=number + 1) for number in some]
            connection.sendall("".join(f"POST /increment HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                                       for body in bodies).encode())
            answers = connection.recv(len(some) * length, socket.MSG_WAITALL) if length else connection.recv(4096)
            length = length or len(answers)
            if answers.count(b"HTTP/1.1 200 ") != len(some) or answers.count(b"\r\n\r\n{}") != len(some):
                faults.append(answers[:300])
                return


def a_million_counters_in_one_flush_window():
    """The same through POST /increment, one request each, while the database is locked: one flush has them all to write."""
    count, clients = 1_000_000, 200
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url, {"lock_timeout": "500ms"})
        server.start()
        await_true(lambda: os.path.exists(database.path) and server.metric("tidemark_flow_lag_seconds") is not None, PATIENCE, "the tables")
        locked = sqlite3.connect(database.path, isolation_level=None, timeout=PATIENCE)
        locked.execute("BEGIN IMMEDIATE")
        faults = []
        began = time.monotonic()
        threads = [threading.Thread(target=pipeline, args=(server.port, range(i * count // clients, (i + 1) * count // clients), faults))
                   for i in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sent = time.monotonic()
        expect(not faults, f"{len(faults)} connections failed: {faults[:1]}")
        expect(server.metric('tidemark_ingest_increments_total{verdict="new"}') == count, "not all were acknowledged")
        expect(database.query("SELECT COUNT(*) FROM increments") == [["0"]], "some were flushed before the last came in")
        locked.execute("ROLLBACK")
        locked.close()
        await_true(lambda: database.query("SELECT COUNT(*), SUM(value) FROM increments") == [[str(count), str(count)]], PATIENCE,
                   "a million counters of 1")
        flushed = time.monotonic()
        peak = peak_resident_mb(server)
        expect(peak < 400, f"{peak:.0f} MB resident at the peak")
        expect(server.stop(60) == 0, "SIGTERM didn't end with 0")
        return f"{peak:.0f} MB resident at the peak, {count / (sent - began):.0f} a second, in SQL {flushed - sent:.1f} s later"


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
    cases.run("a million counters in one flush window", a_million_counters_in_one_flush_window)
    cases.run("an idle server is small and quiet", idle_is_small_and_quiet)
    cases.finish()


if __name__ == "__main__":
    main()
