# SPDX-License-Identifier: MIT
"""The simulated service from a test: start, stop, kill, restart, and its commands.

    with Simulator(directory) as service:
        service.rule("status", code=503, retry_after=1, count=2)
        ... run the client against service.url with service.ca_file ...
        service.wait(distinct=500, timeout=30)
        assert service.report()["lost"] == []

The process ends with the program that started it, however that ends.
"""

import json
import os
import signal
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class CommandFailed(Exception):
    """The service said no to a command, or is not there."""


def command(directory, name, timeout=10, **arguments):
    """One command to the service that runs on DIRECTORY; returns its answer, a dict."""
    folder = None
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(timeout)
            channel.connect(f"/proc/self/fd/{folder}/control")  # a socket path has at most 107 bytes
            channel.sendall(json.dumps({"command": name, **arguments}).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                data = channel.recv(1 << 20)
                if not data:
                    raise CommandFailed("the service ended")
                answer += data
    except OSError as error:
        raise CommandFailed(f"no service runs on {directory} ({error.strerror or error}): is that its --dir?") from None
    finally:
        if folder is not None:
            os.close(folder)
    answer = json.loads(answer)
    if not answer.pop("ok"):
        raise CommandFailed(answer["error"])
    return answer


def make_certificates(directory):
    subprocess.run([os.path.join(HERE, "certs.sh"), directory], check=True)
    return directory


class Simulator:
    def __init__(
        self, directory, certificates=None, cert="ec", tls="any", tokens=("test-token",), port=0, options=()
    ):
        self.directory = os.path.abspath(directory)
        self.certificates = certificates or os.path.join(self.directory, "certs")
        self.cert, self.tls, self.tokens, self.options = cert, tls, list(tokens), list(options)
        self.process = None
        # Bound for as long as this object lives, so that nobody takes the port while the service is down.
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserved.bind(("127.0.0.1", port))
        self.port = self.reserved.getsockname()[1]

    url = property(lambda self: f"https://localhost:{self.port}")
    ca_file = property(lambda self: os.path.join(self.certificates, "ca.pem"))

    def start(self):
        assert self.process is None
        arguments = [
            sys.executable,
            os.path.join(HERE, "simulator.py"),
            "--dir",
            self.directory,
            "--certs",
            self.certificates,
            "--port",
            str(self.port),
            "--cert",
            self.cert,
            "--tls",
            self.tls,
            "--until-eof",
            *self.options,
        ]
        for token in self.tokens:
            arguments += ["--token", token]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line.startswith(b"ready "):
            self.process.kill()
            self._reap()
            raise CommandFailed("the service did not start")
        return self

    def _end(self, number):
        if self.process:
            self.process.send_signal(number)
            self._reap()

    def _reap(self):
        process, self.process = self.process, None
        process.stdin.close()
        process.stdout.close()
        self.exit_status = process.wait()

    def stop(self):
        self._end(signal.SIGTERM)

    def kill(self):
        self._end(signal.SIGKILL)

    def restart(self, kill=False):
        self.kill() if kill else self.stop()
        return self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        self.reserved.close()

    # -- commands --------------------------------------------------------------------------------------------

    def command(self, name, timeout=10, **arguments):
        return command(self.directory, name, timeout, **arguments)

    def rule(self, do, **parameters):
        """Adds a rule: count, skip, p, seed, match and what the action takes. Returns its number."""
        return self.command("rule", rule={"do": do, **parameters})["rule"]

    def rules(self):
        return self.command("rules")["rules"]

    def clear(self, rule=None):
        self.command("clear", rule=rule)

    def report(self, expect=None):
        return self.command("report", expect=list(expect) if expect is not None else None)["report"]

    def messages(self):
        return self.command("messages")["messages"]

    def requests(self):
        """Every request that was received, from the journal."""
        with open(os.path.join(self.directory, "requests.jsonl"), encoding="utf-8") as file:
            whole = [json.loads(line) for line in file if line.endswith("\n")]
        return [record for record in whole if record["kind"] == "request"]

    def reset(self):
        self.command("reset")

    def wait(self, distinct=0, copies=0, requests=0, timeout=30):
        """Whether that many were there before the time was over."""
        return self.command(
            "wait", timeout + 10, distinct=distinct, copies=copies, requests=requests, seconds=timeout
        )["reached"]

    def token(self, *tokens):
        self.command("token", tokens=list(tokens))

    def key(self, *keys):
        self.command("key", keys=list(keys))

    def reply(self, sender, text, received_at=None):
        """Somebody answers; returns the message_uuid."""
        return self.command("reply", **{"from": sender}, text=text, received_at=received_at)["message_uuid"]

    def hold(self, how="stall", drop=False):
        self.command("hold", how=how, drop=drop)

    def resume(self):
        self.command("resume")

    def close_connections(self):
        return self.command("close")["closed"]
