#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Edges of a real GPIO line on the emulated ARM board while a thousand slow ones hold its webhook.

A third of them says nothing, a third sends a byte of a head now and then, a third, who know the secret, a byte of a body.
Who is closed comes back a second later. `make device-webhook` runs it; $SLOW says how many, $EDGES how many edges. All edges
arrive as messages, in order, each once; calls that are not slow are answered, and the daemon's memory stays as it was.
With TLS=1 the listener speaks TLS, and a third stops behind a whole ClientHello: then those who are not slow are answered
before and behind the slow ones, as each of them has its turn.
"""
import datetime
import os
import selectors
import pathlib
import socket
import ssl
import sys
import tempfile
import threading
import time
import unittest

from board import HERE, OUT, TOKEN, Board, program_and_files, stream_to

sys.path.insert(0, str(HERE.parent / "simulator"))
from harness import Simulator  # noqa: E402
from webhook import call  # noqa: E402

SLOW = int(os.environ.get("SLOW") or 1000)
EDGES = int(os.environ.get("EDGES") or 240)
GAP_S = 0.25
TLS = bool(os.environ.get("TLS"))
LINE, PORT, SECRET = 2, 8080, "wh-5ecret-0123456789abcdef"
HEADER = "X-Webhook-Secret"
TOCSIN = "tocsin -c /etc/tocsin/tocsin.conf"
CONFIGURATION = f"""\
[device]
name  = pump-house
state = /var/lib/tocsin

[webhook]
listen      = 10.0.2.15:{PORT}
path        = /streams
header      = {HEADER}
secret_file = /etc/tocsin/webhook.secret
{"cert_file = /etc/tocsin/webhook.pem" if TLS else ""}
{"key_file = /etc/tocsin/webhook.key" if TLS else ""}

[alarm pump]
gpio       = gpiochip0:{LINE}
debounce   = 0ms
class      = critical
to         = anna
stream     = sms
text       = raised
clear_text = cleared
"""
HEAD = f"POST /streams HTTP/1.1\r\nHost: d\r\n{HEADER}: {SECRET}\r\nContent-Length: 8000\r\n\r\n".encode()
FIRST = (b"", b"POST /streams HTTP/1.1\r\nHost: d\r\nX-Slow: ", HEAD)  # of each third; what it sends next is one byte
if TLS:
    FIRST = (b"", b"\x16\x03\x01\x02", None)


def hello():
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        ssl.create_default_context().wrap_bio(into, out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return out.read()


FIRST = tuple(hello() if first is None else first for first in FIRST)


class Slow(threading.Thread):
    """SLOW connections that are held as long as the device lets them."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.ending = port, threading.Event()
        self.open, self.made, self.drops = {}, 0, 0
        self.selector = selectors.DefaultSelector()

    def connect(self, number):
        channel = socket.socket()
        channel.setblocking(False)
        channel.connect_ex(("127.0.0.1", self.port))
        self.open[channel] = number
        self.selector.register(channel, selectors.EVENT_READ)
        self.made += 1

    def drop(self, channel):
        self.selector.unregister(channel)
        channel.close()
        self.drops += 1
        return self.open.pop(channel)

    def run(self):
        away = [(0.0, number) for number in range(SLOW)]  # when who comes back
        drip = 0.0
        while not self.ending.is_set():
            now = time.monotonic()
            for _, number in [one for one in away if one[0] <= now]:
                self.connect(number)
            away = [one for one in away if one[0] > now]
            for key, _ in self.selector.select(0.05):
                try:
                    ended = not key.fileobj.recv(4096)
                except OSError:
                    ended = True
                if ended:
                    away.append((now + 1, self.drop(key.fileobj)))
            if now < drip:
                continue
            fresh = drip == 0
            drip = now + 0.5
            for channel, number in list(self.open.items()):
                kind = number % 3
                try:
                    if kind > 0:
                        channel.send(b"x" if channel in self.begun and not fresh else FIRST[kind])
                        self.begun.add(channel)
                except OSError:
                    pass
            self.begun &= set(self.open)
        for channel in list(self.open):
            self.drop(channel)

    begun = set()


