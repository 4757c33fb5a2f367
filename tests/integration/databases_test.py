#!/usr/bin/env python3
"""The server on PostgreSQL and MariaDB when these fail: totals exact to the event, and doors open all the while.

Both run as servers of this test's own, since it fills, breaks and kills them. The server reaches them in the way that
docs/operations/ tells: a role with the least rights, a schema or database with tables of a user beside it, and the
password in a file. What is broken is broken under load, and each case ends with the producers' own ledger compared with
SQL and with SIGTERM.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, f"{TESTS}/crash"]
from crash import Ledger, Producer, compare
from gate import Gate
from harness import PATIENCE, ROOT, Cases, Failure, Folder, METERS, Server, ServerDatabase, await_true, expect, is_running

# Short time-outs, so that a fault is noticed within the case, and yet long for what a slow machine does in one statement;
# small pages, so that one is always under way.
SETTINGS = {
    "flush_interval": "50ms", "statement_timeout": "3s", "lock_timeout": "1s", "connect_timeout": "3s",
    "log_segment_bytes": "1 MiB", "keyset_memory_bytes": "1 MiB", "disk_reserve_bytes": "1 MiB",
}
OUTAGE_SECONDS = 30
PASSWORD = "s3cret/of the:role"
TABLES = ["increments", "tidemark_totals", "tidemark_uniques", "tidemark_cursors", "tidemark_dead_letters", "tidemark_schema"]

# What the server logs when a fault strikes: the database's own number, or its meaning where there are several.
SIGNS = {
    "late COMMIT": dict.fromkeys(("postgres", "mysql"), "somebody else moved the flow's cursor"),
    "lock": {"postgres": "55P03", "mysql": "1205"}, "deadlock": {"postgres": "40P01", "mysql": "1213"},
    "statement": {"postgres": "57014", "mysql": "1969"}, "pool": {"postgres": "53300", "mysql": "1040"},
    "read only": {"postgres": "25006", "mysql": "1290"}, "disk": dict.fromkeys(("postgres", "mysql"), "kind=disk_full"),
}


# How many transactions wait for a lock; of those in this database, where the database can tell.
WAITING = {
    "postgres": "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    "mysql": "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}


class DatabaseServer:
    """A PostgreSQL or MariaDB of this test's own, with its data in a directory that goes when the test ends."""

    OPTIONS = {"postgres": "-c max_connections=25 -c log_min_messages=fatal", "mysql": "--innodb-log-file-size=8M"}

    def __init__(self, name):
        self.name = name
        self.variable = f"TIDEMARK_TEST_{name.upper()}_URL"
        self.made = tempfile.mkdtemp(prefix="tidemark-servers-")
        os.chmod(self.made, 0o755)  # The server's own user must get in.
        self.directory = self.made
        self.environment = {**os.environ, "TIDEMARK_SERVERS_DIR": self.made,
                            f"TIDEMARK_SERVERS_{name.upper()}_OPTIONS": self.OPTIONS[name]}
        self.start()

    def script(self, action):
        done = subprocess.run([f"{TESTS}/servers.sh", action, self.name], env=self.environment, capture_output=True, text=True,
                              timeout=600)
        expect(done.returncode == 0, f"tests/servers.sh {action}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self):
        for line in self.script("start").splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            if name == self.variable:
                os.environ[name] = value  # Where ServerDatabase looks.
            if name == "TIDEMARK_TEST_SERVERS_CA":  # Elsewhere if the server's user can't get to where it was asked to be.
                self.directory = os.path.dirname(value)

    def pid(self):
        file = "postgres/postmaster.pid" if self.name == "postgres" else "mysql/server.pid"
        with open(f"{self.directory}/{file}") as text:
            return int(text.readline())

    def kill(self):
        """Kills all of its processes dead."""
        pid = self.pid()
        children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
        for each in [pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        await_true(lambda: not any(map(is_running, [pid, *children])), PATIENCE, "a killed server")

    def limit_files(self, size):
        """No file that it writes from now on grows beyond `size` bytes, as on a disk that is full; None lifts that."""
        pid = self.pid()
        limit = "unlimited" if size is None else size
        of = os.stat(f"/proc/{pid}")
        # Its owner may do that; root in a container may not.
        identity = {} if of.st_uid == os.getuid() else {"user": of.st_uid, "group": of.st_gid, "extra_groups": []}
        subprocess.run(["prlimit", f"--pid={pid}", f"--fsize={limit}:"], check=True, **identity)

    def remove(self):
        try:
            self.script("stop")
        finally:
            for directory in {self.made, self.directory}:
                shutil.rmtree(directory, ignore_errors=True)


class Place(ServerDatabase):
    """A user's database with a table of its own in it, made ready by the script of docs/operations/."""

    def __init__(self, name):
        super().__init__(name, f"TIDEMARK_TEST_{name.upper()}_URL")
        self.role, self.reader = f"{self.database}_server", f"{self.database}_reader"
        self.schema = "usage_numbers" if name == "postgres" else self.database
        with open(f"{ROOT}/docs/operations/grants-{name}.sql") as file:
            script = file.read()
        for old, new in (("tidemark_user", self.role), ("tidemark_reader", self.reader), ("tidemark_schema", self.schema),
                         ("change-me", PASSWORD)):
            script = script.replace(old, new)
        self.run(self.database, script)
        if name == "postgres":  # For the queries of the tests alone.
            self.admin(f"ALTER DATABASE {self.database} SET search_path = {self.schema}, public")
        user_schema = "public." if name == "postgres" else ""
        self.users_table = f"{user_schema}customers"
        self.query(f"CREATE TABLE {self.users_table} (id VARCHAR(255) PRIMARY KEY, name VARCHAR(255))")
        self.query(f"INSERT INTO {self.users_table} VALUES ('s1', 'Ada'), ('s2', 'Grace'), ('x', 'Hedy')")

    def server_url(self, port=None, password=None, user=None):
        """The URL for a role of the script; never the administrator's."""
        user = user or self.role
        login = user if password is None else f"{user}:{urllib.parse.quote(password, safe='')}"
        plain = "sslmode=disable" if self.name == "postgres" else "ssl-mode=DISABLED"
        return f"{self.name}://{login}@127.0.0.1:{port or self.base.port}/{self.database}?{plain}"

    def as_user(self, user, statement):
        base = self.base
        self.base = base._replace(netloc=f"{user}:{urllib.parse.quote(PASSWORD, safe='')}@127.0.0.1:{base.port}")
        try:
            return self.query(statement)
        finally:
            self.base = base

    def one(self, statement):
        rows = self.query(statement)
        return rows[0][0] if rows else None

    def users_objects(self):
        """What a user has beside our tables, with its contents."""
        ours = ", ".join(f"'{table}'" for table in [*TABLES, "tidemark_totals_view"])
        if self.name == "postgres":
            where = f"table_schema NOT IN ('{self.schema}', 'pg_catalog', 'information_schema')"
        else:
            where = f"table_schema = '{self.database}' AND table_name NOT IN ({ours})"
        objects = self.query(f"SELECT table_schema, table_name FROM information_schema.tables WHERE {where} ORDER BY 1, 2")
        return objects, self.query(f"SELECT id, name FROM {self.users_table} ORDER BY id")

    def drop(self):
        super().drop()
        for user in (self.role, self.reader):
            self.admin(f"DROP ROLE {user}" if self.name == "postgres" else f"DROP USER {user}@'%'")


class OtherSession:
    """A client that keeps a session open and talks to it statement by statement."""

    def __init__(self, place, user=None):
        at, password = place.base, PASSWORD if user else urllib.parse.unquote(place.base.password)
        user = user or at.username
        if place.name == "postgres":
            command = ["psql", "-XAtq", "-h", at.hostname, "-p", str(at.port), "-U", user, "-d", place.database]
            environment = {**os.environ, "PGPASSWORD": password}
        else:
            command = ["mariadb", "--no-defaults", "-N", "-B", "--unbuffered", "--protocol=tcp", "-h", at.hostname, "-P",
                       str(at.port), "-u", user, place.database]
            environment = {**os.environ, "MYSQL_PWD": password}
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, bufsize=1)

    def say(self, statement):
        self.process.stdin.write(statement + ";\n")
        self.process.stdin.flush()

    def ask(self, *statements):
        """Returns once all of them have run; answers what they printed."""
        for statement in statements:
            self.say(statement)
        self.say("SELECT 'done so far'")
        lines = []
        for line in self.process.stdout:
            if line.strip() == "done so far":
                return lines
            lines.append(line.strip())
        raise Failure(f"the other session ended: {lines}")

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class SteadyProducer(Producer):
    """A producer at a moderate pace: the fault is under test here, not the machine."""

    def post(self, path, body, headers):
        time.sleep(0.03)
        return super().post(path, body, headers)


class Scene:
    """A server under load on a Place, behind a gate."""

    def __init__(self, name, database_server, settings=None, gated=True):
        self.name, self.database_server = name, database_server
        self.settings, self.gated = {**SETTINGS, **(settings or {})}, gated

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = stack.enter_context(Folder())
            self.place = Place(self.name)
            self.users_objects = self.place.users_objects()
            self.gate = Gate(self.place.base.hostname, self.place.base.port)
            stack.callback(self.gate.close)
            settings = {**self.settings, "database_password_file": write_password(self.folder)}
            if self.name == "postgres":
                settings["database_schema"] = self.place.schema
            self.server = Server(self.folder, self.place.server_url(self.gate.port if self.gated else None), settings)
            self.server.start()
            stack.callback(lambda: self.server.alive() and self.server.kill())
            self.ledger = Ledger()
            self.producers = [SteadyProducer(self.server, self.ledger, seed, False) for seed in (1, 2)]
            for producer in self.producers:
                producer.start()
            stack.callback(self.stop_producers)
            self.await_pages()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *failure):
        if failure[0] is None:
            with self.stack:
                self.finish()
        else:
            self.stack.__exit__(*failure)

    def stop_producers(self):
        for producer in self.producers:
            producer.stopping = True
            if producer.ident:  # The one that floods is never started.
                producer.join(PATIENCE)

    def count(self, what):
        return self.server.metric(f"tidemark_flow_{what}_total") or 0

    def await_pages(self, pages=2):
        """Returns when the flow has written further pages from now on."""
        wanted = self.count("pages") + pages
        try:
            await_true(lambda: self.count("pages") >= wanted, PATIENCE, "further pages in SQL")
        except Failure as late:
            raise Failure(f"{late}:\n{self.server.tail()}") from None

    def await_retries(self, retries):
        wanted = self.count("retries") + retries
        await_true(lambda: self.count("retries") >= wanted, PATIENCE, f"{retries} failed attempts")

    def expect_sign(self, fault):
        """The fault really was that one."""
        sign = SIGNS[fault][self.name]
        try:
            await_true(lambda: sign in self.server.tail(1 << 20), PATIENCE, f"{sign} in the log")
        except Failure as late:
            raise Failure(f"{late}:\n{self.server.tail()}") from None

    def applied(self):
        return int(float(self.place.one("SELECT COALESCE(SUM(events), 0) FROM tidemark_totals WHERE meter = 'uses' AND "
                                        "window_size = 'TOTAL'") or 0))

    def finish(self):
        """No request was turned away; all that was acknowledged is in SQL once, nothing else is, and SIGTERM ends with 0."""
        expect(self.server.alive(), f"the server died:\n{self.server.tail()}")
        self.stop_producers()
        ledger = self.ledger
        turned_away = sum(len(producer.unanswered) for producer in self.producers)
        expect(not turned_away and not ledger.cut_off, f"{turned_away} batches refused, {ledger.cut_off} without an answer")
        expect(not any(unknown for _, unknown in ledger.increments.values()), "increments were refused")
        expect(not ledger.faults, f"verdicts: {ledger.faults[:5]}")
        acknowledged = sum(1 for event in ledger.events.values() if event[3])
        expect(acknowledged == len(ledger.events) > 0, f"{acknowledged} of {len(ledger.events)} events acknowledged")
        try:
            await_true(lambda: self.applied() >= acknowledged, PATIENCE, "all events in SQL")
            await_true(lambda: not compare(self.place, ledger, True), PATIENCE, "equal sums")
        except Failure as late:
            differences = [text[:60] + text[-60:] for text in compare(self.place, ledger, True)[:5]]
            raise Failure(f"{late}: {self.applied()} of {acknowledged} {differences}\n{self.server.tail()}") from None
        expect(self.place.one("SELECT COUNT(*) FROM tidemark_dead_letters") == "0", "there are dead letters")
        expect(self.server.stop() == 0, "SIGTERM didn't end with 0")
        differences = compare(self.place, ledger, True)
        expect(not differences and self.applied() == acknowledged, f"sums changed at shutdown: {differences[:5]}")
        expect(not self.gate.faults, f"{self.gate.faults}")
        expect(self.place.users_objects() == self.users_objects, "the user's own tables have changed")
        expect_no_secret(self.server)
        self.place.drop()


