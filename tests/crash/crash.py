#!/usr/bin/env python3
"""Kills the real server under load, at every named step and at random, and checks the sums to the event.

A round starts a server on fresh data, loads it with batches that repeat, conflict and are retried, kills it dead, starts it
again, resends what got no answer, and compares the database with the producers' own ledger: every event acknowledged as
`new` is in the totals exactly once, every other at most once, and a retry is never `new` twice.
"""

import argparse
import http.client
import json
import os
import random
import re
import signal
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import PATIENCE, ROOT, Cases, Failure, Folder, Server, await_true, expect, open_database

# Small bounds, so that a few seconds cross rolls, checkpoints, merges and trims.
SETTINGS = {
    "log_segment_bytes": "1 MiB", "keyset_memory_bytes": "1 MiB", "log_retention": "0s", "flush_interval": "50ms",
    "max_body_bytes": "256 KiB", "disk_reserve_bytes": "1 MiB",
}
# Claims that expire within the round, for the steps that need expiry. Events then carry their time.
MAX_EVENT_AGE = 2
SHORT_WINDOWS = {"identity_window": "4s", "max_event_age": f"{MAX_EVENT_AGE}s", "max_future_skew": "1s"}
NEEDS_EXPIRY = {"keyset.segment_dropped"}
# Reached at every start, or before the doors open: nothing can be in flight, or no page was written yet.
# Each is struck as often as a first start comes by: MariaDB commits every statement that makes a table.
AT_START = {"flow.table_created": 4, "flow.after_migration_step": 2, "flow.migrated_kernel": 1, "meters.table_created": 3,
            "meters.index_created": 1, "meters.migrated": 1}
# Steps that a start reaches too are struck later, when there is load and pages have been written.
OCCURRENCE = [(r"arrivals\.|log\.(before_write|after_write|after_sync)", 150), (r"flow\.|meters\.|sql\.", 4),
              (r"base\.", 6), (r"log\.segment_(prepared|rolled)", 3)]


def occurrences_of(step):
    """How many times the step is to be reached before it kills, for each round that it is struck in."""
    if step in AT_START:
        return range(1, AT_START[step] + 1)
    return [next((count for pattern, count in OCCURRENCE if re.match(pattern, step)), 1)]


def rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}Z"


class DoesNotCount(Failure):
    """The kill came at a moment that proves nothing; the round is to be run again."""


class TooEarly(DoesNotCount):
    """It came before there was anything to lose: the next one is to come later."""


class Ledger:
    """What the producers know of each event: its worth, and whether it was acknowledged."""

    def __init__(self):
        self.lock = threading.Lock()
        self.events = {}      # id -> [subject, amount, kind, acknowledged]
        self.increments = {}  # key -> [acknowledged sum, unknown sum]
        self.in_flight = 0
        self.cut_off = 0      # Requests that were under way when the server died.
        self.faults = []

    def fault(self, text):
        with self.lock:
            self.faults.append(text)


