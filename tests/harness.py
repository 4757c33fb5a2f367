"""What the integration and crash tests share: a real server, real databases, and a plain HTTP client."""

import atexit
import http.client
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.environ.get("TIDEMARK_BINARY", f"{ROOT}/build/dev/tidemark")
# Seconds that anything which must happen may take: a slow machine is no fault, and nobody waits so long for a right answer.
PATIENCE = 120


class Failure(Exception):
    """A rule was broken."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def await_true(condition, seconds, text):
    """Polls until `condition` answers something true, and answers that. `seconds` is PATIENCE, or what is promised."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds} s: {text}")
        time.sleep(0.05)


def is_running(pid):
    """False too for what has ended and was never waited for: in a container nobody may do that."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return False


class Sqlite:
    """The embedded database of one data directory."""

    name = "sqlite"

    def __init__(self, folder):
        self.path = f"{folder}/totals.db"
        self.url = f"sqlite:{self.path}"

    def query(self, statement):
        if not os.path.exists(self.path):
            return []
        connection = sqlite3.connect(self.path, timeout=PATIENCE)
        try:
            return [[str(cell) for cell in row] for row in connection.execute(statement)]
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
        finally:
            connection.close()

    def drop(self):
        for ending in ("", "-wal", "-shm"):
            if os.path.exists(self.path + ending):
                os.remove(self.path + ending)


class ServerDatabase:
    """A database of its own on the PostgreSQL or MariaDB that tests/servers.sh has started."""

    count = 0

    def __init__(self, name, variable):
        self.name = name
        base = os.environ.get(variable)
        if not base:
            raise Failure(f"{variable} isn't set; start the servers with tests/servers.sh start")
        self.base = urllib.parse.urlsplit(base)
        ServerDatabase.count += 1
        self.database = f"crash_{os.getpid()}_{ServerDatabase.count}"
        self.admin(f"CREATE DATABASE {self.database}")
        self.url = urllib.parse.urlunsplit(self.base._replace(path="/" + self.database))

    def run(self, database, statement):
        at = self.base
        environment = dict(os.environ)
        password = urllib.parse.unquote(at.password or "")
        if self.name == "postgres":
            environment["PGPASSWORD"] = password
            parameters = dict(urllib.parse.parse_qsl(at.query))
            command = ["psql", "-XAtq", "-F", "\t", "-h", parameters.get("host", at.hostname or ""), "-p", str(at.port or 5432),
                       "-U", urllib.parse.unquote(at.username or ""), "-d", database, "-c", statement]
        else:
            environment["MYSQL_PWD"] = password
            command = ["mariadb", "--no-defaults", "-N", "-B", "--default-character-set=utf8mb4", "--protocol=tcp",
                       "-h", at.hostname, "-P", str(at.port),
                       "-u", urllib.parse.unquote(at.username or ""), database, "-e", statement]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            if "does not exist" in done.stderr or "doesn't exist" in done.stderr:
                return []
            raise Failure(f"{self.name}: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def admin(self, statement):
        return self.run(self.base.path.lstrip("/") or ("postgres" if self.name == "postgres" else "mysql"), statement)

    def query(self, statement):
        return self.run(self.database, statement.replace("increments.key", "increments.`key`") if self.name == "mysql" else statement)

    def drop(self):
        force = " WITH (FORCE)" if self.name == "postgres" else ""
        self.admin(f"DROP DATABASE {self.database}{force}")


def open_database(name, folder):
    if name == "sqlite":
        return Sqlite(folder)
    return ServerDatabase(name, {"postgres": "TIDEMARK_TEST_POSTGRES_URL", "mysql": "TIDEMARK_TEST_MYSQL_URL"}[name])


METERS = """
meters:
  - {slug: used, eventType: use, aggregation: SUM, valueProperty: $.amount}
  - {slug: uses, eventType: use, aggregation: COUNT}
  - {slug: kinds, eventType: use, aggregation: UNIQUE_COUNT, valueProperty: $.kind, windows: [TOTAL, DAY]}
"""


class Server:
    """One `tidemark serve` process; none outlives the tests."""

    started = []

    def __init__(self, folder, database_url=None, settings=None, meters=METERS, environment=None):
        self.folder = folder
        self.data = f"{folder}/data"
        self.config = f"{folder}/tidemark.yaml"
        os.makedirs(folder, exist_ok=True)
        with open(self.config, "w") as file:
            for key, value in (settings or {}).items():
                file.write(f"{key}: {value}\n")
            file.write(meters)
        self.database_url = database_url
        self.environment = environment or {}
        self.process = None
        self.port = None
        self.log_path = f"{folder}/server.log"

    def start(self, crash_at=None, expect_listening=True, port=0):
        environment = {**os.environ, **self.environment}
        environment.pop("TIDEMARK_CRASH_AT", None)
        if crash_at:
            environment["TIDEMARK_CRASH_AT"] = crash_at
        command = [BINARY, "serve", "--config", self.config, "--data", self.data, "--listen", f"127.0.0.1:{port}"]
        if self.database_url:
            command += ["--database", self.database_url]
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=self.log)
        Server.started.append(self.process)
        line = self.process.stdout.readline().decode()
        match = re.match(r"listening on http://.*:(\d+)$", line.strip())
        if match:
            self.port = int(match.group(1))
        elif expect_listening:
            self.process.wait(PATIENCE)
            raise Failure(f"the server didn't start (exit {self.process.returncode}):\n{self.tail()}")
        return bool(match)

    def tail(self, size=4000):
        with open(self.log_path, "rb") as file:
            return file.read()[-size:].decode(errors="replace")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return self.process.wait(PATIENCE)

    def stop(self, seconds=PATIENCE):
        """SIGTERM; answers the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"SIGTERM didn't end the server in {seconds} s:\n{self.tail()}") from None

    def wait_dead(self, seconds=PATIENCE):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def request(self, method, path, body=None, headers=None, timeout=PATIENCE):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def metric(self, name):
        """The sum of a metric's samples, or None while it isn't shown."""
        try:
            _, body, _ = self.request("GET", "/metrics")
        except OSError:
            return None
        values = [float(line.rsplit(" ", 1)[1]) for line in body.decode().splitlines()
                  if re.match(re.escape(name) + r"[ {]", line)]
        return sum(values) if values else None


@atexit.register
def kill_what_is_left():
    for process in Server.started:
        if process.poll() is None:
            process.kill()


class Folder:
    """A temporary directory that is kept when the test inside it fails."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="tidemark-test-")
        return self.path

    def __exit__(self, kind, *_):
        if kind is None:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            print(f"kept for a look: {self.path}", flush=True)


class Cases:
    """Runs named cases and ends with the plain count."""

    def __init__(self):
        self.passed = self.failed = 0

    def run(self, name, action):
        began = time.monotonic()
        try:
            note = action()
        except Exception as error:  # Whatever it was, the next case shall run.
            self.failed += 1
            print(f"FAILED {name} ({time.monotonic() - began:.1f} s): {type(error).__name__}: {error}", flush=True)
        else:
            self.passed += 1
            print(f"ok {name} ({time.monotonic() - began:.1f} s){': ' + note if note else ''}", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed, 0 skipped", flush=True)
        raise SystemExit(1 if self.failed else 0)