def write_password(folder, password=PASSWORD):
    path = f"{folder}/password"
    with open(path, "w") as file:
        file.write(password + "\n")
    return path


def expect_no_secret(server):
    log = server.tail(1 << 24)
    for form in (PASSWORD, urllib.parse.quote(PASSWORD, safe="")):
        expect(form not in log, "the log shows the password")


# Faults: each strikes a scene under load, makes sure that it was felt, and takes itself away.


def commit_cut(scene, action, rounds):
    for _ in range(rounds):
        struck = scene.gate.struck
        scene.gate.at_commit = action
        if action == "late":
            await_true(lambda: scene.gate.held, PATIENCE, "a COMMIT that is held")
            await_true(lambda: scene.place.one(WAITING[scene.name]) != "0", PATIENCE, "a next attempt that waits for its locks")
            scene.gate.let_late_pass()
        await_true(lambda: scene.gate.struck > struck, PATIENCE, "a COMMIT")
        scene.await_pages()
    if action == "late":  # It was in the middle of the next attempt, which the cursor's compare-and-set then stopped.
        scene.expect_sign("late COMMIT")
    return f"{rounds} times"


def stall(scene):
    scene.gate.stall(True)
    scene.await_retries(1)
    scene.gate.stall(False)
    scene.await_pages()


