# SPDX-License-Identifier: MIT
"""A table of cases: what is expected of the program with a certain server, and what is seen.

    ROWS = [Row("nginx, TLS 1.2", "accepted", lambda row: row.send(nginx("ec-1.2")))]
    fill(globals(), "Nginx", ROWS)

Each row is a test of its own, played with each build of the program that it names (LIBRARIES). Rows are played
beside each other, since most of them wait; the table is printed at the end. Whatever a row expects, it fails when

- the program is not back (accepted, refused or unknown) a second after its deadline;
- it says "accepted" and the server has no such request, or never said yes;
- it says that nothing left, and the server could read any of it;
- the message is neither accepted, nor kept, nor on record as unknown.

An expected outcome is "accepted", "not sent", "unknown", "held" or "later" (kept, after an answer), alone or with
words that the reason must hold (a regular expression): "not sent: expired on".
"""
import concurrent.futures
import itertools
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import unittest

from device import CERTS, ROOT, TOCSIN, Device, make_certificates
from device import Runner as PlainRunner

TLS36 = os.environ.get("TOCSIN_TLS36", str(ROOT / "build" / "tls36" / "musl" / "tocsin"))
LIBRARIES = {
    "2.28": TOCSIN,
    "3.6": TLS36,
}  # Debian's own, TLS 1.2; and the trimmed one, static, TLS 1.3 as well
DEADLINE_S = 5  # `timeout`, the shortest that a configuration takes
WAIT_S = DEADLINE_S + 3  # of the command
HANGS_S = 30
MOST_AT_ONCE = 10

numbers = itertools.count(1)
table = []


class Client(Device):
    """A device that runs one of the builds. `hosts`: what it has as /etc/hosts, which takes root."""

    def __init__(self, library, peer, host="localhost", hosts=None, **config):
        self.program = LIBRARIES[library]
        self.hosts = None
        stream = {
            "timeout": f"{DEADLINE_S}s",
            "retry_min": "14m",
            "retry_max": "15m",
            **config.pop("stream", {}),
        }
        device = {"queue_size": "64K", **config.pop("device", {})}
        super().__init__(url=f"https://{host}:{peer.port}", device=device, stream=stream, **config)
        if hosts is not None:
            self.hosts = self.folder / "hosts"
            self.hosts.write_text(hosts)

    def command(self, *words, program=()):
        line = super().command(*words, program=program)
        line[len(program)] = self.program
        if self.hosts is None:
            return line
        mounted = 'mount --bind "$0" /etc/hosts && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", mounted, str(self.hosts), *line]


class Seen:
    """What came of one message."""

    def __init__(self, outcome, words="", seconds=0.0, requests=0, trouble=""):
        self.outcome, self.words, self.seconds = outcome, words, seconds
        self.requests = requests  # that the server could read, whole or in part
        self.trouble = trouble  # what must never be

    def __str__(self):
        return f"{self.outcome}: {self.words}" if self.words else self.outcome


def plain(words):
    """A reason without what differs from run to run."""
    words = re.sub(r"^(TLS with|connection to|cannot connect to) \S+ \(.*?\): ", "", words)
    return words.replace(str(CERTS), "CERTS").replace(str(ROOT), "")


