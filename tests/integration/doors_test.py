#!/usr/bin/env python3
"""Every door of a running server, from outside: what is answered to good, bad, half-sent, slow and hostile input."""

import gzip
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BINARY, PATIENCE, Cases, Failure, Folder, Server, Sqlite, await_true, expect

KEY = "dddddddd-1234-5678-1234-567812345678"
SETTINGS = {"max_body_bytes": "256 KiB", "disk_reserve_bytes": "1 MiB", "keyset_memory_bytes": "1 MiB", "flush_interval": "50ms"}
MAX_BODY = 256 << 10
JSON, ONE, BATCH, LINES = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json",
                           "application/x-ndjson")
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "metrics.golden")


class Doors:
    """One server for all cases: what one case does to it, the next would see."""

    def __init__(self, folder):
        self.database = Sqlite(folder)
        self.server = Server(folder, self.database.url, SETTINGS)
        self.server.start()
        self.number = 0

    def event(self, **changes):
        self.number += 1
        event = {"specversion": "1.0", "id": f"d{self.number}", "source": "doors", "type": "use", "subject": "s",
                 "data": {"amount": 1, "kind": "k"}} | changes
        return {name: value for name, value in event.items() if value is not ...}

    def post(self, path, body, content_type=None, **headers):
        if content_type:
            headers["Content-Type"] = content_type
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.request("POST", path, body, headers)

    def increment(self, body, **headers):
        return self.post("/increment", body if isinstance(body, (str, bytes)) else json.dumps(body), **headers)

    def events(self, body, content_type=JSON, verdicts=False, **headers):
        body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return self.post("/api/v1/events" + ("?verdicts=true" if verdicts else ""), body, content_type, **headers)

    def connect(self, timeout=PATIENCE):
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=timeout)

    def raw(self, sent, answers=1, end=False, timeout=PATIENCE):
        """Sends bytes; answers the answers that come back, and whether the connection was closed after them."""
        with self.connect(timeout) as connection:
            send_what_is_taken(connection, sent)
            if end:
                connection.shutdown(socket.SHUT_WR)
            return Answers(connection).take(answers)

    def memory(self):
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) << 10

    def stored(self):
        rows = self.database.query("SELECT SUM(events) FROM tidemark_totals WHERE meter = 'uses' AND window_size = 'TOTAL'")
        return int(rows[0][0]) if rows and rows[0][0] != "None" else 0


def send_what_is_taken(connection, sent):
    try:
        connection.sendall(sent)
    except (BrokenPipeError, ConnectionResetError):
        pass  # Refused before all of it was read.


class Answers:
    """Reads HTTP answers off a socket."""

    def __init__(self, connection):
        self.connection = connection
        self.bytes = b""

    def more(self):
        try:
            got = self.connection.recv(65536)
        except ConnectionResetError:
            got = b""
        self.bytes += got
        return bool(got)

    def one(self):
        """Status, headers (lower case) and body of the next answer; None at the end of the connection."""
        while b"\r\n\r\n" not in self.bytes:
            if not self.more():
                expect(not self.bytes, f"half an answer: {self.bytes[:200]}")
                return None
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        line, *fields = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
        length = int(headers.get("content-length", 0))
        while len(self.bytes) < length:
            expect(self.more(), "the connection ended within an answer's body")
        body, self.bytes = self.bytes[:length], self.bytes[length:]
        return int(line.split()[1]), headers, body

    def take(self, count):
        found = [self.one() for _ in range(count)]
        closed = False
        if found[-1] is not None and found[-1][1].get("connection") == "close":
            closed = self.one() is None
        return found, closed


