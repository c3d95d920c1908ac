# SPDX-License-Identifier: MIT
"""Several addresses of one name, some of them dead, and a service that moves; answers before the request has gone.

The program has a file of hosts of its own for each row, and all of it a network of its own, in which a socket takes
4 KiB at a time: so a request is still on its way when its answer comes. That takes root; without it nothing is shown.
"""
import contextlib
import fcntl
import itertools
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import threading
import unittest

from device import wait_until
from peers import Peer
from rows import Client, Row, Runner, Seen, attempt, fill
from scripted import Scripted, answer, end_plainly, yes

NAME = "sms.test"
ports = itertools.count(20001)  # free at every address: none that the kernel gives away
INSIDE = "TOCSIN_TEST_NETWORK"


def own_network():
    """Goes on in a network of its own; False when that cannot be had."""
    if INSIDE in os.environ:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            up = struct.pack("16sh22x", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
            fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS
        pathlib.Path("/proc/sys/net/ipv4/tcp_wmem").write_text("4096 4096 4096")
        return True
    probe = "mount --bind /etc/hosts /etc/hosts && test -w /proc/sys/net/ipv4/tcp_wmem"
    can = ["unshare", "--mount", "--net", "sh", "-c", probe]
    if os.geteuid() != 0 or not shutil.which("unshare") or subprocess.run(can, capture_output=True).returncode != 0:
        return False
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", *sys.orig_argv])


def hosts(*addresses):
    return "".join(f"{address} {NAME}\n" for address in addresses)


class Silent:
    """An address that drops what would open a connection: its queue is full."""

    def __init__(self, address, port):
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.at = (address, port)

    def __enter__(self):
        self.listener = socket.socket(self.family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(self.at)
        self.listener.listen(0)
        self.waiting = [socket.socket(self.family) for _ in range(4)]
        for one in self.waiting:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(self.at)
        return self

    def __exit__(self, *_):
        for one in (*self.waiting, self.listener):
            one.close()


class Nobody(Peer):
    """A port where nobody listens."""

    def __init__(self):
        self.port = next(ports)

    def requests(self, text):
        return 0

    def said_yes(self, text):
        return False


def good(channel, body):
    channel.sendall(answer(yes(body)))
    return True


def once(channel, body):
    channel.sendall(answer(yes(body)))
    end_plainly(channel)


# Both C libraries try what is nearest to 127.0.0.1 first.
NEAR = [f"127.0.0.{n}" for n in (1, 2, 4, 8, 16)]
HERE = "127.0.0.64"


def with_dead(peer, addresses, silent):
    def play(row):
        with peer() as entered, contextlib.ExitStack() as others:
            for address in silent:
                others.enter_context(Silent(address, entered.port))
            named = hosts(*addresses) or "127.0.0.1 localhost\n"
            return attempt(row.library, entered, NAME, hosts=named)

    return play


def by_way_of(*addresses, silent=(), at=HERE):
    """The service is at one address, the name has several."""
    return with_dead(lambda: Scripted(good, at=(at, next(ports))), addresses, silent)


def without_service(*addresses, silent=()):
    return with_dead(Nobody, addresses, silent)


def daemon(row, peer, play, **config):
    """`play(client)` with a daemon; what it returns was seen."""
    with contextlib.closing(Client(row.library, peer, NAME, **config)) as client:
        client.start()
        return play(client)


QUICK = {"retry_min": "1s", "retry_max": "1s"}


def moved(row):
    """The daemon is not started anew: the service goes from one address to another, and the name with it."""
    there = contextlib.ExitStack()
    first = there.enter_context(Scripted(once, at=("127.0.0.2", next(ports))))

    def play(client):
        client.wait_state(client.send("before")[0], "accepted")
        there.close()
        with Scripted(good, at=("127.0.0.3", first.port)) as second:
            client.hosts.write_text(hosts("127.0.0.3"))
            client.wait_state(client.send("behind")[0], "accepted")
            return Seen("accepted", f"{len(first.bodies)} at the old address, {len(second.bodies)} at the new one")

    return daemon(row, first, play, hosts=hosts("127.0.0.2"), stream=QUICK)


def connects_only(row):
    """The first address takes connections and never says a word of TLS: the second one has its turn the next time."""
    with Scripted(good, at=(HERE, next(ports))) as peer, socket.create_server(("127.0.0.1", peer.port)):

        def play(client):
            client.wait_state(client.send("one")[0], "accepted")
            said = client.log.wait("handshake")
            return Seen("accepted", said.split("stream sms ", 1)[1])

        return daemon(row, peer, play, hosts=hosts("127.0.0.1", HERE), stream=QUICK)


ADDRESSES = [
    Row("one address", "accepted", by_way_of(HERE)),
    Row("the first address refuses", "accepted", by_way_of("127.0.0.1", HERE)),
    Row("five addresses refuse, the sixth is it", "accepted", by_way_of(*NEAR, HERE)),
    Row("the first address is a black hole", "accepted", by_way_of("127.0.0.1", HERE, silent=["127.0.0.1"])),
    Row("three black holes, then the service", "accepted", by_way_of(*NEAR[:3], HERE, silent=NEAR[:3])),
    Row("IPv6 refuses, IPv4 is it", "accepted", by_way_of("::1", HERE)),
    Row("IPv6 is a black hole, IPv4 is it", "accepted", by_way_of("::1", HERE, silent=["::1"])),
    Row(
        "IPv4 is a black hole, IPv6 is it",
        "accepted",
        by_way_of("127.0.0.1", "::1", silent=["127.0.0.1"], at="::1"),
    ),
    Row(
        "all addresses refuse",
        r"not sent: 127\.0\.0\.1: connection refused; 127\.0\.0\.2: connection refused",
        without_service("127.0.0.1", "127.0.0.2"),
    ),
    Row(
        "all addresses are black holes",
        r"not sent: 127\.0\.0\.1: no answer; 127\.0\.0\.2: no answer",
        without_service("127.0.0.1", "127.0.0.2", silent=["127.0.0.1", "127.0.0.2"]),
        waits=True,
    ),
    Row("a name that nobody knows", "not sent: cannot look up sms.test", without_service(), waits=True),
    Row(
        "the first address takes connections and says nothing",
        "accepted: TLS handshake",
        connects_only,
        unread=None,
        waits=True,
    ),
    Row(
        "the service moved, and its name with it",
        "accepted: 1 at the old address, 1 at the new one",
        moved,
        unread=None,
    ),
]

# ---- an answer before the request has gone -------------------------------------------------------------------


def small_window(listener):
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)


class Hasty(Scripted):
    """Answers as soon as something of a request is there and reads nothing until the program has gone its way.

    Tickets of TLS 1.3 would come between: Mbed TLS takes none while a write waits.
    """

    def __init__(self, status, fields=None, tickets=0):
        def shape(context):
            context.num_tickets = tickets

        super().__init__(None, shape=shape)
        self.status = status
        self.fields = {"Connection": "close", **(fields or {})}
        self.gone = threading.Event()
        self.left = []  # bytes of TLS behind its handshake, connection by connection

    def __enter__(self):
        super().__enter__()
        small_window(self.listener)
        return self

    def _serve(self, raw):
        with contextlib.suppress(OSError):
            raw.settimeout(60)
            channel = self.context.wrap_socket(raw, server_side=True)
            socket.socket.recv(channel, 1, socket.MSG_PEEK)  # the request has begun
            channel.sendall(answer(b"", self.fields, b"HTTP/1.1 " + self.status))
            self.gone.wait(60)
            left = 0
            with contextlib.suppress(OSError):
                while more := socket.socket.recv(channel, 65536):
                    left += len(more)
            self.left.append(left)


def nine_messages(row, peer, **stream):
    """A request of 10 KiB, of which a socket takes less than half, and who sends it."""
    client = Client(row.library, peer, device={"queue_size": "512K"}, stream=stream)
    for n in range(9):
        client.send(f"{n} " + "long " * 195)
    return contextlib.closing(client)


def hasty(status, fields=None, tickets=0):
    def play(row):
        with Hasty(status, fields, tickets) as peer, nine_messages(row, peer) as client:
            client.start()
            told = wait_until(lambda: {m["reason"] for m in client.queue() if m["reason"]}, "what came of it")
            states = {m["state"] for m in client.queue()}
            client.stop()
            peer.gone.set()
            wait_until(lambda: peer.left, "the end of the first connection")
        seen = Seen("kept", "; ".join(sorted(told)))
        if states != {"queued"}:
            seen.trouble = f"the queue says {states}"
        if peer.left[0] > 9000:
            seen.trouble = f"the whole request had left: {peer.left[0]} bytes"
        return seen

    return play


def slow_reader(row):
    """Takes a request little by little: the program goes on whenever there is room."""

    class Slow(Scripted):
        def __enter__(self):
            super().__enter__()
            small_window(self.listener)
            return self

    # The kernel may ask seldom whether a window has opened: a minute.
    with Slow(good) as peer, nine_messages(row, peer, timeout="60s") as client:
        client.start()
        # Nothing else wakes the program meanwhile: no command asks it for anything.
        wait_until(lambda: peer.bodies or len(client.log.lines) > 1, "a whole request, or why there is none")
        wait_until(lambda: len(client.log.lines) > 9 or "backing off" in client.log.lines[-1], "what came of it")
        states = {m["state"] for m in client.queue()}
        said = client.log.lines[-1]
    if states == {"accepted"}:
        return Seen("accepted", f"{len(peer.bodies)} request")
    return Seen(str(states), f"{len(peer.bodies)} whole requests, {len(peer.pieces)} bytes: {said}")


def early(name, status, words, fields=None):
    return Row(
        f"{name} while the request is being sent", f"kept: {words}", hasty(status, fields), unread=None
    )


EARLY = [
    Row("a request that the server takes little by little", "accepted: 1 request", slow_reader, unread=None),
    early("401", b"401 Unauthorized", "401"),
    early("403", b"403 Forbidden", "403"),
    early("413", b"413 Content Too Large", "413"),
    early("503 with Retry-After", b"503 Service Unavailable", "503", {"Retry-After": "100"}),
    Row(
        "401 and a ticket while the request is being sent",
        "kept: 401|did not take the whole request",
        hasty(b"401 Unauthorized", tickets=2),
        ("3.6",),
        unread=None,
    ),
]

if __name__ == "__main__" and own_network():
    fill(globals(), "Addresses", ADDRESSES)
    fill(globals(), "Early", EARLY)
elif __name__ == "__main__":

    class Addresses(unittest.TestCase):
        @unittest.skip("needs root, for a network and a file of hosts of its own")
        def test_addresses(self):
            pass


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