class Producer(threading.Thread):
    """Sends batches and increments until told to stop or the server is gone; keeps what got no answer."""

    def __init__(self, server, ledger, seed, with_time):
        super().__init__(daemon=True)
        self.server, self.ledger, self.with_time = server, ledger, with_time
        self.random = random.Random(seed)
        self.name_prefix = f"p{seed}"
        self.sequence = 0
        self.unanswered = []   # Bodies to be sent again.
        self.acknowledged = []  # Bodies that were answered, for later repeats.
        self.stopping = False
        self.connection = None

    def event(self):
        self.sequence += 1
        amount, kind = self.random.randint(1, 1000), self.random.randint(1, 40)
        event = {"specversion": "1.0", "id": f"{self.name_prefix}-{self.sequence}", "source": "crash", "type": "use",
                 "subject": f"s{self.random.randint(1, 50)}", "data": {"amount": amount, "kind": str(kind)}}
        if self.with_time:
            event["time"] = rfc3339(time.time())
        with self.ledger.lock:
            self.ledger.events[event["id"]] = [event["subject"], amount, str(kind), False]
        return event

    def batch(self):
        events = [self.event() for _ in range(self.random.randint(1, 60))]
        if self.random.random() < 0.3:  # The same identity twice in one batch.
            events.append(dict(self.random.choice(events)))
        return events

    def post(self, path, body, headers):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        with self.ledger.lock:
            self.ledger.in_flight += 1
        try:
            self.connection.request("POST", path, body, headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            with self.ledger.lock:
                self.ledger.cut_off += 1
            return None, None
        finally:
            with self.ledger.lock:
                self.ledger.in_flight -= 1

    def send(self, events, is_repeat=False):
        """Posts a batch and books its verdicts; False when it got no answer that tells."""
        body = json.dumps(events)
        status, answer = self.post("/api/v1/events?verdicts=true", body,
                                   {"Content-Type": "application/cloudevents-batch+json"})
        if status != 200:
            if status not in (None, 503):
                self.ledger.fault(f"a good batch was answered {status}: {answer[:300]}")
            return False
        verdicts = [item["verdict"] for item in json.loads(answer)["verdicts"]]
        seen = set()
        for event, verdict in zip(events, verdicts):
            with self.ledger.lock:
                entry = self.ledger.events[event["id"]]
                if verdict == "new":
                    if entry[3]:
                        self.ledger.faults.append(f"{event['id']} was `new` twice")
                    if event["id"] in seen:
                        self.ledger.faults.append(f"{event['id']} was `new` twice in one batch")
                    entry[3] = True
                elif verdict == "duplicate":
                    if not is_repeat and event["id"] not in seen:
                        self.ledger.faults.append(f"{event['id']} was a `duplicate` at its first sending")
                    entry[3] = True
                elif verdict != "too_late" or not self.may_be_too_late(event, is_repeat):
                    self.ledger.faults.append(f"{event['id']} was {verdict}")
            seen.add(event["id"])
        return True

    def may_be_too_late(self, event, is_repeat):
        """True of a repeat, and of an event that a slow machine has let grow too old before it was answered."""
        return is_repeat or (self.with_time and event["time"] < rfc3339(time.time() - MAX_EVENT_AGE))

    def conflict(self):
        """The same identity with other content: never counted."""
        events = [dict(event) for event in self.random.choice(self.acknowledged[-20:])]
        for event in events:
            event["data"] = {"amount": 999_999, "kind": "conflict"}
        status, answer = self.post("/api/v1/events?verdicts=true", json.dumps(events),
                                   {"Content-Type": "application/json"})
        if status == 200 and not self.with_time:
            verdicts = {item["verdict"] for item in json.loads(answer)["verdicts"]}
            if verdicts != {"conflict"}:
                self.ledger.fault(f"changed content was answered {verdicts}")

    def increment(self):
        key, value = str(uuid.UUID(int=self.random.randint(1, 20))), self.random.randint(1, 9)
        status, _ = self.post("/increment", json.dumps({"key": key, "value": value}), {})
        with self.ledger.lock:
            sums = self.ledger.increments.setdefault(key, [0, 0])
            sums[0 if status == 200 else 1] += value

    def run(self):
        while not self.stopping:
            events = self.batch()
            if self.send(events):
                self.acknowledged.append(events)
            else:
                self.unanswered.append(events)
                if not self.server.alive():
                    return
            dice = self.random.random()
            if self.acknowledged and dice < 0.1:
                if not self.with_time:
                    self.send(self.random.choice(self.acknowledged[-50:]), is_repeat=True)
            elif self.acknowledged and dice < 0.2:
                self.conflict()
            elif dice < 0.5:
                self.increment()


def resend(producers, server):
    """What a producer does after an outage: everything unanswered again, until it is answered; and some of the rest."""
    for producer in producers:
        producer.server = server
        producer.connection = None
        for events in producer.unanswered:
            await_true(lambda e=events, p=producer: p.send(e, is_repeat=True), PATIENCE, "an answer to a batch sent again")
        repeats = producer.random.sample(producer.acknowledged, min(5, len(producer.acknowledged)))
        for events in repeats:
            expect(producer.send(events, is_repeat=True), "a repeat got no answer")


def number(text):
    """A sum as SQL prints it; no rows add up to nothing."""
    return 0.0 if text in (None, "", "None", "NULL") else float(text)


def compare(database, ledger, exact_events):
    """Answers what differs between the ledger and the database, as text; empty when nothing does."""
    used, uses, kinds = {}, {}, {}
    for subject, amount, kind, acknowledged in ledger.events.values():
        if acknowledged:
            used[subject] = used.get(subject, 0) + amount
            uses[subject] = uses.get(subject, 0) + 1
            kinds.setdefault(subject, set()).add(kind)
    rows = database.query("SELECT meter, subject, value FROM tidemark_totals WHERE window_size = 'TOTAL'")
    found = {(meter, subject): float(value) for meter, subject, value in rows}
    differences = []
    wanted = {("used", s): v for s, v in used.items()} | {("uses", s): v for s, v in uses.items()}
    if exact_events:
        wanted |= {("kinds", s): len(v) for s, v in kinds.items()}
        for key in set(found) | set(wanted):
            if found.get(key, 0) != wanted.get(key, 0):
                differences.append(f"{key}: {found.get(key, 0)} in SQL, {wanted.get(key, 0)} acknowledged")
        # The windows of a meter add up to its total.
        sums = dict(database.query("SELECT window_size, SUM(value + 0) FROM tidemark_totals WHERE meter = 'used' GROUP BY 1"))
        for size in ("HOUR", "DAY", "MONTH"):
            if number(sums.get(size)) != float(sum(used.values())):
                differences.append(f"the windows {size} add up to {sums.get(size)}, not to {sum(used.values())}")
    else:  # Some were refused as too late: what wasn't acknowledged may be counted, but once.
        at_most = {}
        for subject, amount, _, _ in ledger.events.values():
            at_most["used", subject] = at_most.get(("used", subject), 0) + amount
            at_most["uses", subject] = at_most.get(("uses", subject), 0) + 1
        for key, most in at_most.items():
            if not wanted.get(key, 0) <= found.get(key, 0) <= most:
                differences.append(f"{key}: {found.get(key, 0)} in SQL, {wanted.get(key, 0)} acknowledged of {most}")
    counters = dict(database.query("SELECT increments.key, value FROM increments")) if ledger.increments else {}
    for key, (acknowledged, unknown) in ledger.increments.items():
        value = int(counters.get(key, 0))
        if not acknowledged <= value <= acknowledged + unknown:
            differences.append(f"increment {key}: {value} in SQL, {acknowledged} acknowledged, {unknown} unknown")
    return differences


def crash_round(database_name, step, occurrence, seed):
    """One round. `step`: where to stop dead, when reached for that time; None kills at a random moment."""
    chance = random.Random(seed)
    settings = dict(SETTINGS)
    short = step in NEEDS_EXPIRY
    if short:
        settings |= SHORT_WINDOWS
    with Folder() as folder:
        database = open_database(database_name, folder)
        server = Server(folder, database.url, settings)
        ledger = Ledger()
        producers = [Producer(server, ledger, seed * 100 + i, short) for i in range(6)]
        crash_at = f"{step}:{occurrence}" if step else None
        if not server.start(crash_at=crash_at, expect_listening=False):
            expect(step and server.wait_dead() == -signal.SIGKILL, f"the server died at its start:\n{server.tail()}")
        else:
            for producer in producers:
                producer.start()
            if step:
                dead = server.wait_dead()
                if dead is None:
                    server.kill()
                    raise Failure(f"the step {step} was never reached")
                expect(dead == -signal.SIGKILL, f"exit {dead} instead of a kill:\n{server.tail()}")
            else:
                await_true(lambda: (server.metric("tidemark_flow_pages_total") or 0) >= 1, PATIENCE, "the first page in SQL")
                time.sleep(chance.uniform(0.0, 1.5))
                server.kill()
            for producer in producers:
                producer.stopping = True
                producer.join(PATIENCE)
            if step not in AT_START:
                if ledger.cut_off == 0:
                    raise DoesNotCount("no request was under way at the kill")
                if not database.query("SELECT flow FROM tidemark_cursors WHERE position <> '0.0'"):
                    raise TooEarly("no page had been written at the kill")
        again = Server(folder, database.url, settings)
        again.start()
        if not ledger.events:  # Killed before the doors opened: what was begun must work once it is done.
            for producer in producers:
                producer.server = again
                producer.start()
            await_true(lambda: len(ledger.events) > 1000, PATIENCE, "events after a start that was killed")
            for producer in producers:
                producer.stopping = True
                producer.join(PATIENCE)
        resend(producers, again)
        exact = not short
        try:
            await_true(lambda: not compare(database, ledger, exact), PATIENCE, "equal sums")
        except Failure as late:
            raise Failure(f"{late}: {compare(database, ledger, exact)[:8]} {ledger.faults[:5]}") from None
        expect(not ledger.faults, f"verdicts: {ledger.faults[:8]}")
        expect(again.stop() == 0, "SIGTERM didn't end with 0")
        expect(not compare(database, ledger, exact), "sums changed at shutdown")
        # The comparison itself must be able to fail: one acknowledged event that was never sent.
        ledger.events["never sent"] = ["s1", 1, "1", True]
        expect(compare(database, ledger, exact) or short, "a missing event went unnoticed")
        database.drop()
        return f"{len(ledger.events)} events, {ledger.cut_off} cut off"


def counted_round(database_name, step, occurrence, seed):
    """A round that counts: of three at most."""
    for attempt in range(3):
        try:
            return crash_round(database_name, step, occurrence, seed + attempt * 1_000_000)
        except DoesNotCount as reason:
            last = reason
            if isinstance(reason, TooEarly) and step:
                occurrence *= 4
    raise last


def crash_steps():
    with open(f"{ROOT}/src/base/crash_point.cpp") as file:
        return re.findall(r'^\s+"([a-z_]+\.[a-z_]+)",', file.read(), re.MULTILINE)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--database", default="sqlite,postgres,mysql", help="comma-separated")
    arguments.add_argument("--rounds", type=int, default=3, help="random kills for each database")
    arguments.add_argument("--steps", default=".", help="only steps that match this expression")
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    chosen = arguments.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    cases = Cases()
    seed = chosen.seed
    for name in chosen.database.split(","):
        for step in crash_steps():
            if not re.search(chosen.steps, step):
                continue
            for occurrence in occurrences_of(step):
                seed += 1
                cases.run(f"{name}: killed at {step} {occurrence}",
                          lambda n=name, s=step, o=occurrence, e=seed: counted_round(n, s, o, e))
        for _ in range(chosen.rounds if chosen.steps == "." else 0):
            seed += 1
            cases.run(f"{name}: killed at random", lambda n=name, e=seed: counted_round(n, None, None, e))
    cases.finish()


if __name__ == "__main__":
    main()