def lock_held(scene):
    isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED" if scene.name == "mysql" else "SELECT 1"
    for row in ("tidemark_totals SET events = events WHERE tenant = 'default' AND meter = 'uses' AND subject = 's7' AND "
                "window_size = 'TOTAL'",
                "increments SET value = value WHERE tenant = 'default'"):
        with contextlib.closing(OtherSession(scene.place)) as other:
            # All increments at once may meet the flow's own locks crosswise: the next try is granted.
            await_true(lambda r=row, o=other: not any("ERROR" in line for line in o.ask(isolation, "BEGIN", f"UPDATE {r}")),
                       PATIENCE, "locks")
            scene.await_retries(2)
            other.ask("ROLLBACK")
        scene.await_pages()
    scene.expect_sign("lock")


def deadlock(scene):
    rounds = 3
    place = scene.place
    if scene.name == "postgres":
        prepare = ["SET deadlock_timeout = '20s'", "BEGIN"]  # So that the server is the one that finds it.
    else:
        place.query("CREATE TABLE ballast (id INT PRIMARY KEY)")  # MariaDB undoes the lighter of the two.
        prepare = ["SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "BEGIN",
                   "INSERT INTO ballast SELECT seq FROM seq_1_to_50000"]
    for _ in range(rounds):
        with contextlib.closing(OtherSession(place)) as other:
            other.ask(*prepare, "UPDATE tidemark_totals SET events = events WHERE tenant = 'default' AND meter = 'uses' AND "
                                "subject = 's9' AND window_size = 'TOTAL'")
            await_true(lambda: place.one(WAITING[scene.name]) != "0", PATIENCE, "a flow that waits for the row")
            answer = other.ask("UPDATE tidemark_cursors SET updated_at = updated_at")  # Which the flow holds.
            expect(not answer, f"the other session was to win: {answer}")
            other.ask("ROLLBACK")
        scene.await_pages()
    if scene.name == "mysql":
        place.query("DROP TABLE ballast")
    scene.expect_sign("deadlock")
    return f"{rounds} times"


