#!/usr/bin/env python3
"""What a stranger does first: ./run on the git history, the same totals after kill -9, and the usual mishaps."""

import glob
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PATIENCE, ROOT, Cases, Folder, await_true, expect

AUTHOR, ADDRESS = "Ada Author", "ada@history.example"


class Run:
    """One ./run, its output in a file."""

    def __init__(self, folder, *options):
        self.path = f"{folder}/run-{time.monotonic_ns()}.out"
        with open(self.path, "wb") as out:
            # Where the tests themselves run in the background SIGINT is ignored, and a shell can't trap what it inherits so.
            self.process = subprocess.Popen([f"{ROOT}/run", *options], cwd=folder, stdout=out, stderr=subprocess.STDOUT,
                                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def output(self):
        with open(self.path, errors="replace") as file:
            return file.read()

    def serving(self):
        def ready():
            expect(self.process.poll() is None, f"./run ended with {self.process.returncode}:\n{self.output()[-3000:]}")
            return "three things" in self.output().lower()
        await_true(ready, PATIENCE, f"./run serves:\n{self.output()[-3000:]}")
        return self.output()

    def server_pid(self):
        return int(re.search(r"kill -9 (\d+)", self.output()).group(1))

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


# For the tests' own git alone: it reads what anybody owns, and knows no settings of whoever runs this.
GIT_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


def git(folder, *arguments, **environment):
    command = ["git", "-C", folder, "-c", f"user.name={AUTHOR}", "-c", f"user.email={ADDRESS}", *arguments]
    return subprocess.run(command, check=True, text=True, capture_output=True, env=GIT_ENVIRONMENT | environment).stdout


def commit(folder, text, when):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", text, GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)


def small_history(folder):
    """Ten-year-old commits, a merge, a binary file, a name with blanks and one that isn't UTF-8."""
    repo = f"{folder}/repo"
    os.makedirs(f"{repo}/src/deep")
    git(repo, "init", "-q", "-b", "main")
    write = lambda name, data: open(os.path.join(os.fsencode(repo), os.fsencode(name)), "wb").write(data)
    write("src/deep/a.txt", b"1\n2\n3\n")
    write("readme with blanks.txt", b"x\n")
    commit(repo, "first", "2015-03-01T12:00:00+02:00")
    write("picture.bin", bytes(range(256)) * 4)
    write(b"caf\xe9.txt", b"latin\n")
    commit(repo, "second", "2015-06-01T12:00:00Z")
    git(repo, "checkout", "-q", "-b", "side", "HEAD~1")
    write("src/deep/b.txt", b"side\n" * 5)
    commit(repo, "side", "2015-07-01T12:00:00Z")
    git(repo, "checkout", "-q", "main")
    when = "2015-08-01T12:00:00Z"
    git(repo, "merge", "-q", "--no-ff", "-m", "merge", "side", GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)
    return repo


def expected(repo):
    """Changes, lines added and commits, straight from git."""
    changes = added = 0
    commits = set()
    for block in git(repo, "log", "HEAD", "--no-merges", "--no-renames", "--numstat", "--format=%x01%H").split("\x01")[1:]:
        head, *lines = block.strip().split("\n")
        for line in filter(None, lines):
            commits.add(head)
            changes += 1
            added += int(line.split("\t")[0].replace("-", "0"))
    return changes, added, len(commits)


def stored(data):
    connection = sqlite3.connect(f"{data}/tidemark.db", timeout=PATIENCE)
    try:
        rows = dict(connection.execute("SELECT meter, SUM(value) FROM tidemark_totals WHERE window_size = 'TOTAL' GROUP BY meter"))
        shas = connection.execute("SELECT COUNT(DISTINCT member) FROM tidemark_uniques").fetchone()[0]
        return rows.get("changes"), rows.get("lines_added"), shas
    finally:
        connection.close()


def counts_the_history_and_survives_kill(folder, repo, wanted):
    data = f"{folder}/data"
    run = Run(folder, "--repo", repo, "--data", data, "--listen", "127.0.0.1:0")
    text = run.serving()
    expect("lines_added" in text, f"no table in:\n{text}")
    expect(stored(data) == wanted, f"{stored(data)} in SQL, {wanted} in git")
    expect(f"new={wanted[0]} " in text, f"not all were new:\n{text}")
    command = f"run --repo {repo} --data {data} --listen 127.0.0.1:0"
    expect(f"; {ROOT}/{command}\n" in text, f"the command to type again isn't this one:\n{text}")
    os.kill(run.server_pid(), signal.SIGKILL)
    expect(run.process.wait(PATIENCE) == 137, f"./run answered {run.process.returncode} after kill -9")
    again = Run(folder, "--data", data, "--listen", "127.0.0.1:0")
    text = again.serving()
    expect(f"new=0 duplicate={wanted[0]} " in text, f"repeats weren't duplicates:\n{text}")
    expect(stored(data) == wanted, f"{stored(data)} after kill -9, {wanted} before")
    expect(again.end(signal.SIGINT) == 0, "SIGINT didn't end with 0")
    return f"{wanted[0]} changes"


def logged(data, text):
    """Whether the log of a data directory holds the text."""
    return any(text.encode() in open(path, "rb").read() for path in glob.glob(f"{data}/log/*.log"))


def this_repository():
    with Folder() as folder:
        if not os.path.exists(f"{ROOT}/.git"):
            return "no history here"
        if git(ROOT, "rev-parse", "--is-shallow-repository").strip() == "true":
            return "a shallow clone, whose end is left out: the next cases have histories of their own"
        return counts_the_history_and_survives_kill(folder, ROOT, expected(ROOT))


def old_commits_merges_and_odd_names():
    with Folder() as folder:
        repo = small_history(folder)
        wanted = expected(repo)
        # What a user may have set for reading histories changes nothing here.
        for name, value in (("log.showRoot", "false"), ("log.showSignature", "true"), ("diff.relative", "true"),
                            ("diff.renames", "copies"), ("color.ui", "always")):
            git(repo, "config", name, value)
        if os.getuid() == 0:  # A user's clone, read by root.
            for place, folders, files in os.walk(repo):
                for name in [".", *folders, *files]:
                    os.chown(os.path.join(place, name), 65534, 65534, follow_symlinks=False)
        note = counts_the_history_and_survives_kill(folder, repo, wanted)
        expect(logged(f"{folder}/data", "src/deep/a.txt"), "the log can't be searched for names")
        for name in (AUTHOR, ADDRESS):
            expect(not logged(f"{folder}/data", name), f"`{name}` is in the log")
        return note


def shallow_clone_leaves_its_end_out():
    with Folder() as folder:
        repo = small_history(folder)
        shallow = f"{folder}/shallow"
        subprocess.run(["git", "clone", "-q", "--depth", "2", f"file://{repo}", shallow], check=True, env=GIT_ENVIRONMENT)
        run = Run(folder, "--repo", shallow, "--data", f"{folder}/data", "--listen", "127.0.0.1:0")
        text = run.serving()
        expect("shallow" in text, f"nothing was said of the shallow clone:\n{text}")
        expect(run.end() == 0, "SIGTERM didn't end with 0")


def without_history_the_sample_is_counted():
    with Folder() as folder:
        os.makedirs(f"{folder}/plain")
        run = Run(folder, "--repo", f"{folder}/plain", "--data", f"{folder}/data", "--listen", "127.0.0.1:0")
        text = run.serving()
        expect("sample" in text and "new=148 " in text, f"the sample wasn't counted:\n{text}")
        expect(run.end() == 0, "SIGTERM didn't end with 0")


def empty_skips_the_import():
    with Folder() as folder:
        run = Run(folder, "--empty", "--data", f"{folder}/data", "--listen", "127.0.0.1:0")
        text = run.serving()
        expect("duplicate=" not in text, f"something was imported:\n{text}")
        expect(run.end() == 0, "SIGTERM didn't end with 0")
        again = Run(folder, "--repo", ROOT, "--data", f"{folder}/data", "--listen", "127.0.0.1:0")
        text = again.serving()
        expect("duplicate=" not in text and "nothing is imported" in text, f"--repo was passed over in silence:\n{text}")
        expect(again.end() == 0, "SIGTERM didn't end with 0")


def the_look_into_the_database_is_for_the_one_that_is_used():
    """And shows no password."""
    server_of = lambda url: ["--database", url, "--shutdown-timeout", "1s"]
    query = " \"SELECT meter, subject, value, events FROM {}tidemark_totals_view WHERE subject = 'try/me' AND window_size = 'TOTAL'\""
    cases = {
        "psql 'postgres://u@127.0.0.1:1/d?sslmode=disable' -c" + query.format("usage."):
            server_of("postgres://u:hunter2@127.0.0.1:1/d?sslmode=disable&sslpassword=hunter3") + ["--database-schema", "usage"],
        "mariadb --user=u --password --host=127.0.0.1 --port=1 d -e" + query.format(""): server_of("mysql://u:hunter2@127.0.0.1:1/d"),
        "sqlite3 @/other.db" + query.format(""): server_of("sqlite:@/other.db"),
        "sqlite3 @/data/tidemark.db" + query.format(""): [],
    }
    for line, options in cases.items():
        with Folder() as folder:
            run = Run(folder, "--empty", "--data", f"{folder}/data", "--listen", "127.0.0.1:0",
                      *[option.replace("@", folder) if "sqlite" in option else option for option in options])
            text = run.serving()
            line = line.replace("@/", folder + "/")
            expect(f"   {line}\n" in text, f"`{line}` isn't said:\n{text}")
            expect("hunter" not in text, f"a password is shown:\n{text}")
            expect(run.end() == 0, "SIGTERM didn't end with 0")


def mishap(options, prepare, words, code):
    with Folder() as folder:
        prepare(folder)
        run = Run(folder, "--empty", *[option.replace("@", folder) for option in options])
        expect(run.process.wait(PATIENCE) == code, f"exit {run.process.returncode}, not {code}:\n{run.output()}")
        for word in words:
            expect(word in run.output(), f"`{word}` isn't said:\n{run.output()}")


def main():
    cases = Cases()
    cases.run("this repository's history is counted and survives kill -9", this_repository)
    cases.run("old commits, merges, binary files and odd names", old_commits_merges_and_odd_names)
    cases.run("a shallow clone leaves its end out and says so", shallow_clone_leaves_its_end_out)
    cases.run("without a history the sample is counted", without_history_the_sample_is_counted)
    cases.run("--empty skips the import", empty_skips_the_import)
    cases.run("the look into the database is for the one that is used", the_look_into_the_database_is_for_the_one_that_is_used)
    busy = socket.create_server(("127.0.0.1", 0))
    port = busy.getsockname()[1]
    cases.run("a port in use is named with the remedy", lambda: mishap(
        ["--listen", f"127.0.0.1:{port}", "--data", "@/data"], lambda folder: None, [str(port), "--listen"], 1))

    def foreign(folder):
        os.makedirs(f"{folder}/data")
        open(f"{folder}/data/thesis.txt", "w").close()
    cases.run("a foreign directory is named with the remedy", lambda: mishap(
        ["--data", "@/data", "--listen", "127.0.0.1:0"], foreign, ["thesis.txt", "--data"], 3))

    def newer(folder):
        os.makedirs(f"{folder}/data")
        with open(f"{folder}/data/TIDEMARK", "w") as file:
            file.write("tidemark data directory, format 99\n")
    cases.run("a newer directory is named with the remedy", lambda: mishap(
        ["--data", "@/data", "--listen", "127.0.0.1:0"], newer, ["newer version", "--data"], 3))
    cases.run("a repository that isn't there is named", lambda: mishap(
        ["--data", "@/data", "--repo", "@/nowhere"], lambda folder: None, ["nowhere", "--repo"], 2))
    cases.run("an unknown option is refused with a suggestion", lambda: mishap(
        ["--data", "@/data", "--flush-intervall", "2s"], lambda folder: None, ["flush-interval"], 2))
    cases.finish()


if __name__ == "__main__":
    main()
