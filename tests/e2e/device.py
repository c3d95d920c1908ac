# SPDX-License-Identifier: MIT
"""A device under test: the real program with a state directory, a configuration and a token of its own.

    class SomeTest(Case):
        def test_it(self):
            device = self.device(self.service())
            device.start()
            device.ok("send", "--to", "anna", "Hello")
            ...

What is waited for is a condition (a line of the log, a message at the service), never a time. Whatever a
device printed, logged or stored is searched for its token when it is closed.
"""
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "simulator"))
from harness import Simulator, make_certificates  # noqa: E402

TOCSIN = os.environ.get("TOCSIN", str(ROOT / "build" / "native" / "tocsin"))
CERTS = ROOT / "build" / "e2e" / "certs"  # made once for all tests
TOKEN = "tkn-5ecret-Qq81hVb0aZ7e2e"
CLASSES = ("critical", "warning", "info")
PHONES = {f"{name}": f"4477009001{n:02}" for n, name in enumerate(("anna", "ben", "cleo", "dan", "eve"))}
PATIENCE_S = 30  # how long a condition may take until the test fails

Result = collections.namedtuple("Result", "exit out err")


def seed():
    """The seed of this run: SEED=N in the environment or behind the command, else a fresh one."""
    return SEED


def _seed_from_words():
    for word in [w for w in sys.argv[1:] if w.startswith("SEED=")]:
        sys.argv.remove(word)
        os.environ["SEED"] = word[5:]
    return int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 31))


SEED = _seed_from_words()


def wait_until(condition, what, seconds=PATIENCE_S):
    """Asks again and again, where there is nothing to wait on. Returns what the condition returned."""
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Log:
    """What a daemon says, as it says it."""

    def __init__(self, pipe, file):
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False
        self.thread = threading.Thread(target=self._read, args=(pipe, file), daemon=True)
        self.thread.start()

    def _read(self, pipe, file):
        with pipe, open(file, "ab", buffering=0) as copy:
            for line in pipe:
                copy.write(line)
                with self.changed:
                    self.lines.append(line.decode(errors="replace").rstrip("\n"))
                    self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, words, seconds=PATIENCE_S, after=0):
        """The first line from `after` on that holds `words`; AssertionError when it does not come."""

        def found():
            return next((line for line in self.lines[after:] if words in line), None)

        with self.changed:
            self.changed.wait_for(lambda: found() or self.ended, seconds)
            line = found()
            if line is None:
                said = "\n".join(self.lines[-20:])
                raise AssertionError(
                    f"the daemon did not say {words!r}" + (" and ended" if self.ended else "") + ":\n" + said
                )
            return line


