# SPDX-License-Identifier: MIT
"""Rows 1 to 8: who takes part, how their programs are built and called, and the lines of the tables."""
import contextlib
import re
import shutil
import subprocess
import tempfile

import net_service
from net_service import ADDRESS, CERTS, ROOT, TOKEN, alarm_json
from queue_report import spelled

from device import Device  # net_service put tests/e2e on the path

OUT = ROOT / "build" / "bench"
MUSL = {"2.28": ROOT / "build" / "musl", "3.6": ROOT / "build" / "tls36" / "musl"}
OLD, NEW = "2.28", "3.6"
CA = str(CERTS / "ca.pem")


class Failed(Exception):
    pass


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=300, **more)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))[:200]}: status {done.returncode}: {done.stderr.strip()[-300:]}")
    return done


# ---- who takes part ----------------------------------------------------------------------------------------


def make(version, toolchain, folder, names):
    folder = folder.relative_to(ROOT)
    run("make", "--no-print-directory", f"TOOLCHAIN={toolchain}", f"MBEDTLS={version}", f"BUILD={folder.parent}",
        "DEPS=build/deps", *(folder / name for name in names), cwd=ROOT)


def build(counts_only):
    """The static programs with both versions of Mbed TLS, and the tools. libcurl may be absent."""
    for version, folder in MUSL.items():
        make(version, "musl", folder, ["net_tocsin", "net_bare"] + ([] if counts_only else ["tocsin.stripped"]))
    warnings = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-I.")
    run("g++", *warnings, "tests/bench/pss_peak.cpp", "-o", OUT / "pss_peak", cwd=ROOT)
    with contextlib.suppress(Failed):
        run("g++", *warnings, "tests/bench/net_libcurl.cpp", "-o", OUT / "net_libcurl", "-lcurl", cwd=ROOT)


def program(name, version=OLD):
    return OUT / "net_libcurl" if name == "libcurl" else MUSL[version] / f"net_{name}"


def post(name, how, count, port, version=OLD):
    """A command that posts over one connection: see net_task.hpp."""
    ca = CERTS / "ca.der" if name == "bare" else CA  # the trimmed Mbed TLS has no PEM
    return [program(name, version), how, count, ADDRESS, port, ca, TOKEN]


def once(name, port):
    """A command line for one alarm."""
    url = f"https://{ADDRESS}:{port}/simple_send/"
    fields = [f"Authorization: {TOKEN}", "Content-Type: application/json"]
    if name == "curl":
        return ["curl", "-sS", "--fail", "--cacert", CA, "-H", fields[0], "-H", fields[1], "--data-binary",
                alarm_json(1), url]
    return ["wget", "-q", "-O-", f"--ca-certificate={CA}", f"--header={fields[0]}", f"--header={fields[1]}",
            f"--post-data={alarm_json(1)}", url]


PEERS = {"curl": "curl", "wget": "wget", "libcurl": "libcurl, a kept handle"}


def is_here(name):
    return (OUT / "net_libcurl").exists() if name == "libcurl" else shutil.which(name) is not None


def peer_once(name, port):
    return post("libcurl", "alarms", 1, port) if name == "libcurl" else once(name, port)


class OneSend(Device):
    """A device whose program sends one message and waits for the verdict: `tocsin send --wait`."""

    def __init__(self, port, version=OLD, **options):
        self.program = MUSL[version] / "tocsin"
        super().__init__(url=f"https://{ADDRESS}:{port}", **options)

    def command(self, *words, program=()):
        line = super().command(*words, program=program)
        line[len(program)] = str(self.program)
        return line

    def send_line(self, program=()):
        return self.command("send", "--wait", "30", "--to", "anna", "--", net_service.ALARM, program=program)


@contextlib.contextmanager
def sending(port, version=OLD):
    """The queue is there already, and has been used."""
    device = OneSend(port, version)
    try:
        run(*device.send_line())
        yield device
    finally:
        device.close()


# ---- tables ------------------------------------------------------------------------------------------------


def head(title):
    print(f"\n{title}", flush=True)


def line(name, value, own=None, note="", unit=""):
    ratio = "" if own is None else f"{value / own:7.2f} x" if own else ""
    print(f"  {name:48}{spelled(value):>12}{unit:4} {ratio:10} {note}".rstrip(), flush=True)


def missing(name):
    print(f"  {PEERS[name]:48}{'-':>12}     it is not here", flush=True)


def goal(report, row, what, ours, most, floor=None, peers=None):
    reached = report.goal(row, what, ours, most, floor, peers)
    print(f"  goal: {what} <= {spelled(most)}: {'reached' if reached else 'MISSED'}", flush=True)


def for_peers(names, measure, own):
    """A line for each of them; their figures."""
    found = {}
    for name in names:
        if not is_here(name):
            missing(name)
            continue
        found[PEERS[name]] = measure(name)
        line(PEERS[name], found[PEERS[name]], own)
    return found


# ---- system calls -----------------------------------------------------------------------------------------


def system_calls(command, trace="all"):
    """The lines of strace -f: one a call."""
    with tempfile.NamedTemporaryFile(prefix="tocsin-bench-", mode="r") as file:
        run("strace", "-f", "-yy", "-s", "0", "-e", f"trace={trace}", "-o", file.name, *command)
        return [row for row in file if is_call(row)]


def is_call(row):
    return re.match(r"\d+ +\w+\(", row) is not None