class WebhookUnderLoad(unittest.TestCase):
    def setUp(self):
        enter = self.enterContext
        self.service = enter(Simulator(enter(tempfile.TemporaryDirectory(prefix="service-")), tokens=(TOKEN,)))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        files = program_and_files(self.service)
        files["/etc/tocsin/tocsin.conf"] = (CONFIGURATION + stream_to(self.service)).encode()
        files["/etc/tocsin/webhook.secret"] = SECRET.encode() + b"\n"
        if TLS:
            certificates = pathlib.Path(self.service.ca_file).parent
            for kind in ("pem", "key"):
                files[f"/etc/tocsin/webhook.{kind}"] = (certificates / f"ec.{kind}").read_bytes()
        self.board = enter(Board(OUT / "webhook", files, forward={self.port: PORT}))
        self.board.set_line(LINE, 0)
        self.board.power_on()
        self.board.run(f"{TOCSIN} run >/run/log 2>&1 & echo $! >/run/pid")
        self.board.run(f"until {TOCSIN} --json status 2>/dev/null | grep -q '\"running\":true'; do :; done")

    def kib(self):
        """What the daemon has of memory, and how many descriptors."""
        said, _ = self.board.run("p=$(cat /run/pid); grep -E '^(VmRSS|VmHWM)' /proc/$p/status; "
                                 "grep Private_Dirty /proc/$p/smaps_rollup; ls /proc/$p/fd 2>/dev/null | wc -l")
        words = said.split()
        figures = {name.rstrip(":"): int(words[at + 1]) for at, name in enumerate(words) if name.endswith(":")}
        figures["handles"] = int(words[-1])
        return figures

    def passive_opens(self):
        names, values = self.board.run("grep ^Tcp: /proc/net/snmp")[0].split("\n")[:2]
        return int(values.split()[names.split().index("PassiveOpens")])

    def edges(self, count, calls):
        """How long each took to be a message, in ms."""
        before = len(self.service.messages())
        given = []
        for number in range(count):
            self.board.set_line(LINE, 1 - self.board.levels[LINE])
            given.append(time.time())
            time.sleep(GAP_S)
            if number % 40 == 20:
                calls()
        if not self.service.wait(distinct=before + count, timeout=60):
            self.fail(f"{len(self.service.messages()) - before} of {count} messages\n"
                      + self.board.run(f"tail -n 20 /run/log; {TOCSIN} status; {TOCSIN} queue list | tail -n 5")[0])
        came = self.service.messages()[before:]
        self.assertEqual(len(came), count, "each of them once")
        self.assertEqual([m["text"] for m in came], [("raised", "cleared")[n % 2] for n in range(count)])
        moments = [datetime.datetime.fromisoformat(m["time"]).timestamp() for m in came]
        return sorted(1000 * (at - edge) for at, edge in zip(moments, given))

    def test_edges_flow_while_a_thousand_slow_ones_hold_the_webhook(self):
        tried = []
        trust = ssl.create_default_context(cafile=self.service.ca_file)

        def call_until_answered():
            for attempt in range(1, 200):
                try:
                    status, _ = call(f"http{'s' if TLS else ''}://127.0.0.1:{self.port}/streams", {"from": "1", "text": "x"},
                                     headers={HEADER: SECRET}, timeout=5, trust=trust)
                    if status == 200:
                        return tried.append(attempt)
                except OSError:  # its place was given to another one
                    pass
            self.fail("nobody is answered any more")

        quiet = self.edges(EDGES // 4, call_until_answered)
        before, opens = self.kib(), self.passive_opens()
        tried.clear()
        slow = Slow(self.port)
        slow.start()
        begin = time.monotonic()
        while slow.made < SLOW:
            time.sleep(0.1)
        calls = (lambda: None) if TLS else call_until_answered
        loaded = self.edges(EDGES // 2, calls)
        halfway = self.kib()
        loaded = sorted(loaded + self.edges(EDGES // 2, calls))
        after, opens = self.kib(), self.passive_opens() - opens
        took, held = time.monotonic() - begin, len(slow.open)
        slow.ending.set()
        slow.join()
        call_until_answered()
        log = self.board.run("tail -n 3 /run/log")[0].strip()
        print(f"  {SLOW} slow ones for {took:.0f} s: {opens} connections at the board, {slow.drops} closed and back again, "
              f"{held} open at the end")
        for name, delays in (("alone", quiet), ("beside them", loaded)):
            print(f"  {len(delays)} edges {name}, {len(delays)} messages: median {delays[len(delays) // 2]:.0f} ms, "
                  f"longest {delays[-1]:.0f} ms")
        print(f"  {len(tried)} calls that are not slow, answered at try {tried}")
        for name, kib in (("before", before), ("halfway", halfway), ("at the end", after)):
            print(f"  {name}: " + ", ".join(f"{what} {value}" for what, value in kib.items()) + " (KiB)")
        print(f"  {log}", flush=True)
        self.assertGreater(opens, SLOW / 10 if TLS else SLOW / 2)  # with TLS most wait in the system's queue
        self.assertLess(after["Private_Dirty"] - before["Private_Dirty"], 160)  # the places: 12 KiB each, and their pages
        self.assertLess(after["Private_Dirty"] - halfway["Private_Dirty"], 48)  # and then the messages that are kept
        self.assertLess(after["handles"], 40)


if __name__ == "__main__":
    unittest.main()
