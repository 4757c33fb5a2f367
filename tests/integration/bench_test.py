#!/usr/bin/env python3
"""Each workload of `tidemark bench` runs for a second, and its result is what was acknowledged. Nothing here is timed."""

import hashlib
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import types

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
    expect(0 < report["disk_write_p50_us"] <= report["disk_write_p99_us"], "nothing is told of the disk alone")
    expect(0 <= report["host_steal_share"] <= 1, f"a share of {report['host_steal_share']} was stolen")
    return report["checksum"]


def batches_with_duplicates():
    return bench("batch", "--connections", "4", "--duplicates", "0.2", "--subjects", "100")["checksum"]


def batches_while_the_database_is_away():
    report = bench("batch", "--form", "array", "--connections", "2", "--flows", "off", "--preload-claims", "50000")
    expect(report["flows"] is False and report["preloaded_claims"] == 50000, str(report))
    expect(report["segments_before"] > 0, "the preloaded claims are in no segment")
    return report["checksum"]


def claims_beyond_memory():
    report = bench("claims", "--duplicates", "0.5", "--preload-claims", "200000", "--keyset-memory-bytes", "2MiB")
    expect(report["segments"] > 0, "no claim left memory")
    return report["checksum"]


def flush_beside_a_statement_by_hand():
    with Folder() as folder:
        where = ["--keys", "2000", "--directory", os.path.join(folder, "flush")]
        first = bench("flush", *where)
        expect(first["insert_rounds"] >= 2 and first["update_rounds"] >= 6, f"too few rounds for a median: {first}")
        second = bench("flush", *where, "--reuse")
        inserted = 2000 * (first["insert_rounds"] + second["insert_rounds"])
        rows = Sqlite(os.path.join(folder, "flush")).query(
            "SELECT meter, COUNT(*) FROM tidemark_totals GROUP BY meter ORDER BY meter")
        expect(rows == [["bench_used", str(inserted)], ["by_hand", str(inserted)]], f"not new keys each time: {rows}")
        return second["checksum"]


def claims_again_in_the_same_directory():
    with Folder() as folder:
        where = ["--directory", os.path.join(folder, "claims"), "--reuse", "--preload-claims", "50000"]
        first = bench("claims", *where)
        second = bench("claims", *where)
        expect(second["claims_before"] > first["claims_before"] == 50000, "the second run began anew")
        return second["checksum"]


def compare_program():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/peers/compare")
    loader = importlib.machinery.SourceFileLoader("compare", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("compare", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def contents(folder):
    digests = {}
    for root, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(root, name), "rb") as file:
                digests[os.path.relpath(file.name, folder)] = hashlib.sha256(file.read()).hexdigest()
    return digests


def runs_on_copies_of_preloaded_claims():
    claims = 30_000
    preload = ["--preload-claims", str(claims), "--keyset-memory-bytes", "1MiB"]
    with Folder() as folder:
        compare = compare_program().Compare(types.SimpleNamespace(scratch=folder), None)
        template = os.path.join(folder, "template")
        made = bench("preload", "--directory", template, *preload)
        expect(made["segments"] > 0, "no claim is in a segment")
        before = contents(template)
        for workload in (["claims", "--duplicates", "0.5"], ["batch", "--connections", "2"], ["batch", "--flows", "off"],
                         ["start", "--tail-bytes", "1MiB"]):
            with compare.copy_of(template) as copy:
                shared = os.stat(next(f"{copy}/data/keyset/{name}" for name in os.listdir(f"{copy}/data/keyset")
                                      if name.startswith("segment-")))
                expect(shared.st_nlink > 1, "the segments were copied")
                report = bench(*workload, "--directory", copy, "--reuse", *preload)
            expect(report["segments_before"] == made["segments"], f"{workload} began with other claims: {report}")
            expect(report.get("claims_before", claims) == claims, f"{workload} began with other claims: {report}")
            expect(contents(template) == before, f"{workload} changed what copies share")
        return f"{made['segments']} segments"


def a_fixed_number_of_events():
    report = bench("batch", "--connections", "2", "--subjects", "1000000", "--events", "3000", "--batch", "100")
    expect(report["checksum"].startswith("acknowledged 3"), report["checksum"])
    return report["checksum"]


def batches_again_into_the_same_directory():
    with Folder() as folder:
        where = ["--directory", os.path.join(folder, "batches"), "--reuse", "--connections", "2", "--events", "5000"]
        bench("batch", *where, "--flows", "off", "--preload-claims", "1000")
        return bench("batch", *where)["checksum"]


def requests_that_could_not_be_sent_in_time_count():
    report = bench("batch", "--connections", "1", "--rate", "20000", "--batch", "2", "--flows", "off")
    expect(report["latency_max_us"] > 100_000, f"the backlog doesn't show in the latencies: {report}")
    return f"max {report['latency_max_us']} us"


def start_with_a_tail():
    report = bench("start", "--preload-claims", "20000", "--tail-bytes", "3MiB")
    expect(report["cold_start_claims_from_tail"] == report["tail_events"], "a part of the tail wasn't restored")
    expect(report["warm_start_claims"] == 20000, "a part of the claims was not found")
    expect(report["idle_resident_bytes"] > 0, "nothing is told of the idle server")
    return report["checksum"]


def soak():
    report = bench("soak", "--rate", "200", "--batch-rate", "5", "--duplicates", "0.1", "--connections", "4")
    expect(report["single_failed_requests"] == report["batch_failed_requests"] == 0, str(report))
    expect(report["resident_largest_bytes"] >= report["resident_first_bytes"] > 0, "no memory is told")
    return report["checksum"]


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
    cases.run("claims again in the same directory", claims_again_in_the_same_directory)
    cases.run("runs on copies of preloaded claims", runs_on_copies_of_preloaded_claims)
    cases.run("a fixed number of events", a_fixed_number_of_events)
    cases.run("batches again into the same directory", batches_again_into_the_same_directory)
    cases.run("requests that could not be sent in time count", requests_that_could_not_be_sent_in_time_count)
    cases.run("a start with a tail", start_with_a_tail)
    cases.run("a soak", soak)
    cases.run("a running server", a_running_server)
    cases.finish()


if __name__ == "__main__":
    main()