def statement_timeout(scene):
    if scene.name == "postgres":
        scene.place.query("CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS "
                          "'BEGIN PERFORM pg_sleep(9); RETURN NEW; END'")
        scene.place.query("CREATE TRIGGER slow BEFORE INSERT ON tidemark_totals FOR EACH STATEMENT "
                          "EXECUTE FUNCTION public.slow()")
    else:
        scene.place.query("CREATE TRIGGER slow BEFORE INSERT ON tidemark_totals FOR EACH ROW DO SLEEP(9)")
    scene.await_retries(2)
    scene.place.query("DROP FUNCTION public.slow() CASCADE" if scene.name == "postgres" else "DROP TRIGGER slow")
    scene.await_pages()
    scene.expect_sign("statement")


def full_pool(scene):
    place = scene.place
    if scene.name == "mysql":
        place.admin("SET GLOBAL max_connections = 12")
    others = []

    def fill():
        while True:
            others.append(OtherSession(place, place.reader))
            try:
                others[-1].ask("SELECT 1")
            except (Failure, OSError):
                return
            expect(len(others) < 50, "the pool is never full")
    if scene.name == "postgres":
        sessions = f"SELECT COUNT(*) FROM pg_stat_activity WHERE usename = '{place.role}'"
    else:
        sessions = f"SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{place.role}'"
    try:
        fill()
        scene.gate.refuse(True)
        await_true(lambda: place.one(sessions) == "0", PATIENCE, "the end of the server's sessions")
        fill()
        scene.gate.refuse(False)
        scene.expect_sign("pool")
        scene.await_retries(2)
    finally:
        for other in others:
            with contextlib.suppress(OSError):
                other.close()
        if scene.name == "mysql":
            place.admin("SET GLOBAL max_connections = 60")
    scene.await_pages()


