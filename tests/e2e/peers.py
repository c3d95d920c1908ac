# SPDX-License-Identifier: MIT
"""Servers that are not of this project, each with what it could read of a request.

OpenSSL's s_server passes requests on to the simulated service, and its answers back; so do the proxies of
proxies.py. gnutls-serv gives back what it got. scripted.py is Python's own TLS with an answer of the test's.

All have: port, requests(text) (how many it could read that hold the text, whole or in part) and said_yes(text).
"""
import atexit
import contextlib
import functools
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from device import CERTS, TOKEN, Simulator, make_certificates, wait_until

lock = threading.RLock()


def folder():
    made = tempfile.mkdtemp(prefix="tocsin-peer-")
    atexit.register(shutil.rmtree, made, True)
    return pathlib.Path(made)


def reserve():
    """A socket that keeps a port from others, and the port; whoever listens there says SO_REUSEADDR."""
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    return kept, kept.getsockname()[1]


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def listening(port):
    """As listens(), without a connection: it would be a client of its own."""
    return f":{port:04X} 00000000:0000 0A" in pathlib.Path("/proc/net/tcp").read_text()


def end(process):
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def backend():
    """The simulated service behind the others."""
    with lock:
        return _backend()


@functools.cache
def _backend():
    make_certificates(str(CERTS))
    service = Simulator(
        str(folder()), certificates=str(CERTS), tokens=(TOKEN,), options=("--idle-timeout", "600")
    )
    service.start()
    atexit.register(service.__exit__)
    return service


class Peer:
    """A server for a while: with SomePeer(...) as peer."""

    ca_file = str(CERTS / "ca.pem")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def requests(self, text):
        return sum(1 for r in backend().requests() if text in r["body"])

    def said_yes(self, text):
        return any(m["text"] == text for m in backend().messages())


class OpenSsl(Peer):
    """s_server prints what it decrypted and sends what it is given; the simulated service answers through it.

    `first`: commands to it (as "r\\n", renegotiate) when a request is there, before the answer. `after`: behind the first one.
    """

    def __init__(self, *options, cert="ec", key=None, first=b"", after=b""):
        self.options, self.cert, self.key, self.first, self.after = options, cert, key, first, after
        self.got = b""

    def __enter__(self):
        self.kept, self.port = reserve()
        cert = self.cert if "/" in self.cert else f"{CERTS}/{self.cert}.pem"
        key = self.key or cert[:-4] + ".key"
        self.process = subprocess.Popen(
            [
                "openssl",
                "s_server",
                *([] if self.first or self.after else ["-quiet"]),
                "-accept",
                f"127.0.0.1:{self.port}",
                "-cert",
                cert,
                "-cert_chain",
                cert,
                "-key",
                key,
                *self.options,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.errors = b""
        for target in (self._bridge, self._complaints):
            threading.Thread(target=target, daemon=True).start()
        wait_until(lambda: listening(self.port) or self.process.poll() is not None, "s_server listens")
        assert self.process.poll() is None, self.errors
        return self

    def __exit__(self, *_):
        end(self.process)
        self.kept.close()

    def _complaints(self):
        for line in self.process.stderr:
            self.errors += line

    def _bridge(self):
        buffer = b""
        while data := self.process.stdout.read1(65536):
            self.got += data
            buffer += data
            while (answered := whole_message(buffer)) is not None:
                request, buffer = buffer[:answered], buffer[answered:]
                with contextlib.suppress(OSError):
                    if self.first:
                        self.process.stdin.write(self.first)
                        self.process.stdin.flush()
                        time.sleep(0.5)  # else it is sent as part of the answer
                    self.process.stdin.write(ask_backend(request[request.index(b"POST ") :]))
                    self.process.stdin.flush()
                    if self.after:
                        time.sleep(0.5)
                        self.process.stdin.write(self.after)
                        self.process.stdin.flush()
                        self.after = b""

    def requests(self, text):
        return max(int(b"POST " in self.got), super().requests(text))


def whole_message(data):
    """How long the first request or answer in `data` is, when it is whole."""
    head, found, _ = data.partition(b"\r\n\r\n")
    if not found:
        return None
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        end = data.find(b"\r\n0\r\n\r\n")
        return end + 7 if end >= 0 else None
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    whole = len(head) + 4 + length
    return whole if len(data) >= whole else None


def ask_backend(request):
    """The simulated service's answer to a request, byte for byte."""
    context = ssl.create_default_context(cafile=str(CERTS / "ca.pem"))
    with socket.create_connection(("127.0.0.1", backend().port), 10) as raw, context.wrap_socket(
        raw, server_hostname="localhost"
    ) as channel:
        channel.sendall(request)
        answer = b""
        while (size := whole_message(answer)) is None:
            answer += channel.recv(65536)
        return answer[:size]


class GnuTls(Peer):
    """gnutls-serv gives back what it got. It never says yes."""

    def __init__(self, priority="NORMAL", *options, cert="ec"):
        self.priority, self.options, self.cert = priority, options, cert

    def __enter__(self):
        self.kept, self.port = reserve()
        self.process = subprocess.Popen(
            [
                "gnutls-serv",
                "--echo",
                "--x509certfile",
                f"{CERTS}/{self.cert}.pem",
                "--x509keyfile",
                f"{CERTS}/{self.cert}.key",
                "--priority",
                self.priority,
                "-p",
                str(self.port),
                *self.options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.said = b""
        threading.Thread(target=self._read, daemon=True).start()
        wait_until(lambda: listening(self.port) or self.process.poll() is not None, "gnutls-serv listens")
        return self

    def __exit__(self, *_):
        end(self.process)
        self.kept.close()

    def _read(self):
        for line in self.process.stdout:
            self.said += line

    def requests(self, text):
        return int(b"POST " in self.said)

    def said_yes(self, text):
        return False
