# SPDX-License-Identifier: MIT
"""A TCP relay in front of a server, that cuts, holds up, cuts to pieces and puts alerts in between.

    with Relay(Nginx("ec 1.2"), Cut("s2c", 700, "reset")) as peer: ...

It counts what it passed on, in each direction. A fault sees every piece before it goes on:

    fault(direction, data, count) -> (what to pass on, what then)     count: bytes that were passed on before
    what then: None (go on), "reset", "close" (both sides), "hold" (nothing passes any more, all stays open)
"""
import contextlib
import select
import socket
import struct
import threading
import time

HELLO_RETRY = bytes.fromhex(
    "CF21AD74E59A6111BE1D8C021E65B891C2A211167ABB8C5E079E09E2C8A8339C"
)  # RFC 8446 4.1.3

KEPT_BYTES = 1 << 17


class Relay:
    def __init__(self, peer, fault=None):
        self.peer, self.fault = peer, fault or (lambda direction, data, count: (data, None))
        self.passed = {"c2s": bytearray(), "s2c": bytearray()}  # the first bytes of each direction
        self.connections = 0

    ca_file = property(lambda self: self.peer.ca_file)

    def __enter__(self):
        self.peer.__enter__()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *words):
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.peer.__exit__(*words)

    def requests(self, text):
        return self.peer.requests(text)

    def said_yes(self, text):
        return self.peer.said_yes(text)

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client):
        server = socket.create_connection(("127.0.0.1", self.peer.port))
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        other = {client: ("c2s", server), server: ("s2c", client)}
        count = {"c2s": 0, "s2c": 0}
        try:
            # Before a byte came, so that the very first one can be the one that is missing.
            for direction, to in other.values():
                if not self._pass(direction, b"", to, count, (client, server)):
                    return
            open_ends = [client, server]
            while open_ends and not self.ended.is_set():
                for end in select.select(open_ends, [], [], 0.2)[0]:
                    data = end.recv(65536)
                    direction, to = other[end]
                    if not data:
                        open_ends.remove(end)
                        with contextlib.suppress(OSError):
                            to.shutdown(socket.SHUT_WR)
                        continue
                    if not self._pass(direction, data, to, count, (client, server)):
                        return
        except OSError:
            pass  # one of them went; so does the other
        finally:
            client.close()
            server.close()

    def _pass(self, direction, data, to, count, ends):
        """Whether it goes on after this piece."""
        data, then = self.fault(direction, data, count[direction])
        for piece in data if isinstance(data, list) else [data]:
            if isinstance(piece, float):
                if self.ended.wait(piece):
                    return False
            elif piece:
                to.sendall(piece)
                count[direction] += len(piece)
                if len(self.passed[direction]) < KEPT_BYTES:
                    self.passed[direction] += piece
        if then is None:
            return True
        if then == "hold":
            self._hold(ends)
        elif then == "reset":
            for end in ends:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def _hold(self, ends):
        """Takes in what comes, passes on nothing, until the client goes."""
        client = ends[0]
        with contextlib.suppress(OSError):
            while not self.ended.is_set():
                if select.select([client], [], [], 0.2)[0] and not client.recv(65536):
                    return


class Cut:
    """The connection ends when so many bytes went in one direction. How: reset, close, hold."""

    def __init__(self, direction, after, how="reset"):
        self.direction, self.after, self.how = direction, after, how

    def __call__(self, direction, data, count):
        if direction == self.direction and count + len(data) >= self.after:
            return data[: self.after - count], self.how
        return data, None


class Pieces:
    """What the server sends comes in pieces of so many bytes, with a pause before each."""

    def __init__(self, size, pause=0.0, after=0):
        self.size, self.pause, self.after = size, pause, after

    def __call__(self, direction, data, count):
        if direction == "c2s" or count < self.after:
            return data, None
        made = []
        for at in range(0, len(data), self.size):
            made += [self.pause] if self.pause else []
            made.append(data[at : at + self.size])
        return made, None


class Instead:
    """Something else instead of the server's record number `record`, and behind it nothing, with all left open."""

    def __init__(self, record, what, then="hold"):
        self.record, self.what, self.then = record, what, then
        self.seen = 0
        self.buffer = b""

    def __call__(self, direction, data, count):
        if direction == "c2s":
            return data, None
        self.buffer += data
        ready = b""
        while self.seen < self.record and len(self.buffer) >= 5:
            size = 5 + int.from_bytes(self.buffer[3:5], "big")
            if len(self.buffer) < size:
                break
            ready, self.buffer = ready + self.buffer[:size], self.buffer[size:]
            self.seen += 1
        if self.seen < self.record or not self.buffer:
            return ready, None
        if self.then is None:  # beside, not instead
            ready, self.record, self.buffer = ready + self.what + self.buffer, 1 << 30, b""
            return ready, None
        return ready + self.what, self.then


class Flood:
    """Behind the server's record number `record` comes this record again and again, as fast as it is taken."""

    def __init__(self, record, what, seconds=10):
        self.instead, self.what, self.seconds = Instead(record, b"", "flood"), what, seconds

    def __call__(self, direction, data, count):
        data, then = self.instead(direction, data, count)
        if then != "flood":
            return data, then
        return _flood(data, self.what, self.seconds), "close"


class _flood(list):
    """A list that never ends, for a while."""

    def __init__(self, first, what, seconds):
        super().__init__()
        self.first, self.what, self.seconds = first, what, seconds

    def __iter__(self):
        yield self.first
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            yield self.what * 64


def alert(description, level=2):
    """A TLS record with an alert, in clear."""
    return bytes((21, 3, 3, 0, 2, level, description))
