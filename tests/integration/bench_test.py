#!/usr/bin/env python3
"""Each workload of `tidemark bench` runs for a second, and its result is what was acknowledged. Nothing here is timed."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BINARY, METERS, Cases, Folder, Server, Sqlite, expect

ROUND = ["--seconds", "1", "--warm-up", "0", "--json"]


def bench(*arguments):
    done = subprocess.run([BINARY, "bench", *arguments, *ROUND], capture_output=True, text=True, timeout=120)
    expect(done.returncode == 0, f"exit {done.returncode}: {done.stdout[-500:]} {done.stderr[-1500:]}")
    report = json.loads(done.stdout)
    expect(report["checksum_holds"] is True, report["checksum"])
    return report


def single_events_on_schedule():
    report = bench("single", "--rate", "500", "--connections", "16")
    expect(report["loop"] == "open" and report["failed_requests"] == 0, str(report))
    expect(report["latency_p50_us"] <= report["latency_p99_us"] <= report["latency_max_us"], "percentiles don't rise")
    expect(report["server_cpu_seconds_per_million_events"] >= 0, "no use of the server is told")
    return report["checksum"]


def batches_with_duplicates():
    return bench("batch", "--connections", "4", "--duplicates", "0.2", "--subjects", "100")["checksum"]


def batches_while_the_database_is_away():
    report = bench("batch", "--form", "array", "--connections", "2", "--flows", "off", "--preload-claims", "50000")
    expect(report["flows"] is False and report["preloaded_claims"] == 50000, str(report))
    return report["checksum"]


def claims_beyond_memory():
    report = bench("claims", "--duplicates", "0.5", "--preload-claims", "200000", "--keyset-memory-bytes", "2MiB")
    expect(report["segments"] > 0, "no claim left memory")
    return report["checksum"]


def flush_beside_a_statement_by_hand():
    return bench("flush", "--keys", "2000")["checksum"]


def a_running_server():
    with Folder() as folder:
        database = Sqlite(folder)
        meter = "  - {slug: bench_used, eventType: bench.use, aggregation: SUM, valueProperty: $.amount}\n"
        server = Server(folder, database.url, meters=METERS + meter)
        server.start()
        totals = ["--server", f"http://127.0.0.1:{server.port}", "--database", database.url]
        bench("single", *totals, "--connections", "4")
        report = bench("single", *totals, "--connections", "4")
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        return report["checksum"]


def main():
    cases = Cases()
    cases.run("single events on schedule", single_events_on_schedule)
    cases.run("batches with duplicates", batches_with_duplicates)
    cases.run("batches while the database is away", batches_while_the_database_is_away)
    cases.run("claims beyond memory", claims_beyond_memory)
    cases.run("a flush beside a statement by hand", flush_beside_a_statement_by_hand)
    cases.run("a running server", a_running_server)
    cases.finish()


if __name__ == "__main__":
    main()
