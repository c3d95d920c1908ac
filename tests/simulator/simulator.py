#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The CommPeak Streams API over TLS on this machine, for tests and for those who have no account.

Prints one line, "ready port=N control=PATH", when it listens. SIGTERM and SIGINT end it. See README.md.
"""

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading

from control import Control
from forms import Form
from harness import make_certificates
from journal import Journal
from scenarios import RuleBook
from server import VERSIONS, Server, tls_context
from service import Service


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--dir", required=True, help="journals and control socket; what is there is taken up again"
    )
    parser.add_argument("--certs", help="certificates, made there if missing (default: DIR/certs)")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--cert",
        default="ec",
        help="ec, rsa, chain, nochain, expired, future, young, wronghost, unknownca, selfsigned",
    )
    parser.add_argument("--tls", choices=sorted(VERSIONS), default="any")
    parser.add_argument("--token", action="append", help="a valid token (default: test-token)")
    parser.add_argument("--api-key", action="append", help="a valid API key (default: test-key)")
    parser.add_argument("--free-path", action="append", help="a path where any JSON object is one message")
    parser.add_argument(
        "--form", action="append", help="PATH=FILE: a path where the body of FILE, filled in, is one message"
    )
    parser.add_argument("--default-sender", default="DEFAULT", help="of messages without a sender (default: DEFAULT)")
    parser.add_argument("--no-default-sender", action="store_const", const=None, dest="default_sender",
                        help="a message without a sender is refused (422)")
    parser.add_argument(
        "--keep-tokens", action="store_true", help="write tokens into requests.jsonl as received"
    )
    parser.add_argument(
        "--idle-timeout", type=float, default=75, help="seconds before an idle connection is closed"
    )
    parser.add_argument("--rules", help="a file of rules, one JSON object a line")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    return parser.parse_args()


def forms_of(options):
    forms = [form.partition("=") for form in options.form or ()]
    for path, _, file in forms:
        if not path.startswith("/") or not file:
            raise ValueError(f"--form {path}: write --form /PATH=FILE")
    return {path: Form(file) for path, _, file in forms}


def main():
    options = arguments()
    certificates = make_certificates(os.path.abspath(options.certs or os.path.join(options.dir, "certs")))
    context = tls_context(certificates, options.cert, options.tls)
    rules = RuleBook()
    if options.rules:
        with open(options.rules, encoding="utf-8") as file:
            for line in filter(str.strip, file):
                rules.add(json.loads(line))
    forms = forms_of(options)
    os.makedirs(options.dir, exist_ok=True)
    os.chdir(options.dir)
    lock = open("lock", "w")  # noqa: SIM115  held for the life of the process
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"simulator: another one runs on {options.dir}")

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    journal = Journal(".")
    service = Service(
        journal, options.token or ["test-token"], options.default_sender, options.free_path or (), forms,
        options.api_key or ["test-key"],
    )
    server = Server(
        service,
        rules,
        journal,
        context,
        options.host,
        options.port,
        options.keep_tokens,
        options.idle_timeout,
    )
    control = Control(server, rules, journal, service)
    journal.note("start", port=server.port, cert=options.cert, tls=options.tls)
    for target in (server.run, control.run):
        threading.Thread(target=target, daemon=True).start()
    if options.until_eof:
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), ended.set()), daemon=True).start()
    print(f"ready port={server.port} control={os.path.join(os.getcwd(), 'control')}", flush=True)
    while not ended.wait(1):
        pass
    server.stop()
    os.unlink("control")
    journal.close()
    os._exit(0)  # threads that sleep for a rule must not delay the end


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"simulator: {error}")
    except subprocess.CalledProcessError:
        sys.exit("simulator: certificates cannot be made there (certs.sh): is the directory writable, and openssl installed?")
    except (ValueError, OverflowError) as error:
        sys.exit(f"simulator: {error}")
