"""A TCP gate between the server and its database: it stalls, refuses, cuts, and knows a COMMIT when it passes."""

import socket
import threading

# The statement COMMIT on the wire: PostgreSQL's simple query, and MariaDB's COM_QUERY with its header.
COMMITS = (b"Q\x00\x00\x00\x0bCOMMIT\x00", b"\x07\x00\x00\x00\x03COMMIT")


def says_committed(reply):
    """True for PostgreSQL's CommandComplete of a COMMIT and for MariaDB's OK packet."""
    return b"COMMIT\x00" in reply or (len(reply) > 4 and reply[3:5] == b"\x01\x00")


class Link:
    """One connection through the gate."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.at_reply = None  # What is to happen to the answer that comes next.

    def cut(self):
        for end in (self.client, self.server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # It is gone already.


class Gate:
    """Listens on a free loopback port and passes on to `host`:`port`.

    `stalled`: nothing passes; what was sent waits. `refusing`: nobody gets in.
    `at_commit`: what to do with the next COMMIT, once:
      before   cut the connection and don't forward it
      after    forward it, wait until the database says that it took effect, and cut instead of answering
      mute     the same, but leave the connection open and silent
      late     hold it until `let_late_pass` is called, and forward it then, whether or not the client is still there
    `held` says that a COMMIT is being held, and `struck` counts the COMMITs that were treated so.
    """

    def __init__(self, host, port):
        self.target = (host, port)
        self.held = False
        self.may_pass = threading.Event()
        self.refusing = False
        self.at_commit = None
        self.struck = 0
        self.faults = []
        self.lock = threading.Lock()
        self.links = set()
        self.flowing = threading.Event()
        self.flowing.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def stall(self, on):
        self.flowing.clear() if on else self.flowing.set()

    def refuse(self, on):
        self.refusing = on
        if on:
            self.cut_all()

    def cut_all(self):
        with self.lock:
            links = list(self.links)
        for link in links:
            link.cut()

    def let_late_pass(self):
        self.may_pass.set()

    def close(self):
        self.refusing = True
        self.may_pass.set()
        self.flowing.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut_all()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # Closed.
            if self.refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(self.target, timeout=60)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(client, server)
            with self.lock:
                self.links.add(link)
            for action in (self.to_server, self.to_client):
                threading.Thread(target=self.pump, args=(action, link), daemon=True).start()

    def pump(self, action, link):
        try:
            while action(link):
                pass
        except OSError:
            pass
        finally:
            if link.at_reply != "late":
                link.cut()
                with self.lock:
                    self.links.discard(link)

    def to_server(self, link):
        data = link.client.recv(65536)
        self.flowing.wait()
        if not data:
            return False
        if any(commit in data for commit in COMMITS):
            with self.lock:
                action, self.at_commit = self.at_commit, None
            if action:
                return self.strike(action, link, data)
        link.server.sendall(data)
        return True

    def strike(self, action, link, data):
        if action == "before":
            link.cut()
            self.struck += 1
            return False
        link.at_reply = action
        if action == "late":
            self.may_pass.clear()
            self.held = True
            self.may_pass.wait()
            self.held = False
            link.server.sendall(data)
            self.struck += 1
            return True
        link.server.sendall(data)
        return True

    def to_client(self, link):
        data = link.server.recv(65536)
        self.flowing.wait()
        if not data:
            link.at_reply = None
            return False
        if link.at_reply in ("after", "mute"):
            if not says_committed(data):
                self.faults.append(f"a COMMIT was answered {data[:80]}")
            self.struck += 1
            if link.at_reply == "after":
                return False
            link.at_reply = "silent"
            return True
        if link.at_reply == "silent":
            return True
        if link.at_reply == "late":
            if not says_committed(data):
                self.faults.append(f"a late COMMIT was answered {data[:80]}")
            link.at_reply = None
            return False
        link.client.sendall(data)
        return True
