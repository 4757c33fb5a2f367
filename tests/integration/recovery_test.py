#!/usr/bin/env python3
"""Lost, older and foreign copies, two servers by mistake, signals, and doors that close and open alone."""

import glob
import json
import os
import resource
import shutil
import signal
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import PATIENCE, Cases, Failure, Folder, Server, Sqlite, await_true, expect, open_database

SMALL = {"log_segment_bytes": "1 MiB", "keyset_memory_bytes": "1 MiB", "max_body_bytes": "256 KiB", "disk_reserve_bytes": "1 MiB",
         "flush_interval": "50ms"}


def event(number, amount=1):
    return {"specversion": "1.0", "id": f"e{number}", "source": "t", "type": "use", "subject": f"s{number % 7}",
            "data": {"amount": amount, "kind": "k"}}


def send(server, first, count, size=500):
    """Sends events; answers the counts of verdicts."""
    counts = {}
    for begin in range(first, first + count, size):
        batch = [event(i) for i in range(begin, min(begin + size, first + count))]
        status, body, _ = server.request("POST", "/api/v1/events?verdicts=true", json.dumps(batch),
                                         {"Content-Type": "application/cloudevents-batch+json"})
        expect(status == 200, f"{status}: {body[:300]}")
        for name, number in json.loads(body)["counts"].items():
            counts[name] = counts.get(name, 0) + number
    return counts


def uses(database):
    rows = database.query("SELECT SUM(events) FROM tidemark_totals WHERE meter = 'uses' AND window_size = 'TOTAL'")
    return int(float(rows[0][0])) if rows and rows[0][0] not in ("None", "NULL", "") else 0


def await_uses(database, count):
    try:
        await_true(lambda: uses(database) == count, PATIENCE, "equal totals")
    except Failure:
        raise Failure(f"{uses(database)} events in SQL, not {count}") from None
    time.sleep(0.2)
    expect(uses(database) == count, f"{uses(database)} events in SQL a moment later, not {count}")


def refused(server, *words):
    """The server must not start: exit code 3 and a message with the remedy."""
    if server.start(expect_listening=False):
        server.kill()
        raise Failure("the server started")
    code = server.wait_dead()
    expect(code == 3, f"exit {code}, not 3:\n{server.tail()}")
    for word in words:
        expect(word in server.tail(), f"`{word}` isn't said:\n{server.tail()}")


def lost_data_directory(name):
    with Folder() as folder:
        database = open_database(name, folder)
        server = Server(folder, database.url, SMALL)
        server.start()
        send(server, 0, 1000)
        expect(server.stop() == 0, "exit code")
        shutil.rmtree(server.data)
        refused(server, "restore", "another log")
        expect(uses(database) == 1000, "the totals changed")
        database.drop()


def older_data_directory_under_a_newer_database(name):
    with Folder() as folder:
        database = open_database(name, folder)
        server = Server(folder, database.url, SMALL)
        server.start()
        send(server, 0, 1000)
        expect(server.stop() == 0, "exit code")
        shutil.copytree(server.data, f"{folder}/older")
        server.start()
        send(server, 1000, 1000)
        expect(server.stop() == 0, "exit code")
        shutil.rmtree(server.data)
        shutil.copytree(f"{folder}/older", server.data)
        refused(server, "restore", "older than the database")
        # Its log grows past the cursor: still another history.
        shutil.rmtree(server.data)
        shutil.copytree(f"{folder}/older", server.data)
        elsewhere = Server(folder, f"sqlite:{folder}/elsewhere.db", SMALL)
        elsewhere.start()
        send(elsewhere, 5000, 5000)
        expect(elsewhere.stop() == 0, "exit code")
        refused(server, "restore")
        expect(uses(database) == 2000, "the totals changed")
        database.drop()