def head(method="POST", path="/increment", *fields, version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", "Host: t", *fields, "", ""]
    return "\r\n".join(lines).encode()


def framed(body, path="/increment", *fields):
    body = body.encode() if isinstance(body, str) else body
    return head("POST", path, f"Content-Length: {len(body)}", *fields) + body


GOOD = json.dumps({"key": KEY, "value": 1})


def is_problem(answer, status, what, label=None):
    """The form that every error has; answers its body."""
    code, body, headers = answer
    headers = {name.lower(): value for name, value in headers.items()}
    expect(code == status, f"{what}: {code}, not {status}: {body[:300]}")
    expect(headers.get("content-type") == "application/problem+json", f"{what}: {headers}")
    problem = json.loads(body)
    expect({"type", "title", "status", "detail", "request_id"} <= set(problem), f"{what}: {problem}")
    expect(set(problem) <= {"type", "title", "status", "detail", "request_id", "errors"}, f"{what}: {problem}")
    expect(problem["status"] == status, f"{what}: {problem}")
    expect(problem["request_id"] == headers.get("x-request-id"), f"{what}: {problem} {headers}")
    if label:
        expect(problem["type"] == f"urn:tidemark:error:{label}", f"{what}: {problem['type']}")
    for error in problem.get("errors", []):
        expect(set(error) == {"index", "field", "detail"} and error["field"] and error["detail"], f"{what}: {error}")
    if status in (429, 503):
        expect(int(headers.get("retry-after", 0)) >= 1, f"{what}: no Retry-After")
    return problem


# Name, body, field that is named.
BAD_INCREMENTS = [
    ("value 0", '{"key":"%s","value":0}', "value"),
    ("no value", '{"key":"%s"}', "value"),
    ("value null", '{"key":"%s","value":null}', "value"),
    ("value negative", '{"key":"%s","value":-1}', "value"),
    ("value minus zero", '{"key":"%s","value":-0}', "value"),
    ("value with fraction", '{"key":"%s","value":1.5}', "value"),
    ("value 1.0", '{"key":"%s","value":1.0}', "value"),
    ("value with exponent", '{"key":"%s","value":1e3}', "value"),
    ("value text", '{"key":"%s","value":"1"}', "value"),
    ("value true", '{"key":"%s","value":true}', "value"),
    ("value list", '{"key":"%s","value":[1]}', "value"),
    ("value with leading zero", '{"key":"%s","value":01}', "value"),
    ("value with plus", '{"key":"%s","value":+1}', None),
    ("value hexadecimal", '{"key":"%s","value":0x1}', "value"),
    ("value 2^63", '{"key":"%s","value":9223372036854775808}', "value"),
    ("value 2^64", '{"key":"%s","value":18446744073709551616}', "value"),
    ("value of a thousand digits", '{"key":"%s","value":' + "9" * 1000 + "}", "value"),
    ("no key", '{"value":1}', "key"),
    ("key null", '{"key":null,"value":1}', "key"),
    ("key number", '{"key":7,"value":1}', "key"),
    ("key true", '{"key":true,"value":1}', "key"),
    ("key object", '{"key":{},"value":1}', "key"),
    ("key all zero", '{"key":"00000000-0000-0000-0000-000000000000","value":1}', "key"),
    ("key empty", '{"key":"","value":1}', "key"),
    ("key too short", '{"key":"dddddddd-1234-5678-1234-56781234567","value":1}', "key"),
    ("key with bad digit", '{"key":"gddddddd-1234-5678-1234-567812345678","value":1}', "key"),
    ("key with dashes elsewhere", '{"key":"ddddddd-d1234-5678-1234-567812345678","value":1}', "key"),
    ("key as urn", '{"key":"urn:uuid:%s","value":1}', "key"),
    ("key in braces", '{"key":"{%s}","value":1}', "key"),
    ("key without dashes", '{"key":"dddddddd123456781234567812345678","value":1}', "key"),
    ("key in upper case", '{"key":"DDDDDDDD-1234-5678-1234-567812345678","value":1}', "key"),
    ("key with a blank", '{"key":" %s","value":1}', "key"),
    ("key with U+0000", '{"key":"%s\\u0000","value":1}', "key"),
    ("value 0 and no key", '{"value":0}', "value"),
    ("unknown field", '{"key":"%s","value":1,"x":1}', "x"),
    ("name in upper case", '{"KEY":"%s","value":1}', "KEY"),
    ("key twice", '{"key":"%s","key":"%s","value":1}', "key"),
    ("value twice", '{"key":"%s","value":1,"value":1}', "value"),
    ("empty", "", "body"),
    ("blank", " \n", "body"),
    ("null", "null", "body"),
    ("list", "[]", "body"),
    ("text", '"x"', "body"),
    ("number", "1", "body"),
    ("broken", '{"key":"%s","value":1', "body"),
    ("broken within a text", '{"key":"%s', "body"),
    ("comma at the end", '{"key":"%s","value":1,}', "body"),
    ("single quotes", "{'key':'%s','value':1}", None),
    ("not JSON", "key=%s&value=1", "body"),
    ("second object", '{"key":"%s","value":1}{"key":"%s","value":1}', "body"),
    ("trailing bytes", '{"key":"%s","value":1} x', "body"),
    ("trailing comma", '{"key":"%s","value":1},', "body"),
    ("a thousand brackets", "[" * 1000, "body"),
    ("value deeply nested", '{"key":"%s","value":' + "[" * 2000 + "]" * 2000 + "}", None),
    ("not UTF-8", b'{"key":"\xff\xfe","value":1}', None),
    ("UTF-16", ('{"key":"%s","value":1}' % KEY).encode("utf-16"), None),
    ("only zeros", b"\0" * 64, None),
]


def increments_by_the_rules(doors):
    def total():
        status, body, _ = doors.server.request("GET", f"/increment/{KEY}")
        return json.loads(body)["value"] if status == 200 else 0
    for name, body, field in BAD_INCREMENTS:
        if isinstance(body, str):
            body = body.replace("%s", KEY)
        problem = is_problem(doors.increment(body), 400, name, "invalid_argument")
        fields = [error["field"] for error in problem["errors"]]
        expect(len(fields) == 1 and field in (None, fields[0]), f"{name}: {fields}, not {field}")
        expect(fields[0] in problem["detail"], f"{name}: the detail doesn't name {fields[0]}: {problem['detail']}")
    good = [GOOD, f' {{"value" : 1 ,\n"key":"{KEY}"}}\r\n', f'{{"\\u006bey":"{KEY}","value":1}}',
            '{"key":"11111111-1111-1111-1111-111111111111","value":9223372036854775807}']
    for body in good:
        status, answer, headers = doors.increment(body)
        expect((status, answer, headers.get("Content-Type")) == (200, b"{}", "application/json"), f"{body}: {status} {answer} {headers}")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "image/png", "", "/;"):
        expect(doors.post("/increment", GOOD, kind)[0] == 200, f"Content-Type `{kind}` counts for nothing")
    await_true(lambda: total() == 8, PATIENCE, f"only what was acknowledged is counted: {total()}, not 8")
    return f"{len(BAD_INCREMENTS)} refused"


