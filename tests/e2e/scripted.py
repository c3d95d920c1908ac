# SPDX-License-Identifier: MIT
"""Python's TLS with an answer of the test's making. As the servers of peers.py."""
import contextlib
import json
import socket
import ssl
import threading

from device import CERTS
from peers import Peer, whole_message

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def yes(body):
    """The service's answer to this request: everything is accepted."""
    entries = [
        {"internal_id": m["internal_id"], "message_uuid": f"uuid-of-{m['internal_id']}", "error": None}
        for m in json.loads(body)["messages"]
    ]
    return json.dumps({"status": True, "task_id": "1", "messages": entries}).encode()


def answer(body, fields=None, status=b"HTTP/1.1 200 OK"):
    lines = {"Content-Type": "application/json", "Content-Length": len(body), **(fields or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return status + b"\r\n" + head.encode() + b"\r\n" + body


class Scripted(Peer):
    """Python's TLS. `script(channel, body)` writes what it likes to the TLS connection; True: and goes on with it.

    What it wrote counts as a yes when `says_yes`. `before(raw)` comes before the handshake, `greeting` behind it,
    with the end of the connection; `shape(context)` sets what else TLS is to do. `at`: its address and port, or 0.
    """

    def __init__(
        self,
        script,
        cert="ec",
        tls="any",
        says_yes=True,
        before=None,
        greeting=b"",
        shape=None,
        at=("127.0.0.1", 0),
    ):
        self.script, self.says_yes, self.before, self.greeting = script, says_yes, before, greeting
        self.at = at
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if tls != "any":
            self.context.minimum_version = self.context.maximum_version = VERSIONS[tls]
        self.context.load_cert_chain(f"{CERTS}/{cert}.pem", f"{CERTS}/{cert}.key")
        if shape:
            shape(self.context)
        self.bodies = []  # of whole requests
        self.pieces = b""  # whatever could be read
        self.connections = 0

    def __enter__(self):
        family = socket.AF_INET6 if ":" in self.at[0] else socket.AF_INET
        self.listener = socket.create_server(self.at, family=family)
        self.port = self.listener.getsockname()[1]
        self.ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        with contextlib.suppress(OSError, ValueError):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.settimeout(60)
            if self.before:
                self.before(raw)
            channel = self.context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False)
            if self.greeting:
                channel.sendall(self.greeting)
                channel.close()
                return
            data = b""
            going = True
            while going:
                while (size := whole_message(data)) is None:
                    more = channel.recv(65536)
                    if not more:
                        return
                    self.pieces += more
                    data += more
                body = data[:size].partition(b"\r\n\r\n")[2]
                data = data[size:]
                self.bodies.append(body)
                going = self.script(channel, body)

    def requests(self, text):
        return int(bool(self.pieces))

    def said_yes(self, text):
        return self.says_yes and any(text.encode() in body for body in self.bodies)


def idle(channel):
    """Keeps the connection and says nothing more, until the client goes."""
    with contextlib.suppress(OSError):
        while channel.recv(65536):
            pass


def end_plainly(channel):
    """Ends TLS as it should be: close_notify, then the connection."""
    channel.settimeout(2)
    try:
        channel.unwrap().close()
    except OSError:
        channel.close()


def end_bare(channel):
    """Ends the connection without a word in TLS."""
    socket.socket.shutdown(channel, socket.SHUT_RDWR)
    channel.close()


def say(make, then=idle, **options):
    """A server that writes what `make(body)` gives, at once or, of a list, piece by piece, each a record."""

    def script(channel, body):
        pieces = make(body)
        for piece in pieces if isinstance(pieces, list) else [pieces]:
            channel.sendall(piece)
        then(channel)

    return lambda row: row.send(Scripted(script, **options))


def chunked(body, size=50, last=b"0\r\n\r\n"):
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + last


CHUNKED = {"Transfer-Encoding": "chunked", "Content-Length": None}
BARE = {"Content-Length": None}
NOT_YES = {"says_yes": False}
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"


def framed(body, fields, data, status=b"HTTP/1.1 200 OK"):
    return answer(b"", {**fields}, status) + data


def with_chunks(body, **more):
    return framed(body, CHUNKED, chunked(yes(body), **more))