def older_database_under_a_newer_data_directory():
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url, SMALL)
        server.start()
        send(server, 0, 1000)
        expect(server.stop() == 0, "exit code")
        shutil.copy(database.path, f"{folder}/older.db")
        server.start()
        send(server, 1000, 1000)
        expect(server.stop() == 0, "exit code")
        database.drop()
        shutil.copy(f"{folder}/older.db", database.path)
        server.start()  # The log still holds what the older copy lacks.
        await_uses(database, 2000)
        expect(send(server, 0, 2000) == {"new": 0, "duplicate": 2000, "conflict": 0, "too_late": 0, "invalid": 0}, "repeats")
        expect(server.stop() == 0, "exit code")


def older_database_under_a_trimmed_log():
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url, SMALL | {"log_retention": "0s"})
        server.start()
        send(server, 0, 100)
        expect(server.stop() == 0, "exit code")
        shutil.copy(database.path, f"{folder}/older.db")
        server.start()
        send(server, 1000, 40_000)
        await_true(lambda: os.path.isdir(f"{server.data}/digests") and len(os.listdir(f"{server.data}/digests")) > 0, PATIENCE, "a trim")
        expect(server.stop() == 0, "exit code")
        database.drop()
        shutil.copy(f"{folder}/older.db", database.path)
        refused(server, "restore", "trimmed")
        database.drop()
        refused(server, "restore")  # Nor can an empty database be filled from a log whose beginning is gone.


def two_servers_on_one_database():
    with Folder() as folder:
        database = Sqlite(folder)
        first = Server(f"{folder}/a", database.url, SMALL)
        first.start()
        send(first, 0, 500)
        await_uses(database, 500)
        refused(Server(f"{folder}/b", database.url, SMALL), "another server")
        send(first, 500, 500)
        await_uses(database, 1000)
        expect(first.stop() == 0, "exit code")