def idempotency_keys(doors):
    post = lambda value, **headers: doors.increment({"key": KEY, "value": value}, **headers)
    expect(post(1, Idempotency_Key="x" * 255)[:2] == (200, b"{}"), "255 characters")
    expect(post(1, Idempotency_Key="x" * 255)[:2] == (200, b"{}"), "a repeat")
    problem = is_problem(post(2, Idempotency_Key="x" * 255), 409, "another value", "conflict")
    expect(problem["errors"][0]["field"] == "Idempotency-Key", f"{problem}")
    for bad in ("", "x" * 256, "a b", "a\tb", "caf\u00e9"):
        problem = is_problem(post(1, Idempotency_Key=bad.encode()), 400, f"key `{bad[:9]}`", "invalid_argument")
        expect(problem["errors"][0]["field"] == "Idempotency-Key", f"{problem}")
    (answer,), _ = doors.raw(framed(GOOD, "/increment", "Idempotency-Key: a", "Idempotency-Key: b"))
    expect(answer[0] == 400, f"two keys: {answer}")


def reading_increments(doors):
    get = lambda key, method="GET": doors.server.request(method, f"/increment/{key}")
    post = "22222222-1234-5678-1234-567812345678"
    expect(doors.increment({"key": post, "value": 2})[0] == 200, "POST")
    await_true(lambda: get(post)[0] == 200, PATIENCE, "the increment is counted")
    status, body, headers = get(post)
    answer = json.loads(body)
    expect(list(answer) == ["key", "value", "complete_through"] and answer["key"] == post and answer["value"] == 2, f"{body}")
    expect(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", answer["complete_through"]), f"{body}")
    expect(headers["Content-Type"] == "application/json", f"{headers}")
    status, body, headers = get(post, "HEAD")
    expect(status == 200 and body == b"" and int(headers["Content-Length"]) > 0, f"HEAD: {status} {headers}")
    is_problem(get("eeeeeeee-1234-5678-1234-567812345678"), 404, "unknown", "not_found")
    for bad in ("", "x", KEY.upper(), KEY.replace("-", ""), f"%7B{KEY}%7D", KEY + "/", KEY + "%00", "..%2f..%2fetc%2fpasswd", "a" * 8000,
                KEY.replace("d", "%64", 1), "'%20OR%201=1--"):
        problem = is_problem(get(bad), 400, f"`{bad[:40]}`", "invalid_argument")
        expect(problem["errors"][0]["field"] == "key", f"{problem}")


def required(doors, name):
    return [(f"no {name}", doors.event(**{name: ...}), name), (f"{name} empty", doors.event(**{name: ""}), name),
            (f"{name} null", doors.event(**{name: None}), name), (f"{name} number", doors.event(**{name: 1}), name),
            (f"{name} list", doors.event(**{name: ["x"]}), name), (f"{name} with U+0000", doors.event(**{name: "a\0b"}), name),
            (f"{name} with half a surrogate pair", doors.event(**{name: "\ud800"}), name),
            (f"{name} very long", doors.event(**{name: "x" * 100_000}), name)]


def bad_events(doors):
    """Name, event, field that is named."""
    cases = [case for name in ("id", "source", "specversion", "type", "subject") for case in required(doors, name)]
    cases += [("specversion 0.3", doors.event(specversion="0.3"), "specversion"),
              ("subject of 256 characters", doors.event(subject="\u00e9" * 256), "subject"),
              ("datacontenttype text", doors.event(datacontenttype="text/plain"), "datacontenttype"),
              ("datacontenttype number", doors.event(datacontenttype=5), "datacontenttype"),
              ("data_base64", doors.event(data=..., data_base64="AAAA"), "data_base64"),
              ("extension with structure", doors.event(trace={"a": 1}), "trace")]
    cases += [(f"data {data!r}", doors.event(data=data), "data") for data in ("x", 1, True, [], [{}])]
    cases += [("data with U+0000", doors.event(data={"a": "\0"}), "data"), ("name in data with U+0000", doors.event(data={"\0": 1}), "data")]
    cases += [(f"time {time}", doors.event(time=time), "time") for time in (
        "", "now", 5, "2026-02-30T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00", "2026-01-01T25:00:00Z",
        "9999-12-31T23:59:59Z", "2026-01-01T00:00:00+99:00", "2026-01-01T00:00:00Zx", "-2026-01-01T00:00:00Z", "1" * 5000)]
    deep = doors.event()
    deep["data"] = {}
    place = deep["data"]
    for _ in range(200):
        place["a"] = {}
        place = place["a"]
    return cases + [("data deeply nested", deep, "data")]


def events_by_the_rules(doors):
    cases = bad_events(doors)
    for name, event, field in cases:
        problem = is_problem(doors.events(event, ONE), 400, name, "invalid_argument")
        expect([(e["index"], e["field"]) for e in problem["errors"]] == [(0, field)], f"{name}: {problem}")
        good = doors.event()
        status, body, _ = doors.events([event, good], BATCH, verdicts=True)
        answer = json.loads(body)
        expect(status == 200 and answer["verdicts"][1] == {"verdict": "new"}, f"{name}: {status} {body[:300]}")
        first = answer["verdicts"][0]
        expect(set(first) == {"verdict", "field", "detail"} and (first["verdict"], first["field"]) == ("invalid", field), f"{name}: {first}")
        expect(answer["counts"] == {"new": 1, "duplicate": 0, "conflict": 0, "too_late": 0, "invalid": 1}, f"{name}: {answer['counts']}")
    return f"{len(cases)} refused"


def every_form_of_events(doors):
    for kind in (ONE, JSON, ONE + "; charset=utf-8", "Application/CloudEvents+JSON", LINES):
        status, body, headers = doors.events(doors.event(), kind)
        expect(status == 204 and body == b"", f"{kind}: {status} {body}")
    for kind in (BATCH, JSON):
        expect(doors.events([doors.event(), doors.event()], kind)[0] == 204, kind)
        expect(doors.events([], kind)[0] == 204, f"{kind}: nothing to do")
    lines = "".join(json.dumps(doors.event()) + end for end in ("\n", "\r\n", "\n\n", ""))
    expect(doors.events(lines, LINES)[0] == 204, "lines")
    lines = f'{json.dumps(doors.event())}\n\n{{broken\n[]\n"x"\n{json.dumps(doors.event())}'
    counts = json.loads(doors.events(lines, LINES, verdicts=True)[1])["counts"]
    expect((counts["new"], counts["invalid"]) == (2, 3), f"{counts}")
    problem = is_problem(doors.events(lines, LINES), 400, "broken lines")
    expect([error["index"] for error in problem["errors"]] == [1, 2, 3], f"{problem}")

    ce = {"ce-specversion": "1.0", "ce-id": "b%20in", "ce-source": "doors", "ce-type": "use", "ce-subject": "s", "ce-trace": "x"}
    binary = lambda kind, body="{}", **changes: doors.server.request("POST", "/api/v1/events", body, {
        name: value for name, value in (ce | {"ce-id": f"b{time.monotonic_ns()}", "Content-Type": kind} | changes).items() if value})
    for kind in (JSON, "application/json; charset=utf-8", None):
        expect(binary(kind)[0] == 204, f"binary mode, {kind}")
    expect(binary(JSON, "")[0] == 204, "binary mode without data")
    for name in ("ce-id", "ce-source", "ce-type", "ce-subject"):
        problem = is_problem(binary(JSON, **{name: None}), 400, f"without {name}")
        expect(problem["errors"][0]["field"] == name[3:], f"{problem}")
    for name, kind, body, field in (("text", "text/plain", "{}", "datacontenttype"), ("list", JSON, "[]", "data"), ("broken", JSON, "{", "data")):
        problem = is_problem(binary(kind, body), 400, f"binary {name}")
        expect(problem["errors"][0]["field"] == field, f"{problem}")
    expect(is_problem(binary(JSON, **{"ce-subject": "%zz"}), 400, "bad escape")["errors"][0]["field"] == "subject", "field")

    for kind in ("", "text/plain", "application/xml", "application/x-www-form-urlencoded", "application", ";", "application/json2"):
        problem = is_problem(doors.events(doors.event(), kind), 415, f"type `{kind}`", "unsupported")
        expect("application/cloudevents+json" in problem["detail"], f"{problem}")


def broken_bodies_of_events(doors):
    stored = json.dumps(doors.event())
    for kind, bodies in ((ONE, ["", " ", "{", "[]", "null", "1", stored + stored, stored + ",", stored[:-1], "\ufeff" + stored]),
                         (BATCH, ["", "{}", stored, "[", "[" + stored, f"[{stored}", f"[{stored},]", f"[{stored}]]", f"[{stored}] x", "[" * 5000]),
                         (JSON, ["", "null", '"x"', "[,]", "[" * 5000]), (LINES, ["", "\n\n"])):
        for body in bodies:
            for verdicts in (False, True):
                is_problem(doors.events(body.encode(), kind, verdicts), 400, f"{kind} `{body[:30]}`", "invalid_argument")
    for body in (b"\xff\xfe{}", stored.encode("utf-16"), stored.replace("doors", "\xe9").encode("latin-1"), b"\0" * 100):
        is_problem(doors.events(body, ONE), 400, f"{body[:20]}")
    status, body, _ = doors.events(f"[{stored}]", BATCH, verdicts=True)
    expect(json.loads(body)["counts"]["new"] == 1, f"something of a broken body was stored: {body}")
    for query in ("verdicts=1", "verdicts=", "verdicts=TRUE", "verdicts"):
        is_problem(doors.post(f"/api/v1/events?{query}", stored, ONE), 400, query)


def verdicts_and_all_or_nothing(doors):
    first, second = doors.event(), doors.event()
    other = first | {"data": {"amount": 2}}
    reordered = dict(reversed(list(first.items()))) | {"traceparent": "00-1-2-01", "data": {"kind": "k", "amount": 1}}
    old = doors.event(time="2001-01-01T00:00:00Z")
    ask = lambda *events, **more: json.loads(doors.events(list(events), BATCH, verdicts=True, **more)[1])
    said = lambda answer: [verdict["verdict"] for verdict in answer["verdicts"]]
    answer = ask(first, reordered, other, old)
    expect(said(answer) == ["new", "duplicate", "conflict", "too_late"], f"{answer}")
    expect(answer["counts"] == {"new": 1, "duplicate": 1, "conflict": 1, "too_late": 1, "invalid": 0}, f"{answer}")
    expect(doors.events([first, first])[0] == 204, "a duplicate is a success")
    for bad, index, field in (([second, other], 1, "id"), ([old, second], 0, "time"), ([second, doors.event(id="")], 1, "id")):
        problem = is_problem(doors.events(bad, BATCH), 400, field)
        expect([(error["index"], error["field"]) for error in problem["errors"]] == [(index, field)], f"{problem}")
    expect(said(ask(second)) == ["new"], "nothing of a refused batch was stored")
    status, _, headers = doors.events([second], BATCH, Prefer="respond-async, return=representation")
    expect(status == 200 and headers.get("Preference-Applied") == "return=representation", f"{status} {headers}")
    expect(doors.events([second], BATCH, Prefer="return=minimal")[0] == 204, "return=minimal")


def limits_of_size(doors):
    large = json.dumps({"key": KEY, "value": 1}) + " " * (MAX_BODY - 100)
    expect(doors.increment(large)[0] == 200, "just below the limit")
    for path in ("/increment", "/api/v1/events"):
        (answer,), closed = doors.raw(head("POST", path, f"Content-Length: {MAX_BODY + 1}"))
        expect(answer[0] == 413 and closed, f"announced: {answer}")
        (answer,), closed = doors.raw(framed(b" " * (MAX_BODY * 8), path))
        expect(answer[0] == 413 and closed, f"sent: {answer}")
        (answer,), closed = doors.raw(head("POST", path, "Transfer-Encoding: chunked") + b"10000\r\n%s\r\n" % (b" " * 65536) * 5)
        expect(answer[0] == 413 and closed, f"in chunks: {answer}")
    bomb = gzip.compress(b" " * (64 << 20))
    is_problem(doors.increment(bomb, Content_Encoding="gzip"), 413, "a bomb")
    many = "\n".join(json.dumps({"id": str(i)}) for i in range(15_000))
    expect(doors.events(many, LINES)[0] in (400, 413), "many events")
    for sent, status in ((b"GET /%s HTTP/1.1\r\nHost: t\r\n\r\n" % (b"x" * 100_000), 431),
                         (head("GET", "/healthz", "X: " + "x" * (10 << 20)), 431),
                         (head("GET", "/healthz", *[f"X{i}: y" for i in range(2000)]), 431)):
        (answer,), closed = doors.raw(sent)
        expect(answer[0] == status and closed, f"{answer}")
        is_problem((answer[0], answer[2], answer[1]), status, "a large head")


def gzip_bodies(doors):
    packed = gzip.compress(GOOD.encode())
    expect(doors.increment(packed, Content_Encoding="gzip")[:2] == (200, b"{}"), "gzip")
    expect(doors.increment(packed, Content_Encoding="X-GZip")[:2] == (200, b"{}"), "x-gzip")
    expect(doors.increment(gzip.compress(GOOD[:9].encode()) + gzip.compress(GOOD[9:].encode()), Content_Encoding="gzip")[0] == 200, "two members")
    expect(doors.events(gzip.compress(json.dumps(doors.event()).encode()), ONE, Content_Encoding="gzip")[0] == 204, "an event")
    for bad in (packed[:-1], packed[:12], packed + b"x", b"\x1f\x8b", GOOD.encode(), packed[:-8] + b"\0" * 8, b"\xff" * 1000):
        is_problem(doors.increment(bad, Content_Encoding="gzip"), 400, f"{bad[:20]}")
    is_problem(doors.increment(b"", Content_Encoding="gzip"), 400, "empty")
    for coding in ("br", "deflate", "gzip, gzip", "zstd"):
        is_problem(doors.increment(packed, Content_Encoding=coding), 415, coding)


def methods_and_paths(doors):
    for path, allowed, wrong in (("/increment", "POST", "GET PUT DELETE PATCH OPTIONS HEAD"), ("/api/v1/events", "POST", "GET PUT DELETE HEAD"),
                                 (f"/increment/{KEY}", "GET, HEAD", "POST PUT DELETE"), ("/readyz", "GET, HEAD", "POST DELETE"),
                                 ("/metrics", "GET, HEAD", "POST PUT"), ("/healthz", "GET, HEAD", "POST")):
        for method in wrong.split():
            status, body, headers = doors.server.request(method, path, GOOD if method in ("POST", "PUT") else None)
            expect(status == 405 and headers.get("Allow") == allowed, f"{method} {path}: {status} {headers}")
            if method == "HEAD":
                expect(body == b"", f"{method} {path}: {body}")
            else:
                is_problem((status, body, headers), 405, f"{method} {path}", "method_not_allowed")
    for path in ("/", "/nothing", "/increment/a/b/../", "//increment", "/INCREMENT", "/api/v1/events/", "/api/v1", "/%69ncrement", "/.git/config"):
        status = doors.server.request("POST", path, GOOD)[0]
        expect(status == (405 if path.startswith("/increment/") else 404), f"{path}: {status}")
    is_problem(doors.server.request("GET", "/nothing"), 404, "another path", "not_found")
    expect(doors.post("/increment?x=1", GOOD)[0] == 200, "a query is no part of the path")


# What isn't strict HTTP, and its status.
BAD_HEADS = [
    ("no Host", b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", head("GET", "/healthz", "Host: u"), 400),
    ("HTTP/2.0", b"GET /healthz HTTP/2.0\r\nHost: t\r\n\r\n", 505),
    ("no version", b"GET /healthz\r\n\r\n", 400),
    ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ("zeros", b"\0" * 100, 400),
    ("lower-case method", b"get /healthz HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("bare line feeds", b"GET /healthz HTTP/1.1\nHost: t\n\n", 400),
    ("folded header", head("GET", "/healthz", "X: a", " b"), 400),
    ("blank before the colon", head("GET", "/healthz", "X : a"), 400),
    ("NUL in a header", head("GET", "/healthz", "X: a\0b"), 400),
    ("no colon", head("GET", "/healthz", "nonsense"), 400),
    ("target without a slash", head("GET", "healthz"), 400),
    ("target with a blank", head("GET", "/health z"), 505),
    ("two lengths", framed(GOOD, "/increment", "Content-Length: 3"), 400),
    ("length and chunks", framed(GOOD, "/increment", "Transfer-Encoding: chunked"), 400),
    ("length negative", head("POST", "/increment", "Content-Length: -1"), 400),
    ("length with plus", head("POST", "/increment", "Content-Length: +5") + b"12345", 400),
    ("length hexadecimal", head("POST", "/increment", "Content-Length: 0x5") + b"12345", 400),
    ("length list", head("POST", "/increment", "Content-Length: 5, 5") + b"12345", 400),
    ("length of 2^64", head("POST", "/increment", f"Content-Length: {2**64}"), 400),
    ("length of 2^63", head("POST", "/increment", f"Content-Length: {2**63}"), 413),
    ("unknown coding", head("POST", "/increment", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 400),
    ("chunk size not a number", head("POST", "/increment", "Transfer-Encoding: chunked") + b"xyz\r\n", 400),
    ("chunk size of 2^64", head("POST", "/increment", "Transfer-Encoding: chunked") + b"10000000000000000\r\n", 400),
    ("chunk longer than said", head("POST", "/increment", "Transfer-Encoding: chunked") + b"2\r\nabcd\r\n0\r\n\r\n", 400),
    ("chunks in HTTP/1.0", head("POST", "/increment", "Transfer-Encoding: chunked", version="1.0") + b"0\r\n\r\n", 400),
    ("unknown expectation", head("POST", "/increment", "Expect: wonders", "Content-Length: 1"), 417),
]


def heads_that_are_not_http(doors):
    for name, sent, status in BAD_HEADS:
        (answer,), closed = doors.raw(sent)
        expect(answer is not None and answer[0] == status, f"{name}: {answer}, not {status}")
        expect(closed, f"{name}: the connection stayed open")
        is_problem((answer[0], answer[2], answer[1]), status, name)
    return f"{len(BAD_HEADS)} refused"


def connections_are_kept(doors):
    with doors.connect() as connection:
        answers = Answers(connection)
        for sent, status in ((framed(GOOD), 200), (framed("{}"), 400), (head("GET", "/nothing"), 404), (head("GET", "/increment"), 405),
                             (framed("{", "/api/v1/events", f"Content-Type: {ONE}"), 400), (framed("x", "/api/v1/events"), 415), (framed(GOOD), 200)):
            connection.sendall(sent)
            answer = answers.one()
            expect(answer and answer[0] == status and "connection" not in answer[1], f"{sent[:40]}: {answer}")
    found, _ = doors.raw(framed(GOOD) + head("GET", "/nothing") + framed(GOOD) + head("GET", "/healthz"), 4)
    expect([answer and answer[0] for answer in found] == [200, 404, 200, 200], f"pipelined: {found}")
    found, _ = doors.raw(framed(GOOD) * 2000, 2000)
    expect(all(answer and answer[0] == 200 and answer[2] == b"{}" for answer in found), "2,000 pipelined")
    found, closed = doors.raw(framed(GOOD, "/increment", "Connection: close") + framed(GOOD))
    expect(found[0][0] == 200 and closed, "Connection: close")
    found, closed = doors.raw(framed(GOOD).replace(b"/1.1", b"/1.0"))
    expect(found[0][0] == 200 and closed, "HTTP/1.0 closes")
    found, _ = doors.raw(framed(GOOD, "/increment", "Connection: keep-alive").replace(b"/1.1", b"/1.0") * 2, 2)
    expect([answer and answer[0] for answer in found] == [200, 200], "HTTP/1.0 with keep-alive")
    chunked = head("POST", "/increment", "Transfer-Encoding: chunked")
    body = b"".join(b"1;x=y\r\n%c\r\n" % byte for byte in GOOD.encode()) + b"0\r\nTrailer: x\r\n\r\n"
    found, _ = doors.raw((chunked + body) * 2, 2)
    expect([answer and answer[:1] + answer[2:] for answer in found] == [(200, b"{}")] * 2, f"chunks: {found}")
    with doors.connect() as connection:
        connection.sendall(head("POST", "/increment", f"Content-Length: {len(GOOD)}", "Expect: 100-continue"))
        answers = Answers(connection)
        expect(answers.one()[0] == 100, "100 Continue")
        connection.sendall(GOOD.encode())
        expect(answers.one()[0] == 200, "after 100 Continue")
    with doors.connect() as connection:  # One byte a packet.
        for byte in framed(GOOD):
            connection.sendall(bytes([byte]))
        expect(Answers(connection).one()[0] == 200, "byte by byte")


def clients_that_go_away(doors):
    """Half-sent requests count nothing; what was sent whole is served though nobody waits for the answer."""
    key = "33333333-1234-5678-1234-567812345678"
    whole = framed(json.dumps({"key": key, "value": 1}))
    for cut in (1, 10, len(whole) - 90, len(whole) - 40, len(whole) - 1):
        for _ in range(20):
            with doors.connect() as connection:
                connection.sendall(whole[:cut])
            with doors.connect() as connection:  # A reset instead of an end.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.sendall(whole[:cut])
    for _ in range(50):
        with doors.connect() as connection:
            connection.sendall(whole)
    found, _ = doors.raw(whole, end=True)
    expect(found[0] and found[0][0] == 200, f"the sending half closed: {found}")
    read = lambda: doors.server.request("GET", f"/increment/{key}")
    await_true(lambda: read()[0] == 200 and json.loads(read()[1])["value"] == 51, PATIENCE, f"51 whole requests: {read()[1]}")


def send_from_the_shell(doors):
    """`tidemark send`: its last line and its exit code are what scripts hang on."""
    url = f"http://127.0.0.1:{doors.server.port}"

    def send(lines, *options, **environment):
        return subprocess.run([BINARY, "send", *options, "-"], input="".join(json.dumps(line) + "\n" for line in lines), text=True,
                              capture_output=True, timeout=PATIENCE, env={**os.environ, **environment})
    good, other = [doors.event() for _ in range(1200)], doors.event()
    done = send(good, "--server", url)
    expect((done.returncode, done.stdout) == (0, "new=1200 duplicate=0 conflict=0 too_late=0 invalid=0\n"), f"{done}")
    done = send(good, TIDEMARK_SERVER=url, TIDEMARK_TOKEN="not-asked-for")
    expect((done.returncode, done.stdout) == (0, "new=0 duplicate=1200 conflict=0 too_late=0 invalid=0\n"), f"{done}")
    bad = [good[0] | {"data": {"amount": 2}}, doors.event(time="2001-01-01T00:00:00Z"), doors.event(subject=""), other]
    done = send(bad, "--server", url)
    expect((done.returncode, done.stdout) == (1, "new=1 duplicate=0 conflict=1 too_late=1 invalid=1\n"), f"{done}")
    for line in ("line 1: conflict", "line 2: too_late", "line 3: invalid: subject"):
        expect(line in done.stderr, f"`{line}` isn't said: {done.stderr}")
    done = send([other], "--json", "--server", url)
    expect(done.returncode == 0 and json.loads(done.stdout)["duplicate"] == 1, f"{done}")
    expect(send([other], "--serve", url).returncode == 2, "an unknown flag")


def operations(doors):
    for path, word in (("/healthz", b"alive"), ("/readyz", b"ready")):
        status, body, headers = doors.server.request("GET", path)
        expect(status == 200 and word in body and headers["Content-Type"] == "application/json", f"{path}: {status} {body}")
        status, body, headers = doors.server.request("HEAD", path)
        expect(status == 200 and body == b"" and int(headers["Content-Length"]) > 0, f"HEAD {path}: {status}")
    status, body, headers = doors.server.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
    expect(status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"), f"{headers}")


def shown_metrics(doors):
    """Type, name and label names of everything that /metrics shows."""
    lines = doors.server.request("GET", "/metrics")[1].decode().splitlines()
    types = dict(line.split()[2:4] for line in lines if line.startswith("# TYPE"))
    shown = set()
    for line in lines:
        if line.startswith("#"):
            continue
        name, labels = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()
        base = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
        keys = sorted(set(re.findall(r'(\w+)="', labels or "")) - {"le"})
        shown.add(f"{types[base]} {base}" + (f"{{{','.join(keys)}}}" if keys else ""))
    return sorted(shown)


def metrics_as_agreed(doors):
    """Dashboards and alerts hang on these. To accept a change: TIDEMARK_ACCEPT=1 tests/integration/doors_test.py"""
    shown = shown_metrics(doors)
    if os.environ.get("TIDEMARK_ACCEPT"):
        with open(GOLDEN, "w") as file:
            file.write("\n".join(shown) + "\n")
    with open(GOLDEN) as file:
        agreed = file.read().splitlines()
    expect(shown == agreed, f"new: {sorted(set(shown) - set(agreed))}, gone: {sorted(set(agreed) - set(shown))}")
    names = [re.match(r"\w+ (\w+)", line).group(1) for line in shown]
    expect(all(re.fullmatch(r"tidemark_[a-z]+(_[a-z0-9]+)+", name) for name in names), f"{names}")
    expect(all(line.startswith("counter ") == name.endswith("_total") for line, name in zip(shown, names)), "counters end in _total")
    return f"{len(shown)} metrics"


def request_ids_are_in_the_log():
    with Folder() as folder:
        server = Server(folder, Sqlite(folder).url, SETTINGS | {"log_level": "debug"})
        server.start()
        for method, path, body in (("POST", "/increment", "{}"), ("POST", "/api/v1/events", "x"), ("GET", "/increment", None), ("GET", "/x", None)):
            problem = json.loads(server.request(method, path, body)[1])
            expect(problem["request_id"] in server.tail(), f"{problem}\n{server.tail()}")
        expect(server.stop() == 0, "exit code")


class SlowClients:
    """Heads and bodies that never end; begun first, since their deadlines are 10 and 30 s."""

    def __init__(self, doors):
        self.doors = doors
        self.ended = {}
        self.began = time.monotonic()
        whole = framed(GOOD)
        cuts = {"a head that stops": (whole[:20], b"", 408), "a head by the drop": (whole[:10], b"x", 408),
                "a body that stops": (whole[:-3], b"", 408), "a body by the drop": (framed(b" " * 200_000)[:-150_000], b" ", 408),
                "a chunked body by the drop": (head("POST", "/increment", "Transfer-Encoding: chunked"), b"1\r\n \r\n", 408)}
        self.threads = [threading.Thread(target=self.drip, args=(name, *cut)) for name, cut in cuts.items()]
        for thread in self.threads:
            thread.start()

    def drip(self, name, begin, drop, status):
        with self.doors.connect(0.5) as connection:
            send_what_is_taken(connection, begin)
            answers = Answers(connection)
            while time.monotonic() - self.began < PATIENCE:
                try:
                    answer = answers.one()
                    self.ended[name] = (answer and answer[0], time.monotonic() - self.began, status)
                    return
                except TimeoutError:
                    send_what_is_taken(connection, drop)

    def await_ends(self):
        for thread in self.threads:
            thread.join()
        expect(len(self.ended) == len(self.threads), f"not all were ended: {self.ended}")
        for name, (status, seconds, wanted) in self.ended.items():
            expect(status == wanted, f"{name}: {status} after {seconds:.0f} s, not {wanted}")
            expect(seconds >= (10 if "head" in name else 30), f"{name}: after {seconds:.0f} s already")


def flood(doors, seconds):
    """Hostile input from several threads at once for some seconds."""
    sent = [sent for _, sent, _ in BAD_HEADS] + [framed(b"[" * 100_000, "/api/v1/events", f"Content-Type: {JSON}"),
                                                  framed(gzip.compress(b" " * (8 << 20)), "/increment", "Content-Encoding: gzip"),
                                                  framed(b"\xff" * 200_000), framed(GOOD)[:-5], head("GET", "/metrics") * 5]
    until = time.monotonic() + seconds

    def attack(number):
        while time.monotonic() < until:
            number += 1
            with doors.connect() as connection:
                send_what_is_taken(connection, sent[number % len(sent)])
    threads = [threading.Thread(target=attack, args=(number * 7,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def memory_stays(doors):
    flood(doors, 2)
    before = doors.memory()
    flood(doors, 3)
    with_idle = [doors.connect() for _ in range(300)]
    for connection in with_idle:
        connection.sendall(framed(b" " * 1000)[:-1])
    expect(doors.increment(GOOD)[0] == 200, "it still answers beside 300 half-sent requests")
    for connection in with_idle:
        connection.close()
    await_true(lambda: doors.server.metric("tidemark_net_connections") <= 10, PATIENCE, "connections are given back")
    grown = doors.memory() - before
    expect(grown < 24 << 20, f"grown by {grown >> 20} MiB in the second half")
    return f"{doors.memory() >> 20} MiB, grown by {grown >> 10} KiB"


def ends_well(doors):
    number = doors.number
    status, body, _ = doors.events([doors.event() for _ in range(100)], BATCH, verdicts=True)
    expect(json.loads(body)["counts"]["new"] == 100, f"{body[:200]}")
    accepted = doors.server.metric("tidemark_ingest_events_total{verdict=\"new\"}")
    with doors.connect() as connection, doors.connect() as idle:
        whole = framed(GOOD, "/increment", "Expect: 100-continue")
        connection.sendall(whole[:-len(GOOD)])
        under_way = Answers(connection)
        expect(under_way.one()[0] == 100, "a request under way")
        idle.sendall(head("GET", "/healthz"))
        at_rest = Answers(idle)
        expect(at_rest.one()[0] == 200, "/healthz")
        began = time.monotonic()
        doors.server.process.terminate()
        expect(at_rest.one() is None, "the idle connection wasn't closed")
        connection.sendall(whole[-len(GOOD):])
        answer = under_way.one()
        expect(answer and answer[0] == 200 and answer[1].get("connection") == "close", f"the request under way: {answer}")
        expect(doors.server.wait_dead() == 0, f"exit {doors.server.process.returncode}:\n{doors.server.tail()}")
    expect(doors.stored() == accepted, f"{doors.stored()} in SQL, {accepted} were new")
    log = doors.server.tail(1 << 20)
    expect(" error " not in log, f"errors in the log:\n{log[-2000:]}")
    return f"{number} events, {time.monotonic() - began:.1f} s to the end"


def main():
    cases = Cases()
    with Folder() as folder:
        doors = Doors(folder)
        try:
            slow = SlowClients(doors)
            cases.run("increments by the rules", lambda: increments_by_the_rules(doors))
            cases.run("idempotency keys", lambda: idempotency_keys(doors))
            cases.run("reading increments", lambda: reading_increments(doors))
            cases.run("events by the rules", lambda: events_by_the_rules(doors))
            cases.run("every form of events", lambda: every_form_of_events(doors))
            cases.run("broken bodies of events", lambda: broken_bodies_of_events(doors))
            cases.run("verdicts, and all or nothing", lambda: verdicts_and_all_or_nothing(doors))
            cases.run("limits of size", lambda: limits_of_size(doors))
            cases.run("gzip bodies", lambda: gzip_bodies(doors))
            cases.run("methods and paths", lambda: methods_and_paths(doors))
            cases.run("heads that aren't HTTP", lambda: heads_that_are_not_http(doors))
            cases.run("connections are kept, requests may be pipelined", lambda: connections_are_kept(doors))
            cases.run("clients that go away", lambda: clients_that_go_away(doors))
            cases.run("tidemark send tells what became of each event", lambda: send_from_the_shell(doors))
            cases.run("the doors of operations", lambda: operations(doors))
            cases.run("the id of a refused request is in the log", request_ids_are_in_the_log)
            cases.run("metrics as agreed", lambda: metrics_as_agreed(doors))
            cases.run("slow clients get 408", slow.await_ends)
            cases.run("memory stays", lambda: memory_stays(doors))
            cases.run("it ends well after all that", lambda: ends_well(doors))
        finally:
            if doors.server.alive():
                doors.server.kill()
    cases.finish()


if __name__ == "__main__":
    main()