def read_only(scene):
    if scene.name == "postgres":
        scene.place.admin(f"ALTER DATABASE {scene.place.database} SET default_transaction_read_only = on")
        scene.gate.cut_all()
    else:
        scene.place.admin("SET GLOBAL read_only = 1")
    scene.await_retries(3)
    if scene.name == "postgres":
        scene.place.admin(f"ALTER DATABASE {scene.place.database} RESET default_transaction_read_only")
    else:
        scene.place.admin("SET GLOBAL read_only = 0")
    scene.await_pages()
    scene.expect_sign("read only")


def disk_full(scene):
    """More rows than fit below the limit, which neither the WAL nor the redo log reaches."""
    # Not a multiple of the block size: a block that fits in part is how a full disk shows.
    scene.database_server.limit_files((16 << 20) + 4096 if scene.name == "postgres" else 24 << 20)
    scene.gate.cut_all()  # A session keeps the limit that it began with.
    flood = SteadyProducer(scene.server, scene.ledger, 3, False)
    scene.producers.append(flood)
    for number in range(40):
        events = [flood.event() for _ in range(100)]
        for i, event in enumerate(events):
            event["subject"] = f"{number:03}{i:03}" + "\U0001F30A" * 249
            scene.ledger.events[event["id"]][0] = event["subject"]
        expect(flood.send(events), "a door was closed")
    scene.expect_sign("disk")
    scene.await_retries(1)
    scene.database_server.limit_files(None)
    scene.await_pages(1)


def outage(scene):
    scene.database_server.kill()
    scene.await_retries(1)
    pages = scene.count("pages")
    time.sleep(OUTAGE_SECONDS)  # The outage itself.
    expect(scene.count("pages") == pages, "pages were written to a database that is gone")
    status, body, _ = scene.server.request("GET", "/readyz")
    expect(status == 200 and b"totals" in body, f"/readyz doesn't tell: {status} {body}")
    scene.database_server.start()
    scene.await_pages()
    return f"{OUTAGE_SECONDS} s"