def two_servers_at_once_on_an_empty_database():
    with Folder() as folder:
        database = Sqlite(folder)
        servers = [Server(f"{folder}/{name}", database.url, SMALL) for name in "ab"]
        up = [None, None]

        def start(number):
            up[number] = servers[number].start(expect_listening=False)
        threads = [threading.Thread(target=start, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(sorted(up) == [False, True], f"serving: {up}")
        winner = servers[up.index(True)]
        expect(servers[up.index(False)].wait_dead() == 3, "the other one's exit code")
        send(winner, 0, 500)
        await_uses(database, 500)
        expect(winner.stop() == 0, "exit code")


def a_copy_of_the_data_directory_beside_the_original():
    with Folder() as folder:
        database = Sqlite(folder)
        first = Server(f"{folder}/a", database.url, SMALL)
        first.start()
        send(first, 0, 500)
        expect(first.stop() == 0, "exit code")
        shutil.copytree(f"{folder}/a/data", f"{folder}/b/data")
        first.start()
        send(first, 500, 500)
        await_uses(database, 1000)
        refused(Server(f"{folder}/b", database.url, SMALL), "restore")
        await_uses(database, 1000)
        expect(first.stop() == 0, "exit code")


def a_locked_data_directory():
    with Folder() as folder:
        database = Sqlite(folder)
        first = Server(folder, database.url, SMALL)
        first.start()
        refused(Server(folder, database.url, SMALL), "--data", "another tidemark")
        expect(first.stop() == 0, "exit code")


def sigterm_under_load():
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url, SMALL)
        server.start()
        acknowledged = [0] * 4
        unknown = [0] * 4

        def produce(worker):
            number = 0
            while server.alive():
                batch = [event(f"{worker}-{number}-{i}".__hash__() & 0xffffffff) for i in range(20)]
                for i, each in enumerate(batch):
                    each["id"], each["subject"] = f"{worker}-{number}-{i}", "s"
                number += 1
                try:
                    status, _, _ = server.request("POST", "/api/v1/events", json.dumps(batch),
                                                  {"Content-Type": "application/json"})
                except OSError:
                    unknown[worker] += 20
                    continue
                if status == 204:
                    acknowledged[worker] += 20
        threads = [threading.Thread(target=produce, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        await_true(lambda: all(count >= 2000 for count in acknowledged), PATIENCE, "load from each producer")
        code = server.stop()
        for thread in threads:
            thread.join()
        expect(code == 0, f"exit {code}:\n{server.tail()}")
        found = uses(database)
        expect(sum(acknowledged) <= found <= sum(acknowledged) + sum(unknown),
               f"{found} in SQL right after the exit, {sum(acknowledged)} acknowledged, {sum(unknown)} unknown")


def without_a_database_the_doors_stay_open():
    """SIGTERM ends with 0 though the database can't be reached; nothing is lost, and it catches up."""
    with Folder() as folder:
        os.makedirs(f"{folder}/away")
        url = f"sqlite:{folder}/away/totals.db"
        os.rename(f"{folder}/away", f"{folder}/gone")
        server = Server(folder, url, SMALL | {"shutdown_timeout": "3s"})
        server.start()
        expect(send(server, 0, 1000)["new"] == 1000, "not all were new")
        status, body, _ = server.request("GET", "/readyz")
        expect(status == 200 and b"totals" in body, f"/readyz doesn't tell: {status} {body}")
        began = time.monotonic()
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        expect(time.monotonic() - began < 15, "shutdown took longer than its budget of 3 s; the default is 20 s")
        os.rename(f"{folder}/gone", f"{folder}/away")
        server.start()
        database = Sqlite(f"{folder}/away")
        await_uses(database, 1000)
        expect(send(server, 0, 1000)["duplicate"] == 1000, "repeats")
        expect(server.stop() == 0, "exit code")


def what_is_retained_is_no_backlog_without_a_database():
    """Started while the database is away, doors open if what the log holds was applied; trimming waits for the database."""
    with Folder() as folder:
        os.makedirs(f"{folder}/away")
        database = Sqlite(f"{folder}/away")
        small = SMALL | {"backlog_max_bytes": "1 MiB", "shutdown_timeout": "2s"}
        server = Server(folder, database.url, small)
        server.start()
        count = 60_000
        for first in range(0, count, 10_000):
            send(server, first, 10_000)
            await_uses(database, first + 10_000)
        log_files = lambda: sorted(os.listdir(f"{server.data}/log"))
        expect(len(log_files()) > 4, f"the log holds less than the bound: {log_files()}")
        note = f"{server.data}/totals.applied"
        noted = lambda: os.path.exists(note) and open(note).read().split()[-2]
        await_true(lambda: noted() == database.query("SELECT position FROM tidemark_cursors")[0][0].split(".")[0], PATIENCE,
                   "a note of where the cursor stands")
        server.kill()
        os.rename(f"{folder}/away", f"{folder}/gone")
        before = log_files()
        server = Server(folder, database.url, small | {"log_retention": "0s"})
        server.start()
        status, body, _ = server.request("GET", "/readyz")
        expect(status == 200, f"the doors are closed: {status} {body}")
        expect(send(server, count, 100)["new"] == 100, "not taken")
        time.sleep(1.5)
        expect(set(before) <= set(log_files()), f"trimmed without the database's word: {before} -> {log_files()}")
        expect(server.stop() == 0, "exit code")
        os.remove(f"{server.data}/totals.applied")
        server.start()
        status, body, _ = server.request("GET", "/readyz")
        expect(status == 503 and b"backlog" in body, f"without a note all counts as backlog: {status} {body}")
        os.rename(f"{folder}/gone", f"{folder}/away")
        await_true(lambda: server.request("GET", "/readyz")[0] == 200, PATIENCE, "the doors open again")
        await_uses(database, count + 100)
        expect(server.stop() == 0, "exit code")


def an_address_in_use_ends_the_start_at_once():
    """Also while the database is away: nothing was accepted, so nothing is waited for."""
    with Folder() as folder:
        first = Server(f"{folder}/a", Sqlite(folder).url, SMALL)
        first.start()
        second = Server(f"{folder}/b", f"sqlite:{folder}/missing/x.db", SMALL | {"shutdown_timeout": "60s"})
        second.start()
        send(second, 0, 100)
        second.kill()  # So that its log holds what the database lacks.
        began = time.monotonic()
        expect(not second.start(expect_listening=False, port=first.port), "it serves on a port in use")
        expect(second.wait_dead() == 1, f"no exit with 1:\n{second.tail()}")
        expect(time.monotonic() - began < 30, f"it took {time.monotonic() - began:.1f} s, as if it waited for the database")
        expect("--listen" in second.tail(), f"no remedy:\n{second.tail()}")
        expect(first.stop() == 0, "exit code")


def a_second_signal_ends_at_once():
    with Folder() as folder:
        server = Server(folder, f"sqlite:{folder}/missing/x.db", SMALL | {"shutdown_timeout": "10m"})
        server.start()
        send(server, 0, 10)
        server.process.send_signal(signal.SIGTERM)
        await_true(lambda: "shutting down" in server.tail(), PATIENCE, "the first signal is heard")
        expect(server.alive(), "it should still be trying to reach the database")
        server.process.send_signal(signal.SIGINT)
        expect(server.wait_dead() == 1, "the second signal didn't end it at once")


def doors_close_on_a_full_backlog_and_open_alone():
    with Folder() as folder:
        server = Server(folder, f"sqlite:{folder}/away/totals.db", SMALL | {"backlog_max_bytes": "1 MiB"})
        server.start()
        number = 0
        status = 200
        patience_ends = time.monotonic() + PATIENCE
        while status == 200:
            batch = [event(i) for i in range(number, number + 500)]
            status, body, headers = server.request("POST", "/api/v1/events?verdicts=true", json.dumps(batch),
                                                   {"Content-Type": "application/json"})
            number += 500 if status == 200 else 0
            expect(time.monotonic() < patience_ends, "the doors never closed")
        expect(status == 503 and "Retry-After" in headers, f"{status} {headers}")
        expect(b"backlog" in body, f"{body}")
        status, body, _ = server.request("GET", "/readyz")
        expect(status == 503 and b"backlog" in body, f"/readyz: {status} {body}")
        os.makedirs(f"{folder}/away")
        await_true(lambda: server.request("GET", "/readyz")[0] == 200, PATIENCE, "the doors open again")
        await_uses(Sqlite(f"{folder}/away"), number)
        expect(server.stop() == 0, "exit code")


def doors_close_at_the_disk_reserve():
    with Folder() as folder:
        server = Server(folder, Sqlite(folder).url, SMALL | {"disk_reserve_bytes": "900 TiB"})
        server.start()
        status, body, headers = server.request("POST", "/increment", '{"key":"dddddddd-1234-5678-1234-567812345678","value":1}')
        expect(status == 503 and "Retry-After" in headers and b"disk" in body, f"{status} {body} {headers}")
        expect(server.request("GET", "/healthz")[0] == 200, "/healthz")
        expect(server.stop() == 0, "exit code")


def a_log_that_cannot_be_written_ends_the_process():
    """A write that fails is never tried again: whoever waits is told 503, and what was acknowledged is counted once."""
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url, SMALL)
        server.start()
        expect(send(server, 0, 300)["new"] == 300, "not all were new")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        body = json.dumps([event(number) for number in range(1000, 1100)])
        status, answer, headers = server.request("POST", "/api/v1/events?verdicts=true", body, {"Content-Type": "application/json"})
        expect(status == 503 and "Retry-After" in headers, f"{status} {answer}")
        expect(server.wait_dead() == 1, f"exit {server.process.returncode}, not 1:\n{server.tail()}")
        expect("the log failed" in server.tail(), f"the reason isn't said:\n{server.tail()}")
        server.start()
        counts = send(server, 0, 300)
        expect(counts["duplicate"] == 300, f"repeats: {counts}")
        counts = send(server, 1000, 100)  # Whether they had reached the disk, the answer 503 left open.
        expect(counts["new"] + counts["duplicate"] == 100, f"what was refused, again: {counts}")
        await_uses(database, 400)
        expect(server.stop() == 0, "exit code")


def a_damaged_group_of_the_log_is_one_dead_letter():
    with Folder() as folder:
        server = Server(folder, f"sqlite:{folder}/away/totals.db", SMALL | {"shutdown_timeout": "1s"})
        server.start()
        for first in range(0, 500, 100):
            send(server, first, 100)
        server.kill()
        (log,) = glob.glob(f"{server.data}/log/*.log")
        with open(log, "r+b") as file:  # One bit of the third batch.
            at = file.read().index(b"e250")
            file.seek(at)
            file.write(bytes([ord("e") ^ 1]))
        os.makedirs(f"{folder}/away")
        database = Sqlite(f"{folder}/away")
        server.start()
        await_uses(database, 400)
        rows = database.query("SELECT reason, detail FROM tidemark_dead_letters")
        expect(len(rows) == 1 and rows[0][0] == "corrupt" and "checksum" in rows[0][1], f"{rows}")
        expect("the log is damaged" in server.tail(), f"the log says nothing:\n{server.tail()}")
        counts = send(server, 0, 500)
        expect((counts["new"], counts["duplicate"]) == (100, 400), f"sent again: {counts}")
        await_uses(database, 500)
        expect(server.stop() == 0, "exit code")


def a_flow_that_makes_no_attempt_is_told_by_readyz():
    """Another session holds SQLite's write lock for longer than stall_timeout: the flow hangs in its first statement."""
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url, SMALL | {"stall_timeout": "3s", "lock_timeout": "60s", "statement_timeout": "60s"})
        server.start()
        send(server, 0, 100)
        await_uses(database, 100)
        other = sqlite3.connect(database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        expect(send(server, 100, 100)["new"] == 100, "the doors take events all the while")
        status, body, _ = await_true(lambda: (lambda answer: answer if answer[0] == 503 else None)(server.request("GET", "/readyz")),
                                     PATIENCE, "/readyz answers 503")
        expect(b"totals" in body and b"stall_timeout" in body, f"flow and reason aren't named: {body}")
        expect(server.request("GET", "/healthz")[0] == 200, "/healthz")
        expect(send(server, 200, 100)["new"] == 100, "the doors take events all the while")
        other.execute("ROLLBACK")
        other.close()
        await_true(lambda: server.request("GET", "/readyz")[0] == 200, PATIENCE, "/readyz answers 200 again")
        await_uses(database, 300)
        expect(server.stop() == 0, "exit code")


def an_idempotency_key_counts_once_across_kill():
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url, SMALL)
        server.start()
        key = "dddddddd-1234-5678-1234-567812345678"
        post = lambda value, name: server.request("POST", "/increment", json.dumps({"key": key, "value": value}),
                                                  {"Idempotency-Key": name})[0]
        expect([post(5, "a"), post(5, "a"), post(6, "a"), post(5, "b")] == [200, 200, 409, 200], "answers")
        server.kill()
        server.start()
        expect([post(5, "a"), post(6, "b"), post(7, "c")] == [200, 409, 200], "answers after kill -9")
        await_true(lambda: database.query(f"SELECT value FROM increments WHERE key = '{key}'") == [["17"]], PATIENCE, "a total of 17")
        status, body, _ = server.request("GET", f"/increment/{key}")
        expect(status == 200 and json.loads(body)["value"] == 17 and json.loads(body)["complete_through"].endswith("Z"), f"{body}")
        expect(server.request("GET", "/increment/eeeeeeee-1234-5678-1234-567812345678")[0] == 404, "unknown key")
        expect(server.request("GET", "/increment/not-a-key")[0] == 400, "not canonical")
        expect(server.stop() == 0, "exit code")


def an_overflow_harms_itself_alone():
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url, SMALL)
        server.start()
        full, other = "11111111-1234-5678-1234-567812345678", "22222222-1234-5678-1234-567812345678"
        post = lambda key, value: server.request("POST", "/increment", json.dumps({"key": key, "value": value}))[0]
        expect([post(full, 2**63 - 1), post(full, 5), post(other, 7), post(full, 2**63)] == [200, 200, 200, 400], "answers")
        await_true(lambda: database.query("SELECT value FROM increments ORDER BY value") == [["7"], [str(2**63 - 1)]], PATIENCE, "totals")
        rows = await_true(lambda: database.query("SELECT reason, payload FROM tidemark_dead_letters"), PATIENCE, "a dead letter")
        expect(len(rows) == 1 and rows[0][0] == "overflow" and full in rows[0][1], f"{rows}")
        expect(server.stop() == 0, "exit code")


