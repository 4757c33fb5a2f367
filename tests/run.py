#!/usr/bin/env python3
"""Runs the phases of ./test and adds up what they count. The last line is `N passed, N failed, N skipped`."""

import glob
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = os.cpu_count() or 2
# Modules that share state between threads.
THREADED = ["log_test", "keyset_test", "arrivals_test", "flow_test", "net_test", "ingest_http_test"]
# Test programs that need the database servers.
NEED_SERVERS = ["sql_postgres_test", "sql_mysql_test", "meters_servers_test"]


# What the end of the output says of a failure, since often the end alone is shown.
CAUSES_MAX = 20
CAUSE_LINES = 8


class Tally:
    """Counts of tests, and what failed with its first lines."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, name, passed, failed, skipped, output="", causes=()):
        """`causes`: each failed test with its message; else they are picked from the output."""
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        if failed:
            self.failures.append((name, list(causes) or causes_in(output)))
            print(f"--- {name} failed\n{output[-12000:]}", flush=True)


def causes_in(output):
    """The lines that tell what went wrong; the last ones where none does."""
    lines = output.strip().splitlines()
    signs = ("FAILED", "error:", "ERROR:", "WARNING: ThreadSanitizer", "SUMMARY:", "no end after", "assertion failed", "[ RUN ")
    begins = [i for i, line in enumerate(lines) if any(sign in line for sign in signs)]
    told = sorted({j for i in begins for j in range(i, min(i + 3, len(lines)))})
    return [lines[j] for j in told] or ["\n".join(lines[-CAUSE_LINES:])]


def run(command, **kwargs):
    return subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                          **kwargs)


def text_of(output):
    """What a command that was stopped had printed."""
    return output if isinstance(output, str) else (output or b"").decode(errors="replace")


def build(tally, preset, *targets):
    """Configures and builds; what doesn't build counts as one failure and ends the run."""
    quoted = " ".join(targets)
    done = run(["bash", "-c", f". tools/packages.sh && build {preset} {quoted}"])
    print(done.stdout, end="", flush=True)
    if done.returncode:
        tally.add(f"build {preset}", 0, 1, 0)
        finish(tally)


def without_the_passed(output):
    """The output of a GoogleTest program less the lines of the tests that passed: one that never ended is still named."""
    passed = {line[13:].split(" (")[0] for line in output.splitlines() if line.startswith("[       OK ]")}
    return "\n".join(line for line in output.splitlines() if line[13:].split(" (")[0] not in passed)