class Device:
    def __init__(self, service=None, url=None, folder=None, state=None, **config):
        self.own = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="tocsin-e2e-"))
        self.state = pathlib.Path(state or self.folder / "state")
        self.config = self.folder / "tocsin.conf"
        self.token_file = self.folder / "sms.token"
        self.log_file = self.folder / "daemon.log"
        self.said = []  # every line of every command, for the audit
        self.process = None
        self.log = None
        self.kills = 0
        self.secrets = [TOKEN]
        self.url = url or (service.url if service else "https://localhost:9")
        self.ca_file = service.ca_file if service else str(CERTS / "ca.pem")
        self.write_config(**config)
        self.write_token()

    # -- files -----------------------------------------------------------------------------------------------

    def sections(self, device=None, stream=None, alarm=None, more=""):
        """The configuration that is written unless a test gives another one; the dicts change single keys."""
        parts = [
            (
                "device",
                {
                    "name": "dev",
                    "state": self.state,
                    "control": self.folder / "control",
                    "queue_size": "512K",
                    **(device or {}),
                },
            ),
            (
                "stream sms",
                {
                    "type": "marketing",
                    "base_url": self.url,
                    "token_file": self.token_file,
                    "sender": "GLOBAL",
                    "ca_file": self.ca_file,
                    "timeout": "5s",
                    "retry_min": "1s",
                    "retry_max": "1s",
                    "status_for": "off",  # a test that is about receipts says so
                    **(stream or {}),
                },
            ),
            *((f"contact {name}", {"phone": "+" + phone}) for name, phone in PHONES.items()),
            ("group oncall", {"members": ", ".join(PHONES)}),
            # A test sends what it likes, unless it is about budgets.
            *((f"class {name}", {"per_hour": "none", "per_day": "none"}) for name in CLASSES),
            (
                "alarm high-level",
                {
                    "to": "oncall",
                    "text": "{device}: sump level high",
                    "clear_text": "{device}: sump level normal again",
                    **(alarm or {}),
                },
            ),
        ]
        text = "".join(
            f"[{title}]\n"
            + "".join(f"{key} = {value}\n" for key, value in keys.items() if value is not None)
            + "\n"
            for title, keys in parts
        )
        return text + more

    def write_config(self, **changes):
        self.write_text(self.sections(**changes))

    def write_text(self, text):
        self.config.write_bytes(text if isinstance(text, bytes) else text.encode())

    def write_token(self, token=TOKEN):
        self.token_file.write_text(token + "\n")
        self.token_file.chmod(0o600)

    # -- commands --------------------------------------------------------------------------------------------

    def command(self, *words, program=()):
        return [
            *program,
            TOCSIN,
            "-c",
            str(self.config),
            *[w if isinstance(w, bytes) else str(w) for w in words],
        ]

    def run(self, *words, stdin=None, timeout=60, program=(), cwd=None):
        """A command to its end: (exit status, stdout, stderr)."""
        done = subprocess.run(
            self.command(*words, program=program),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            cwd=cwd,
        )
        return self._note(words, done.returncode, done.stdout, done.stderr)

    def _note(self, words, status, out, err):
        result = Result(status, out.decode(errors="replace"), err.decode(errors="replace"))
        self.said.append(f"$ tocsin {' '.join(map(str, words))} -> {status}\n{result.out}{result.err}")
        return result

    def ok(self, *words, **options):
        result = self.run(*words, **options)
        if result.exit != 0:
            raise AssertionError(
                f"tocsin {' '.join(map(str, words))} -> {result.exit}\n{result.out}{result.err}"
            )
        return result

    def begin(self, *words):
        """A command that goes on beside the test; end it with finish()."""
        process = subprocess.Popen(
            self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.words = words
        return process

    def finish(self, process, timeout=60):
        out, err = process.communicate(timeout=timeout)
        return self._note(process.words, process.returncode, out, err)

    def send(self, text, to="anna", *options):
        """The ids of a message that was stored."""
        return self.ok("send", "--to", to, *options, "--", text).out.split()

    def queue(self):
        return [json.loads(line) for line in self.ok("queue", "list", "--json").out.splitlines()]

    def message(self, identifier):
        return next((m for m in self.queue() if m["id"] == identifier), None)

    def status(self):
        return json.loads(self.ok("status", "--json").out)

    def stream(self, name="sms"):
        return next(s for s in self.status()["streams"] if s["name"] == name)

    def wait_state(self, identifier, state, seconds=PATIENCE_S):
        return wait_until(
            lambda: (m := self.message(identifier)) and m["state"] == state and m,
            f"{identifier} {state}",
            seconds,
        )

    def wait_ended(self, seconds=PATIENCE_S):
        """The queue, as soon as nothing waits in it."""

        def found():
            queue = self.queue()
            return queue if all(m["state"] != "queued" for m in queue) else None

        return wait_until(found, "the end of every message", seconds)

    # -- the daemon ------------------------------------------------------------------------------------------

    def launch(self, program=(), **options):
        """Starts the daemon and does not wait for anything."""
        assert self.process is None
        self.process = subprocess.Popen(
            self.command("run", program=program),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )
        self.log = Log(self.process.stdout, self.log_file)
        return self

    def start(self, program=(), **options):
        self.launch(program, **options)
        self.log.wait("running as")
        return self

    def end(self, number):
        """Sends a signal that ends the daemon; its exit status."""
        self.process.send_signal(number)
        return self.gone()

    def gone(self, timeout=PATIENCE_S):
        """Waits for the daemon to end by itself; its exit status."""
        status = self.process.wait(timeout)
        self.log.thread.join(PATIENCE_S)
        self.process = None
        return status

    def stop(self):
        return self.end(signal.SIGTERM)

    def kill(self):
        self.kills += 1
        return self.end(signal.SIGKILL)

    def restart(self):
        self.kill()
        return self.start()

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    # -- the end ---------------------------------------------------------------------------------------------

    def audit(self):
        """Where a token stands that must not stand there."""
        found = []
        for secret in self.secrets:
            found += [f"output of {said.splitlines()[0]}" for said in self.said if secret in said]
            places = (
                [self.log_file, *(p for p in self.state.rglob("*") if p.is_file())]
                if self.state.exists()
                else [self.log_file]
            )
            found += [str(p) for p in places if p.exists() and secret.encode() in p.read_bytes()]
        return found

    def close(self, keep=False):
        if self.process is not None:
            self.end(signal.SIGKILL)
        found = self.audit()
        if self.own and not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        assert not found, f"the token stands in {found}"


class Case(unittest.TestCase):
    """Devices and services that end with the test; figures in one line."""

    maxDiff = None

    def service(self, cert="ec", tls="any", options=(), start=True, token=TOKEN):
        make_certificates(str(CERTS))
        folder = tempfile.mkdtemp(prefix="tocsin-service-")
        self.addCleanup(shutil.rmtree, folder, True)
        service = Simulator(
            folder, certificates=str(CERTS), cert=cert, tls=tls, tokens=(token,), options=options
        )
        self.addCleanup(service.__exit__)
        return service.start() if start else service

    def device(self, service=None, **options):
        if service is None:
            make_certificates(str(CERTS))
        device = Device(service, **options)
        self.addCleanup(self._close, device)
        return device

    def _close(self, device):
        failed = any(
            error for _, error in self._outcome.result.failures + self._outcome.result.errors if error
        ) and bool(os.environ.get("KEEP"))
        device.close(keep=failed)

    def figures(self, text):
        print(f"  {type(self).__name__}.{self._testMethodName}: {text}", flush=True)

    def one_line(self, result, status, *words):
        """A refusal: this status, nothing on stdout, one line on stderr that holds these words."""
        self.assertEqual(result.exit, status, result)
        self.assertEqual(result.out, "", result)
        self.assertEqual(len(result.err.splitlines()), 1, result.err)
        self.assertTrue(result.err.startswith("tocsin: "), result.err)
        for word in words:
            self.assertIn(word, result.err)

    def arrived(self, service, *texts):
        """That each of these texts is at the service exactly once, and nothing else."""
        self.assertEqual(sorted(m["text"] for m in service.messages()), sorted(texts))


class _Told(unittest.TextTestResult):
    def _tell(self, test):
        if isinstance(test, Case):
            path = pathlib.Path(sys.argv[0]).resolve().relative_to(ROOT)
            self.stream.writeln(
                f"\nagain: python3 {path} {type(test).__name__}.{test._testMethodName} SEED={SEED}"
            )

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._tell(test)

    def addError(self, test, error):
        super().addError(test, error)
        self._tell(test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"  skipped {test.id()}: {reason}", flush=True)


Runner = unittest.TextTestRunner(resultclass=_Told, verbosity=1)