def meter(aggregation="SUM", value="$.amount", rest=""):
    return f"\nmeters:\n  - {{slug: uses, eventType: use, aggregation: {aggregation}, valueProperty: {value}{rest}}}\n"


def a_changed_meter_needs_a_new_slug():
    with Folder() as folder:
        database = Sqlite(folder)
        server = Server(folder, database.url, SMALL, meter(rest=", windows: [TOTAL]"))
        server.start()
        send(server, 0, 100)
        expect(server.stop() == 0, "exit code")
        changes = {"aggregation was SUM and is MAX": meter("MAX", rest=", windows: [TOTAL]"),
                   "valueProperty was $.amount and is $.other": meter(value="$.other", rest=", windows: [TOTAL]"),
                   "windows didn't have DAY": meter(rest=", windows: [TOTAL, DAY]")}
        for said, meters in changes.items():
            server = Server(folder, database.url, SMALL, meters)
            expect(not server.start(expect_listening=False), f"it started although {said}")
            expect(server.wait_dead() == 2, f"the exit code isn't 2:\n{server.tail()}")
            expect(said in server.tail() and "new slug" in server.tail(), f"`{said}` or the remedy isn't told:\n{server.tail()}")
        server = Server(folder, database.url, SMALL, meter(rest=", windows: [TOTAL], groupBy: {kind: $.kind}"))
        server.start()
        send(server, 100, 100)
        await_uses(database, 200)
        groups = database.query("SELECT group_values, SUM(events) FROM tidemark_totals GROUP BY group_values ORDER BY 1")
        expect(groups == [['{"kind":"k"}', "100"], ["{}", "100"]], f"{groups}")
        expect(server.stop() == 0, "exit code")