def gtest(tally, preset, name, environment, timeout):
    """Runs one GoogleTest program and reads its own report; a program that dies counts as a failure."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [f"build/{preset}/{name}", f"--gtest_output=json:{report.name}"]
        try:
            done = run(command, env=environment, timeout=timeout)
            output, code = done.stdout, done.returncode
        except subprocess.TimeoutExpired as late:
            output, code = text_of(late.stdout) + f"\nno end after {timeout} s", 1
        output = without_the_passed(output)
        try:
            with open(report.name) as file:
                found = json.load(file)
            skipped = sum(case.get("result") == "SKIPPED" for suite in found["testsuites"] for case in suite["testsuite"])
            failed = found["failures"] + found.get("errors", 0)
            causes = [f"{case['classname']}.{case['name']}\n{case['failures'][0]['failure']}" for suite in found["testsuites"]
                      for case in suite["testsuite"] if case.get("failures")]
            passed = found["tests"] - failed - skipped
        except (ValueError, KeyError):
            passed, failed, skipped, causes = 0, 1, 0, []
            output += f"\nerror: the program ended with {code} and left no report"
        if code != 0 and failed == 0:
            failed = 1
        if passed + failed == 0:
            failed, output = 1, output + "\nerror: the program ran no test"
        tally.add(f"{preset}/{name}", passed, failed, skipped, output, causes)


def gtests(tally, preset, names, timeout=900):
    environment = dict(os.environ)
    environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
    environment.setdefault("TSAN_OPTIONS", f"halt_on_error=1:suppressions={ROOT}/tests/tsan.supp")
    environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    for name in [name for name in environment if name.startswith("GTEST_")]:
        del environment[name]  # Whoever shuffles or filters runs the program by hand.
    if os.path.isdir("/dev/shm"):  # Thousands of small syncs; the crash and integration suites use the real disk.
        environment.setdefault("TMPDIR", "/dev/shm")
    with ThreadPoolExecutor(JOBS) as pool:
        for future in [pool.submit(gtest, tally, preset, name, environment, timeout) for name in names]:
            future.result()


def programs(preset):
    found = sorted(os.path.basename(path) for path in glob.glob(f"{ROOT}/build/{preset}/*_test"))
    return [name for name in found if os.access(f"{ROOT}/build/{preset}/{name}", os.X_OK)]


def script(tally, name, command, timeout, environment=None):
    """Runs a test script that prints `N passed, N failed[, N skipped]` as its last line."""
    try:
        done = run(command, timeout=timeout, env=environment)
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = text_of(late.stdout) + f"\nno end after {timeout} s", 1
    passed = failed = skipped = 0
    last = output.strip().splitlines()[-1] if output.strip() else ""
    try:
        counts = {word: int(number) for number, word in (part.split() for part in last.split(": ")[-1].split(", "))}
        passed, failed, skipped = counts["passed"], counts["failed"], counts.get("skipped", 0)
    except (ValueError, KeyError):
        failed = 1
    if code != 0 and failed == 0 or passed + failed == 0:
        failed += 1
    tally.add(name, passed, failed, skipped, output)


def fuzz(tally, seconds):
    """Replays each corpus, then runs for some seconds."""
    for path in sorted(glob.glob(f"{ROOT}/build/fuzz/fuzz_*")):
        if not os.access(path, os.X_OK) or os.path.isdir(path):
            continue
        name = os.path.basename(path)[len("fuzz_"):]
        corpus = glob.glob(f"{ROOT}/src/**/fuzz/{name}", recursive=True)
        with tempfile.TemporaryDirectory() as scratch:
            done = run([path, f"-max_total_time={seconds}", "-timeout=25", "-rss_limit_mb=3000", "-print_final_stats=0",
                        f"-artifact_prefix={scratch}/", scratch, *corpus], timeout=seconds + 300)
        tally.add(f"fuzz/{name}", int(done.returncode == 0), int(done.returncode != 0), 0, done.stdout)


def naming(tally):
    """clang-tidy over every source: minutes, so only in the long run."""
    sources = sorted(glob.glob(f"{ROOT}/src/**/*.cpp", recursive=True))
    sources = [name for name in sources if "/fuzz/" not in name and "/bench/" not in name]

    def check(name):
        return run(["clang-tidy-19", "-p", "build/dev", "--quiet", name])
    with ThreadPoolExecutor(JOBS) as pool:
        faults = [done.stdout for done in pool.map(check, sources) if done.returncode]
    tally.add("naming", int(not faults), int(bool(faults)), 0, "\n".join(faults))


def phase(text, action):
    print(f"== {text}", flush=True)
    began = time.monotonic()
    action()
    print(f"== {text}: {time.monotonic() - began:.0f} s", flush=True)


def finish(tally):
    for name, causes in tally.failures:
        print(f"failed: {name}")
        for cause in causes[:CAUSES_MAX]:
            for line in cause.splitlines()[:CAUSE_LINES]:
                print(f"    {line[:300]}")
        if len(causes) > CAUSES_MAX:
            print(f"    and {len(causes) - CAUSES_MAX} more")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped", flush=True)
    sys.exit(1 if tally.failed else 0)


def servers(action):
    """Starts or stops the database servers; answers the environment that names them."""
    done = run(["tests/servers.sh", action])
    if done.returncode:
        print(done.stdout)
        raise SystemExit("the database servers can't be started; without them the tests fail\n0 passed, 1 failed, 0 skipped")
    if action == "start":
        for line in run(["tests/servers.sh", "env"]).stdout.splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            os.environ[name] = value.strip("'\"")


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else "--ci"
    long_rounds = mode == "--all"
    tally = Tally()
    script(tally, "tree", [sys.executable, "tests/check_tree.py"], 120)
    phase("build dev", lambda: build(tally, "dev"))
    unit = [name for name in programs("dev") if name not in NEED_SERVERS]
    phase("unit and contract tests", lambda: gtests(tally, "dev", unit))
    if mode == "--quick":
        finish(tally)

    phase("database servers", lambda: servers("start"))
    try:
        phase("contract tests on PostgreSQL and MariaDB", lambda: gtests(tally, "dev", NEED_SERVERS))
        for suite in sorted(glob.glob(f"{ROOT}/tests/integration/*_test.py")):
            name = os.path.relpath(suite, ROOT)
            phase(name, lambda: script(tally, name, [sys.executable, name], 1200))
        crash = [sys.executable, "tests/crash/crash.py"] + (["--rounds", "20"] if long_rounds else [])
        phase("crash suite", lambda: script(tally, "crash", crash, 7200 if long_rounds else 1500))
    finally:
        servers("stop")

    phase("build release", lambda: build(tally, "release", "tidemark"))
    phase("./run from an empty directory", lambda: script(tally, "first minute", [sys.executable, "tests/first_minute.py"], 600))
    phase("build asan", lambda: build(tally, "asan"))
    asan = [name for name in programs("asan") if name not in NEED_SERVERS]
    phase("address and undefined-behaviour sanitizers", lambda: gtests(tally, "asan", asan, 1800))
    phase("build tsan", lambda: build(tally, "tsan", *THREADED))
    phase("thread sanitizer", lambda: gtests(tally, "tsan", THREADED, 1800))
    phase("build fuzz", lambda: build(tally, "fuzz"))
    if long_rounds:
        phase("naming", lambda: naming(tally))
    phase("fuzzers", lambda: fuzz(tally, 300 if long_rounds else 4))
    finish(tally)


if __name__ == "__main__":
    main()