def restarts(scene):
    for _ in range(2):
        scene.database_server.kill()
        scene.database_server.start()
        scene.await_pages()


FAULTS = [
    ("the connection cut before COMMIT", lambda scene: commit_cut(scene, "before", 5), {}),
    ("the connection cut after COMMIT took effect", lambda scene: commit_cut(scene, "after", 5), {}),
    ("an answer to COMMIT that never comes", lambda scene: commit_cut(scene, "mute", 2), {}),
    ("a COMMIT that arrives when nobody waits any more", lambda scene: commit_cut(scene, "late", 2),
     {"lock_timeout": "30s", "statement_timeout": "4s"}),  # It gives up after 6 s, and its next attempt waits for locks.
    ("a network that stalls", stall, {}),
    ("locks held by another", lock_held, {"statement_timeout": "5s"}),
    ("deadlocks", deadlock, {"lock_timeout": "10s", "statement_timeout": "12s"}),
    ("statements that time out", statement_timeout, {}),
    ("a full connection pool", full_pool, {}),
    ("read-only mode", read_only, {}),
    ("a full disk in the database", disk_full, {"statement_timeout": "10s"}),
    ("restarts by kill -9", restarts, {"gated": False}),
    ("an outage by kill -9", outage, {"gated": False}),
]


def run_fault(name, database_server, fault, settings):
    settings = dict(settings)
    with Scene(name, database_server, gated=settings.pop("gated", True), settings=settings) as scene:
        note = fault(scene)
    return f"{note + ', ' if note else ''}{len(scene.ledger.events)} events"


# What is proved without load.


@contextlib.contextmanager
def quiet_server(name, folder="a", **arguments):
    """A Place with a server that isn't started yet."""
    with Folder() as parent:
        place = Place(name)
        settings = {**SETTINGS, "database_password_file": write_password(parent)}
        if name == "postgres":
            settings["database_schema"] = place.schema
        server = Server(f"{parent}/{folder}", place.server_url(), settings, **arguments)
        try:
            yield place, server, settings
        finally:
            if server.alive():
                server.kill()
        expect_no_secret(server)
        place.drop()


def send(server, subjects, first=0, amount="1"):
    """Sends one event for each subject; each must be new. `amount` is JSON text."""
    events = [{"specversion": "1.0", "id": f"e{first + i}", "source": "t", "type": "use", "subject": subject,
               "data": {"amount": "AMOUNT", "kind": "k"}} for i, subject in enumerate(subjects)]
    body = json.dumps(events).replace('"AMOUNT"', amount)
    status, answer, _ = server.request("POST", "/api/v1/events?verdicts=true", body,
                                       {"Content-Type": "application/cloudevents-batch+json"})
    expect(status == 200 and json.loads(answer)["counts"]["new"] == len(events), f"{status}: {answer[:300]}")


def uses(place):
    found = place.one("SELECT SUM(events) FROM tidemark_totals WHERE meter = 'uses' AND window_size = 'TOTAL'")
    return 0 if found in (None, "", "NULL") else int(float(found))


def await_uses(place, count):
    await_true(lambda: uses(place) >= count, PATIENCE, f"{count} events in SQL")
    time.sleep(0.3)
    expect(uses(place) == count, f"{uses(place)} events in SQL, not {count}")


def refused(server):
    expect(server.wait_dead() == 3, f"exit {server.process.poll()}, not 3:\n{server.tail()}")
    expect("another server" in server.tail(), f"the remedy isn't said:\n{server.tail()}")


def two_servers(name):
    with quiet_server(name) as (place, first, settings):
        first.start()
        send(first, ["s"] * 500)
        await_uses(place, 500)
        second = Server(f"{os.path.dirname(first.folder)}/b", place.server_url(), settings)
        if second.start(expect_listening=False):
            second.kill()
            raise Failure("the second server started")
        refused(second)
        send(first, ["s"] * 500, 500)
        await_uses(place, 1000)
        expect(first.stop() == 0, "SIGTERM didn't end with 0")
        expect(uses(place) == 1000, "totals changed at shutdown")