def main():
    cases = Cases()
    for name in ("sqlite", "postgres", "mysql"):
        cases.run(f"{name}: a lost data directory under its database is refused", lambda n=name: lost_data_directory(n))
        cases.run(f"{name}: an older data directory under a newer database is refused",
                  lambda n=name: older_data_directory_under_a_newer_database(n))
    cases.run("an older database catches up from the log", older_database_under_a_newer_data_directory)
    cases.run("an older database under a trimmed log is refused", older_database_under_a_trimmed_log)
    cases.run("a second server on one database is refused", two_servers_on_one_database)
    cases.run("of two servers at once on an empty database one serves", two_servers_at_once_on_an_empty_database)
    cases.run("a copied data directory beside the original is refused", a_copy_of_the_data_directory_beside_the_original)
    cases.run("a locked data directory is named", a_locked_data_directory)
    cases.run("SIGTERM under load loses nothing", sigterm_under_load)
    cases.run("without a database the doors stay open", without_a_database_the_doors_stay_open)
    cases.run("what is retained is no backlog without a database", what_is_retained_is_no_backlog_without_a_database)
    cases.run("an address in use ends the start at once", an_address_in_use_ends_the_start_at_once)
    cases.run("a second signal ends at once", a_second_signal_ends_at_once)
    cases.run("doors close on a full backlog and open alone", doors_close_on_a_full_backlog_and_open_alone)
    cases.run("doors close at the disk reserve", doors_close_at_the_disk_reserve)
    cases.run("a log that can't be written ends the process", a_log_that_cannot_be_written_ends_the_process)
    cases.run("a damaged group of the log is one dead letter", a_damaged_group_of_the_log_is_one_dead_letter)
    cases.run("a flow that makes no attempt is told by /readyz", a_flow_that_makes_no_attempt_is_told_by_readyz)
    cases.run("an Idempotency-Key counts once across kill -9", an_idempotency_key_counts_once_across_kill)
    cases.run("an overflow harms itself alone", an_overflow_harms_itself_alone)
    cases.run("a changed meter needs a new slug", a_changed_meter_needs_a_new_slug)
    cases.finish()


if __name__ == "__main__":
    main()
