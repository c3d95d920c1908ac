# SPDX-License-Identifier: MIT
"""The listener and its connections: TLS, HTTP/1.1 in, framed answers out, one thread for each connection."""

import os
import select
import socket
import ssl
import struct
import threading
import time

from framing import frame
from journal import LOST, SENT, UNCLEAR, as_text
from service import HTML, REASONS, Answer

HEAD_LIMIT = 65536
BODY_LIMIT = 1 << 20
HANDSHAKE_TIMEOUT = 15
VERSIONS = {
    "1.2": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
    "1.3": (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
    "any": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
}


class Ended(Exception):
    """The connection is over; its text says why."""


def tls_context(certificates, name, version):
    if not os.path.exists(f"{certificates}/{name}.pem"):
        raise ValueError(f"--cert {name}: there is no such certificate in {certificates}; --help lists them")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = VERSIONS[version]
    context.load_cert_chain(f"{certificates}/{name}.pem", f"{certificates}/{name}.key")
    return context


def listening_socket(host, port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        raise ValueError(f"cannot listen on {host}:{port}: {error}") from None
    return listener


class Server:
    def __init__(self, service, rules, journal, context, host, port, keep_tokens=False, idle_timeout=75):
        self.service, self.rules, self.journal, self.context = service, rules, journal, context
        self.keep_tokens, self.idle_timeout = keep_tokens, idle_timeout
        self.host = host
        self.listener = listening_socket(host, port)
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        self.wake, self.waker = socket.socketpair()
        self.lock = threading.Lock()
        self.held = None  # None, "stall" (nobody accepts) or "refuse" (the port is closed)
        self.stopped = False
        self.open = set()

    def run(self):
        """Accepts until stop()."""
        while not self.stopped:
            watched = [self.wake] if self.held else [self.wake, self.listener]
            ready = select.select(watched, [], [])[0]
            if self.wake in ready:
                self.wake.recv(64)
            with self.lock:
                if self.held or self.stopped or self.listener not in ready:
                    continue
                self.listener.settimeout(0)
                try:
                    raw, peer = self.listener.accept()
                except OSError:
                    continue
            raw.settimeout(HANDSHAKE_TIMEOUT)
            threading.Thread(target=Connection(self, raw, peer).run, daemon=True).start()

    def hold(self, how):
        """HOW: "stall", "refuse", or None to go on."""
        with self.lock:
            if how == "refuse" and self.held != "refuse":
                self.listener.shutdown(socket.SHUT_RDWR)  # it stays bound: nobody else takes the port
            elif how != "refuse" and self.held == "refuse":
                self.listener.listen(128)
            self.held = how
            self.waker.send(b"h")

    def close_connections(self):
        with self.lock:
            opened = list(self.open)
        for connection in opened:
            connection.shut()
        return len(opened)

    def stop(self):
        """The process ends right after this, and that closes the listener."""
        self.stopped = True
        self.waker.send(b"s")
        self.close_connections()


class Connection:
    def __init__(self, server, raw, peer):
        self.server, self.raw, self.peer = server, raw, peer
        self.journal = server.journal
        self.socket = None
        self.buffer = b""
        self.requests = 0
        self.number = self.journal.connection_number(peer=f"{peer[0]}:{peer[1]}")
        with server.lock:
            server.open.add(self)

    def run(self):
        try:
            if self.handshake():
                while self.exchange():
                    pass
        except Ended as ended:
            self.journal.note("ended", connection=self.number, reason=str(ended))
        except (OSError, ValueError) as error:
            self.journal.note("ended", connection=self.number, reason=f"{type(error).__name__}: {error}")
        except Exception as error:  # a fault of this program: on record, and seen
            self.journal.note("ended", connection=self.number, reason=f"fault: {error!r}")
            raise
        finally:
            with self.server.lock:
                self.server.open.discard(self)
            self.end("close")

    def handshake(self):
        """Whether there is a TLS connection now."""
        early = self.server.rules.early("connect")
        if early:
            self.journal.note("ended", connection=self.number, reason=f"rule: {early.do} at connect")
            self.journal.handshake_over()
            self.silent() if early.do == "silent" else self.end(early.parameters["how"])
            return False
        try:
            self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket = self.server.context.wrap_socket(
                self.raw, server_side=True, do_handshake_on_connect=False
            )
            self.socket.do_handshake()
            return True
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or f"{type(error).__name__}: {error}"
            self.journal.note("handshake_failed", connection=self.number, reason=str(reason))
            return False
        finally:
            self.journal.handshake_over()

    # -- reading ---------------------------------------------------------------------------------------------

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ssl.SSLError as error:
            if error.reason != "UNEXPECTED_EOF_WHILE_READING":
                raise
            return False
        self.buffer += data
        return bool(data)

    def read_head(self):
        self.socket.settimeout(self.server.idle_timeout)
        try:
            while b"\r\n\r\n" not in self.buffer:
                if len(self.buffer) > HEAD_LIMIT:
                    raise Ended("head too large")
                if not self.more():
                    if self.buffer:
                        self.note_request(self.buffer, b"", complete=False)
                    raise Ended("closed by the client")
        except TimeoutError:
            self.end("notify")
            raise Ended("idle") from None
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return head + b"\r\n\r\n"

    def exchange(self):
        """One request and its answer. Returns whether the connection goes on."""
        head = self.read_head()
        self.requests += 1
        self.complete = False
        lines = head.decode("latin-1").split("\r\n")[:-2]
        words = lines[0].split(" ")
        headers = [
            tuple(part.strip(" \t") for part in line.split(":", 1)) for line in lines[1:] if ":" in line
        ]
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or len(headers) != len(lines) - 1:
            self.note_request(head, b"", complete=True)
            return self.plain(Answer(400, b"<html><h1>400 Bad Request</h1></html>", HTML))
        method, (path, _, query) = words[0], words[1].partition("?")
        fields = {name.lower(): value for name, value in headers}
        early = self.server.rules.early("head", path)
        if early:
            self.note_request(head, b"", complete=False, rules=["drop at head"])
            self.end(early.parameters["how"])
            return False
        length = fields.get("content-length", "0")
        if "transfer-encoding" in fields or not length.isdigit():
            self.note_request(head, b"", complete=True)
            return self.plain(Answer(411, b"<html><h1>411 Length Required</h1></html>", HTML))
        if int(length) > BODY_LIMIT:
            self.note_request(head, b"", complete=False)
            return self.plain(Answer(413, b"<html><h1>413 Payload Too Large</h1></html>", HTML))
        if fields.get("expect", "").lower() == "100-continue":
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self.buffer) < int(length):
            try:
                going = self.more()
            except OSError:
                going = False
            if not going:
                self.note_request(head, self.buffer, complete=False)
                raise Ended("the body ended early")
        body, self.buffer = self.buffer[: int(length)], self.buffer[int(length) :]
        plan = self.server.rules.plan(path, self.server.service.messages_in(path, body))
        token_ok = self.server.service.token_ok(headers, path)
        self.note_request(head, body, complete=True, token_ok=token_ok, rules=plan.names())
        if self.buffer:
            return self.plain(Answer(400, b"<html><h1>400 Bad Request: pipelining</h1></html>", HTML))
        answer = self.server.service.respond(
            method, path, headers, body, plan, {"connection": self.number, "request": self.requests}, query
        )
        keep = fields.get("connection", "").lower() != "close" and words[2] == "HTTP/1.1"
        return self.transmit(answer, plan, keep)

    def note_request(self, head, body, complete, token_ok=False, rules=()):
        if not self.server.keep_tokens:
            lines = head.split(b"\r\n")
            for index, line in enumerate(lines):
                name = line.split(b":", 1)[0]
                if name.strip().lower() == b"authorization" and b":" in line:
                    lines[index] = name + b": " + (b"token-ok" if token_ok else b"token-wrong")
            head = b"\r\n".join(lines)
        cipher = self.socket.cipher()
        self.journal.note(
            "request",
            connection=self.number,
            request=self.requests,
            complete=complete,
            token_ok=token_ok,
            rules=list(rules),
            tls=self.socket.version(),
            cipher=cipher[0] if cipher else None,
            resumed=bool(self.socket.session_reused),
            **as_text("head", head),
            **as_text("body", body),
        )

    # -- writing ---------------------------------------------------------------------------------------------

    def plain(self, answer):
        """An answer of the front end that no rule touches; the connection ends with it."""
        self.socket.sendall(frame(answer, "length", 0, keep=False))
        self.journal.note(
            "answer", connection=self.number, request=self.requests, status=answer.status, complete=True
        )
        self.end("notify")
        return False

    def transmit(self, answer, plan, keep):
        numbers = {copy["n"] for copy in answer.accepted}
        told = answer.told()
        reason = None
        self.journal.begin_answer()
        try:
            keep = self.send(answer, plan, keep)
        except (Ended, OSError, ValueError) as error:
            keep = False
            reason = str(error) if isinstance(error, Ended) else f"{type(error).__name__}: {error}"
        finally:
            self.journal.end_answer(
                {LOST: numbers} if reason else {UNCLEAR: numbers - told, SENT: numbers & told},
                connection=self.number,
                request=self.requests,
                status=answer.status or None,
                complete=reason is None,
                reason=reason,
            )
        return keep

    def send(self, answer, plan, keep):
        """Sends the answer as PLAN wants it. Raises Ended where plan or client ends it before it is whole."""
        ending, at = plan.action("ending"), plan.value("ending", "at")
        how = plan.value("ending", "how", "close")
        if ending == "silent":
            self.silent()
            raise Ended("rule: silent")
        if ending == "drop" and at in ("body", "accepted"):
            self.end(how)
            raise Ended(f"rule: drop at {at}")
        delay = plan.value("pace", "delay", 0)
        if delay:
            time.sleep(delay)
        if self.client_left():
            raise Ended("the client left before the answer")
        kind, chunk = plan.value("framing", "kind", "chunked"), plan.value("framing", "chunk", 0)
        close = plan.action("keep") == "close"
        keep = keep and kind != "close" and not close
        data = b"".join(
            b"HTTP/1.1 %d %s\r\n\r\n" % (code, REASONS.get(code, "Unknown").encode())
            for code in plan.value("informational", "codes", ())
        )
        if answer.raw:
            data, keep = data + answer.body, False
        else:
            say_keep = True if close and not plan.value("keep", "header") else keep
            data += frame(
                answer,
                kind,
                chunk,
                say_keep,
                plan.value("headers", "set", {}),
                plan.value("headers", "remove", ()),
            )
        whole = len(data)
        if ending == "drop" and at == "answer":
            data = data[: plan.value("ending", "bytes")]
        self.write(data, plan.value("pace", "bytes_per_second", 0))
        if len(data) < whole:
            self.end(how)
            raise Ended(f"rule: drop after {len(data)} of {whole} bytes")
        if not keep:
            self.end("notify")
        return keep

    def write(self, data, bytes_per_second):
        if not bytes_per_second:
            self.socket.sendall(data)
            return
        step = max(1, int(bytes_per_second / 20))
        for at in range(0, len(data), step):
            self.socket.sendall(data[at : at + step])
            time.sleep(step / bytes_per_second)

    def client_left(self):
        self.socket.settimeout(0)
        try:
            return not self.more()
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        except OSError:
            return True
        finally:
            self.socket.settimeout(self.server.idle_timeout)

    def silent(self):
        """Says nothing until the client goes away or the service stops."""
        channel = self.socket or self.raw
        channel.settimeout(None)
        try:
            while channel.recv(65536):
                pass
        except (OSError, ValueError):
            pass

    def end(self, how):
        """HOW: close (no word in TLS), reset, or notify (the proper end of TLS)."""
        channel = self.socket or self.raw
        base = socket.socket  # its methods work below TLS
        try:
            if how == "reset":
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how == "notify":
                self.say_end()
                base.shutdown(channel, socket.SHUT_WR)
                base.settimeout(channel, 1)
                while base.recv(channel, 65536):  # else unread bytes would turn the end into a reset
                    pass
            else:
                base.shutdown(channel, socket.SHUT_RDWR)
        except (OSError, ValueError):
            pass
        channel.close()

    def say_end(self):
        self.socket.settimeout(0)
        try:
            self.socket.unwrap()
        except ssl.SSLWantReadError:
            pass  # sent; the client's own one is not waited for

    def shut(self):
        """Ends it from another thread; its own one notices."""
        try:
            socket.socket.shutdown(self.socket or self.raw, socket.SHUT_RDWR)
        except OSError:
            pass