def two_servers_at_once(name):
    with quiet_server(name) as (place, first, settings):
        servers = [first, Server(f"{os.path.dirname(first.folder)}/b", place.server_url(), settings)]
        up = [None, None]

        def start(number):
            up[number] = servers[number].start(expect_listening=False)
        threads = [threading.Thread(target=start, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        try:
            expect(sorted(up) == [False, True], f"serving: {up}")
            winner = servers[up.index(True)]
            refused(servers[up.index(False)])
            send(winner, ["s"] * 500)
            await_uses(place, 500)
            expect(winner.stop() == 0, "SIGTERM didn't end with 0")
        finally:
            for server in servers:
                if server.alive():
                    server.kill()


def values_come_back_equal(name):
    """Subjects that look alike stay apart, and the largest numbers are exact."""
    subjects = ["Ada", "ada", "ADA", "Ad\u00e1", "Ada\u0301", "Ada ", "Ada  ", " Ada", "stra\u00dfe", "strasse", "\U0001F30A", "\U0001F30B",
                "\U0001F30A" * 255, "\U0001F30A" * 254 + "\U0001F30B", "x" * 255, "'; DROP TABLE increments; --", "a\\b", "\t", "%_"]
    big = "999999999999999.999999999999"
    with quiet_server(name) as (place, server, _):
        server.start()
        send(server, subjects)
        send(server, subjects[:1], 1000, "0.000000000001")
        send(server, ["big"], 2000, big)
        send(server, ["bigger"] * 3, 3000, big)
        send(server, ["least"], 4000, "-" + big)
        await_uses(place, len(subjects) + 6)
        as_hex = "encode(convert_to(subject, 'UTF8'), 'hex')" if name == "postgres" else "LOWER(HEX(subject))"
        rows = place.query(f"SELECT {as_hex}, value FROM tidemark_totals WHERE meter = 'used' AND window_size = 'TOTAL'")
        one, more = "1.000000000000", "1.000000000001"
        wanted = {subject: one for subject in subjects} | {subjects[0]: more, "big": big, "least": "-" + big,
                                                           "bigger": "2999999999999999.999999999997"}
        found = {bytes.fromhex(subject).decode(): value for subject, value in rows}
        differences = {s: (found.get(s), wanted.get(s)) for s in {*found, *wanted} if found.get(s) != wanted.get(s)}
        expect(len(rows) == len(wanted) and not differences, f"found and wanted: {differences}")
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        return f"{len(wanted)} subjects"


def least_rights(name):
    """The script's role suffices, sees nothing else, and the user's tables stay; the reader joins both and can't write."""
    with quiet_server(name) as (place, server, _):
        if name == "postgres":  # Tables of the user that are named as ours, in another schema.
            for table in ("increments", "tidemark_totals"):
                place.query(f"CREATE TABLE public.{table} (mine TEXT)")
        before = place.users_objects()
        server.start()
        send(server, ["s1"] * 3 + ["s2"] * 2)
        await_uses(place, 5)
        status, _, _ = server.request("POST", "/increment", '{"key":"dddddddd-1234-5678-1234-567812345678","value":7}')
        expect(status == 200, f"{status}")
        await_true(lambda: place.one(f"SELECT value FROM {place.schema}.increments") == "7", PATIENCE, "the increment")
        status, body, _ = server.request("GET", "/increment/dddddddd-1234-5678-1234-567812345678")
        expect(status == 200 and json.loads(body)["value"] == 7, f"{status} {body}")
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        # A second start finds its tables and needs no further right.
        server.start()
        send(server, ["s1"], 100)
        await_uses(place, 6)
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        expect(place.users_objects() == before, "the user's own tables have changed")
        where = f"table_schema = '{place.schema}'"
        made = {row[0] for row in place.query(f"SELECT table_name FROM information_schema.tables WHERE {where}")} - {"customers"}
        expect(made == {*TABLES, "tidemark_totals_view"}, f"tables in {place.schema}: {made}")
        if name == "postgres":
            expect(place.query("SELECT * FROM public.tidemark_totals") == [], "the user's own table was written to")
            place.query(f"GRANT SELECT ON {place.users_table} TO {place.reader}")
            subject = "c.id"
        else:
            subject = "CONVERT(c.id USING utf8mb4) COLLATE utf8mb4_nopad_bin"
        rows = place.as_user(place.reader, f"SELECT c.name, t.events FROM {place.users_table} AS c JOIN "
                             f"{place.schema}.tidemark_totals_view AS t ON t.subject = {subject} WHERE t.meter = 'uses' AND "
                             "t.window_size = 'TOTAL' ORDER BY c.name")
        expect(rows == [["Ada", "4"], ["Grace", "2"]], f"the join of the documents: {rows}")
        try:
            place.as_user(place.reader, f"DELETE FROM {place.schema}.tidemark_totals")
        except Failure as denied:
            expect("denied" in str(denied), f"{denied}")
        else:
            raise Failure("the reader could delete totals")


def passwords(name):
    """From a file, which is read again at each connection, or from the environment; and never shown."""
    with quiet_server(name) as (place, server, settings):
        path = settings["database_password_file"]
        wrong = "not-the-word-9"
        write_password(os.path.dirname(path), wrong)
        server.start()  # A wrong password is an outage: the doors are open.
        send(server, ["s"] * 100)
        await_true(lambda: server.metric("tidemark_flow_retries_total"), PATIENCE, "an attempt")
        write_password(os.path.dirname(path))
        await_uses(place, 100)
        log = server.tail(1 << 24)
        expect(("28P01" if name == "postgres" else "1045") in log, f"the refusal isn't told:\n{log}")
        expect(server.stop() == 0, "SIGTERM didn't end with 0")
        expect(wrong not in server.tail(1 << 24), "the log shows the wrong password")
        del settings["database_password_file"]
        ways = [{"TIDEMARK_DATABASE": place.server_url(password=PASSWORD)},
                {"TIDEMARK_DATABASE": place.server_url(), "TIDEMARK_DATABASE_PASSWORD": PASSWORD}]
        if name == "postgres":
            ways.append({"TIDEMARK_DATABASE": place.server_url(), "PGPASSWORD": PASSWORD})
        for number, environment in enumerate(ways, 1):
            again = Server(server.folder, None, {**settings, "log_level": "debug"}, METERS, environment)
            again.start()
            try:
                send(again, ["s"] * 100, number * 100)
                await_uses(place, 100 + number * 100)
                for address in ("/readyz", "/metrics"):
                    expect(PASSWORD.encode() not in again.request("GET", address)[1], f"{address} shows the password")
                with open(f"/proc/{again.process.pid}/cmdline", "rb") as file:
                    expect(PASSWORD.encode() not in file.read(), "the command line shows the password")
                expect(again.stop() == 0, "SIGTERM didn't end with 0")
            finally:
                if again.alive():
                    again.kill()


QUIET = [
    ("a second server is refused", two_servers),
    ("of two servers at once one serves", two_servers_at_once),
    ("subjects and numbers come back equal", values_come_back_equal),
    ("the least rights suffice and nothing else is touched", least_rights),
    ("passwords come from file or environment and stay secret", passwords),
]


def run_cases(name, only):
    """Answers how many passed and how many failed on one database."""
    cases = Cases()
    database_server = DatabaseServer(name)
    try:
        for title, fault, settings in FAULTS:
            if only in title:
                cases.run(f"{name}: {title}", lambda f=fault, s=settings: run_fault(name, database_server, f, s))
        for title, action in QUIET:
            if only in title:
                cases.run(f"{name}: {title}", lambda a=action: a(name))
    finally:
        database_server.remove()
    return cases.passed, cases.failed


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--database", default="postgres,mysql", help="comma-separated")
    arguments.add_argument("--only", default="", help="cases whose name holds this text")
    chosen = arguments.parse_args()
    names = chosen.database.split(",")
    with ThreadPoolExecutor(len(names)) as pool:  # They wait more than they work.
        done = list(pool.map(lambda name: run_cases(name, chosen.only), names))
    cases = Cases()
    cases.passed, cases.failed = (sum(counts) for counts in zip(*done))
    cases.finish()


if __name__ == "__main__":
    main()