def attempt(library, peer, host="localhost", **config):
    """Sends one message with a command of its own, until it is clear what came of the first try."""
    text = f"row {os.getpid()}-{next(numbers)}."
    client = Client(library, peer, host, **config)
    process = subprocess.Popen(
        client.command("send", "--to", "anna", "--class", "info", "--wait", str(WAIT_S), "--", text),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(HANGS_S, process.kill)
    watchdog.start()
    began, said, seen = time.monotonic(), [], Seen("hangs")
    for line in process.stdout:
        now = time.monotonic()
        said.append(line)
        if not line.startswith("tocsin:"):
            began = now  # it is stored; now it is sent
        for outcome, pattern in (
            ("accepted", r"message \S+ accepted()"),
            ("unknown", r"message \S+ unknown: (.*): it may have arrived"),
            ("failed", r"message \S+ failed: (.*)"),
            ("not sent", r"stream sms (?:backing off|connecting): (.*)"),
            ("held", r"stream sms held: (.*)"),
        ):
            found = re.search(pattern, line)
            if found and seen.outcome == "hangs":
                seen = Seen(outcome, plain(found[1]), now - began)
                if outcome in ("not sent", "held"):
                    process.terminate()
    status = process.wait()
    watchdog.cancel()
    client.said.append("".join(said))
    if seen.outcome == "hangs" and status == 75:
        seen = Seen("later", plain(said[-1].partition("queue")[2].strip()))
    if seen.outcome == "hangs":
        seen.words = f"exit status {status}: {said[-1].strip() if said else 'nothing said'}"
    messages = client.queue()
    seen.requests = peer.requests(text)
    seen.trouble = trouble(seen, messages, peer, text)
    client.close()
    return seen


def trouble(seen, messages, peer, text):
    if len(messages) != 1:
        return f"{len(messages)} messages in the queue"
    state, yes = messages[0]["state"], peer.said_yes(text)
    if seen.outcome == "hangs":
        return seen.words or "hangs"
    if seen.outcome == "later" and messages[0]["attempts"] == 0:
        return "nothing became of it"
    if seen.seconds > DEADLINE_S + 1:
        return f"back after {seen.seconds:.1f} s"
    if seen.outcome == "accepted" and not yes:
        return "accepted, and the server never said yes"
    if seen.outcome == "not sent" and messages[0]["attempts"] == 0 and seen.requests:
        return "the server has it, and the program says that nothing left"
    expected = {"accepted": "accepted", "unknown": "unknown", "failed": "failed"}.get(seen.outcome, "queued")
    return f"the queue says {state}" if state != expected else ""


class Row:
    def __init__(self, name, expected, play, libraries=("2.28", "3.6"), waits=False, unread=False):
        self.name, self.expected, self.play, self.libraries = name, expected, play, libraries
        self.waits = waits  # for a deadline: begun first
        self.unread = unread  # the server must not have read a byte of a request
        self.library = None

    def with_library(self, library):
        row = Row(self.name, self.expected, self.play, self.libraries, self.waits, self.unread)
        row.library = library
        return row

    def send(self, peer, **config):
        with peer:
            return attempt(self.library, peer, **config)

    def wrong(self, seen):
        outcome, _, words = self.expected.partition(": ")
        if seen.trouble:
            return seen.trouble
        if seen.outcome not in outcome.split(" or ") or not re.search(words, seen.words, re.I):
            return "not as expected"
        if (self.unread or seen.outcome == "not sent" and self.unread is not None) and seen.requests:
            return "the server could read a request"
        return ""

    def run(self):
        try:
            seen = self.play(self)
        except Exception as error:  # of a server, say: a row of the table all the same
            seen = Seen("not played", trouble=f"{type(error).__name__}: {error}")
        table.append((self, seen, self.wrong(seen)))
        return seen


def fill(names, title, rows):
    """Makes a class of tests of rows, one method a row and build."""
    methods = {}
    for row in rows:
        for library in row.libraries:
            one = row.with_library(library)
            name = "test_" + re.sub(r"[^a-z0-9]+", "_", f"{row.name} {library}".lower())
            assert name not in methods, name

            def method(self, one=one):
                seen = one.future.result() if getattr(one, "future", None) else one.run()
                self.assertEqual(
                    one.wrong(seen), "", f"{one.name} ({one.library}): expected {one.expected}; seen {seen}"
                )

            method.row = one
            methods[name] = method
    names[title] = type(title, (unittest.TestCase,), {"__module__": names["__name__"], **methods})


def _tests(suite):
    for test in suite:
        yield from _tests(test) if isinstance(test, unittest.TestSuite) else [test]


class Runner:
    """Begins every row that was asked for, those that wait first, and prints the table at the end."""

    def run(self, suite):
        make_certificates(str(CERTS))
        for library, program in LIBRARIES.items():
            if not pathlib.Path(program).exists():
                sys.exit(f"{program} is not there (the build with Mbed TLS {library}): make program tls36")
        rows = [r for t in _tests(suite) if (r := getattr(getattr(t, t._testMethodName), "row", None))]
        with concurrent.futures.ThreadPoolExecutor(MOST_AT_ONCE) as pool:
            for row in sorted(rows, key=lambda r: not r.waits):
                row.future = pool.submit(row.run)
            result = PlainRunner.run(suite)
        order = {id(row): at for at, row in enumerate(rows)}
        print(f"\n{'':2}| case | Mbed TLS | expected | seen | s |")
        for row, seen, wrong in sorted(table, key=lambda line: order.get(id(line[0]), 0)):
            print(
                f"{'!!' if wrong else '  '}| {row.name} | {row.library} | {row.expected} | {seen}"
                f"{' <- ' + wrong if wrong else ''} | {seen.seconds:.1f} |"
            )
        print(f"{len(table)} rows, {sum(1 for line in table if line[2])} not as expected", flush=True)
        return result


NEW_ONLY = ("3.6",)  # what needs TLS 1.3


def versions(made):
    """Rows for TLS 1.2, with both builds, and for 1.3."""
    return [
        row
        for version in ("1.2", "1.3")
        for row in made(version, ("2.28", "3.6") if version == "1.2" else NEW_ONLY)
    ]


def to(make):
    return lambda row: row.send(make())
