#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows 1 to 8: what an alarm costs over a verified connection, tocsin beside what Debian packages and beside a floor.

All talk to one nginx in front of the simulated service, which answers as the real one was recorded: TLS 1.2 or 1.3,
AES-128-GCM, an EC certificate behind an intermediate authority (rows 1, 2, 4, 7) or alone (5, 6, 8). The address is
a number, nothing is looked up. Counted are calls, bytes and instructions, never seconds:

    1 memory          pss_peak.cpp: the sum of Pss of all processes, at every system call
    2 malloc          callgrind's calls of malloc, calloc, realloc (static programs); valgrind's heap usage (others)
    3 size            stripped, static
    4, 5 system calls strace -f
    6, 7 instructions callgrind, of the client's process
    8 bytes           a relay's TCP_INFO

tocsin: the program as shipped, static, with the trimmed Mbed TLS (rows 1 to 5), or its path from a text to a verdict,
net_tocsin.cpp, without queue and loop (rows 5 to 8). floor: net_bare.cpp, with the same Mbed TLS, compiled the same.

    bench_net.py [--counts]      --counts: rows 5 to 8 alone, of the path without queue and loop
"""
import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import net_service
from net_service import ADDRESS, CERTS, ROOT, TOKEN, Relay, alarm_json
from queue_report import Report, spelled

from device import Device  # net_service put tests/e2e on the path

OUT = ROOT / "build" / "bench"
MUSL = {"2.28": ROOT / "build" / "musl", "3.6": ROOT / "build" / "tls36" / "musl"}
OLD, NEW = "2.28", "3.6"
CA = str(CERTS / "ca.pem")
FURTHER = 20  # alarms, where one like the other costs the same instructions
ALLOCATORS = {"malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign", "__libc_malloc",
              "__libc_calloc", "__libc_realloc", "__simple_malloc", "default_malloc"}


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
    return [program(name, version), how, count, ADDRESS, port, CA, TOKEN]


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


# ---- rows 1 to 4: one alarm, from nothing ------------------------------------------------------------------


def peak(command, kind="pss"):
    return int(re.search(rf"\b{kind} (\d+) KiB", run(OUT / "pss_peak", *command).stderr)[1])


def memory(ports, report):
    head("row 1, memory of one verified send, KiB: the largest sum of Pss of all its processes "
         "(the peers: also of Rss, for their libraries are nginx's here as well)")
    own = {}
    for version, site in ((OLD, "chain 1.2"), (NEW, "chain 1.3")):
        with sending(ports[site], version) as device:
            own[version] = peak(device.send_line())
    line("tocsin send --wait, static, Mbed TLS 2.28", own[OLD])
    line("tocsin send --wait, static, Mbed TLS 3.6, TLS 1.3", own[NEW])
    for_peers(PEERS, lambda name: peak(peer_once(name, ports["chain 1.2"])), own[OLD])
    alone = {f"{name}, Rss": peak(peer_once(name, ports["chain 1.2"]), "rss") for name in PEERS if is_here(name)}
    for name, value in alone.items():
        line(name, value, own[OLD])
    path = peak(post("tocsin", "alarms", 1, ports["chain 1.2"]))
    floor = peak(post("bare", "alarms", 1, ports["chain 1.2"]))
    line("tocsin's path without queue and loop", path, own[OLD])
    line("floor: bare Mbed TLS", floor, own[OLD], "one authority, no resolver, no queue")
    line("floor, TLS 1.3", peak(post("bare", "alarms", 1, ports["chain 1.3"], NEW)), own[OLD])
    goal(report, 1, "memory, KiB", own[OLD], 400, floor, alone)
    goal(report, 1, "memory, TLS 1.3, KiB", own[NEW], 400)
    if "curl, Rss" in alone:
        goal(report, 1, "memory, a 30th of curl, KiB", own[OLD], alone["curl, Rss"] / 30)


def allocator_calls(folder):
    """Calls of an allocator from outside of it, in everything callgrind wrote into a folder."""
    calls = 0
    for file in pathlib.Path(folder).iterdir():
        names, inside, to = {}, False, False
        for row in file.read_text().splitlines():
            found = re.match(r"(c?fn)=\((\d+)\)(?: (.*))?$", row)
            if found:
                if found[3]:
                    names[found[2]] = found[3].partition("'")[0]
                one = names[found[2]] in ALLOCATORS
                if found[1] == "fn":
                    inside = one
                else:
                    to = one
            elif row.startswith("calls=") and to and not inside:
                calls += int(row[6:].split()[0])
    return calls


def mallocs_static(command):
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        run("valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p", *command)
        return allocator_calls(folder)


def mallocs(command):
    said = run("valgrind", *command).stderr
    return int(re.search(r"total heap usage: ([\d,]+) allocs", said)[1].replace(",", ""))


def arena(name, port, version):
    return int(re.search(r"^arena (\d+)", run(*post(name, "alarms", 1, port, version)).stdout, re.M)[1])


def allocations(ports, report):
    head("row 2, mallocs of one verified send, from its start to its end, and what Mbed TLS takes")
    with sending(ports["chain 1.2"]) as device:
        own = mallocs_static(device.send_line())
    line("tocsin send --wait, static", own)
    found = for_peers(PEERS, lambda name: mallocs(peer_once(name, ports["chain 1.2"])), None)
    line("floor: bare Mbed TLS", mallocs_static(post("bare", "alarms", 1, ports["chain 1.2"])), None,
         "fopen, and tzset under the dates")
    goal(report, 2, "mallocs", own, 0, None, found)
    sent = net_service.ssl_bytes(CERTS / "bench-chain.pem")
    for version, site in ((OLD, "1.2"), (NEW, "1.2"), (NEW, "1.3")):
        port = ports[f"long chain {site}"]
        ours, floor = arena("tocsin", port, version), arena("bare", port, version)
        what = f"arena, Mbed TLS {version}, TLS {site}, bytes"
        line(f"tocsin: peak of the {what}", ours, None, f"a chain of {sent:,} bytes; floor {floor:,}")
        goal(report, 2, what, ours, 36 * 1024, floor)


WHOLE = {"armhf": 340_000, "x86-64": 460_000}


def sizes(report):
    head("row 3, stripped static program, bytes")
    places = [("x86-64", OLD, MUSL[OLD]), ("x86-64", NEW, MUSL[NEW]), ("armhf", OLD, MUSL[OLD].with_name("armhf")),
              ("armhf", NEW, MUSL[NEW].with_name("armhf"))]
    for machine, version, folder in places:
        title = f"{machine}, " + ("Mbed TLS 2.28, TLS 1.2" if version == OLD else "Mbed TLS 3.6, TLS 1.3 too")
        file = folder / "tocsin.stripped"
        if not file.exists():
            toolchain = "armhf" if machine == "armhf" else "musl"
            print(f"  {'tocsin, ' + title:48}{'not built':>12}     make TOOLCHAIN={toolchain} ...", flush=True)
            continue
        ours, stripped = file.stat().st_size, OUT / "net_bare.stripped"
        if machine == "armhf":
            make(version, "armhf", folder, ["net_bare"])
        run("objcopy" if machine == "x86-64" else "arm-linux-gnueabihf-objcopy", "--strip-all", folder / "net_bare",
            stripped)
        floor = stripped.stat().st_size
        line(f"tocsin, every command, {title}", ours)
        line(f"floor: bare client, {title}", floor, ours)
        goal(report, 3, f"size, {title}", ours, WHOLE[machine], floor)
    print("  sender-only program: there is no such build")


def system_calls(command, trace="all"):
    """The lines of strace -f: one a call."""
    with tempfile.NamedTemporaryFile(prefix="tocsin-bench-", mode="r") as file:
        run("strace", "-f", "-yy", "-s", "0", "-e", f"trace={trace}", "-o", file.name, *command)
        return [row for row in file if is_call(row)]


def is_call(row):
    return re.match(r"\d+ +\w+\(", row) is not None


def first_alarm(ports, report):
    head("row 4, system calls from the start to the first alarm accepted, and to the end (strace -f)")
    with sending(ports["chain 1.2"]) as device:
        calls = system_calls(device.send_line())
        state = str(device.state)
    first = calls[0].split()[0]
    looks_up = [row for row in calls if row.split()[0] != first and "getppid" in row]
    keeper = looks_up[0].split()[0] if looks_up else ""
    own = [row for row in calls if row.split()[0] != keeper]
    groups = {"the connection": lambda row: "TCP:[" in row or re.search(r" (epoll|timerfd|socket\(AF_INET)", row),
              "the CA file": lambda row: CA in row,
              "the queue": lambda row: state in row}
    line("tocsin send --wait, static, with its queue", len(own), None,
         f"without {len(calls) - len(own)} of the process that looks up")
    rest = own
    for what, belongs in groups.items():
        line(f"  of these: {what}", sum(1 for row in rest if belongs(row)))
        rest = [row for row in rest if not belongs(row)]
    line("  the rest: start, settings, control socket, loop", len(rest))
    path = len(system_calls(post("tocsin", "alarms", 1, ports["chain 1.2"])))
    line("tocsin's path without queue and loop", path, len(own))
    found = for_peers(PEERS, lambda name: len(system_calls(peer_once(name, ports["chain 1.2"]))), len(own))
    floor = len(system_calls(post("bare", "alarms", 1, ports["chain 1.2"])))
    line("floor: bare Mbed TLS", floor, len(own))
    goal(report, 4, "system calls, first alarm", len(own), 100, floor, found)
    report.goal(4, "the same without queue and loop", path, 100, floor)


# ---- rows 5 to 8: further alarms ---------------------------------------------------------------------------


def each_further(measure, few=1, many=1 + FURTHER):
    return (measure(many) - measure(few)) / (many - few)


def further_calls(ports, report, counts_only):
    head("row 5, system calls per further alarm on a kept connection (strace, (21 - 1) / 20)")

    def of(name):
        return each_further(lambda n: len(system_calls(post(name, "alarms", n, ports["1.2"]))))

    path, floor = of("tocsin"), of("bare")
    own = path
    if not counts_only:
        own, kinds = daemon_further(ports["1.2"])
        line("tocsin run: on its socket, and polls it wakes", own, None, kinds)
    line("tocsin's path without queue and loop", path, own)
    found = for_peers(["libcurl"], of, own)
    line("floor: bare Mbed TLS, a socket that waits", floor, own, "no deadline: it never polls")
    goal(report, 5, "system calls, further alarm", own, 3, floor, found)


def daemon_further(port):
    """Of the daemon, what has to do with its connection: calls that name the socket, and polls that it ends."""
    device = OneSend(port)
    log = device.folder / "strace.log"
    try:
        device.start(program=("strace", "-f", "-yy", "-s", "64", "-o", str(log)))
        calls = []
        for _ in range(2):
            for _ in range(1 if not calls else FURTHER):
                run(*device.send_line())
            calls.append(log.read_text().splitlines())
        rows = calls[1][len(calls[0]) :]
    finally:
        if device.process is not None:  # strace: what it runs is its child
            children = pathlib.Path(f"/proc/{device.process.pid}/task/{device.process.pid}/children")
            os.kill(int(children.read_text().split()[0]), signal.SIGTERM)
            device.gone()
        device.close()
    kinds, socket = {}, r"<TCP:\[[^]]*:" + str(port) + r"\]"
    number = next(found[1] for row in rows if (found := re.search(r"\w+\((\d+)" + socket, row)))
    for row in rows:  # the outcome of a poll may be on a line of its own
        name = re.match(r"\d+ +(?:<\.\.\. )?(\w+)", row)[1]
        if name in ("poll", "ppoll"):
            counts = re.search(rf"fd={number}, revents=", row.partition(" = ")[2])
        else:
            counts = is_call(row) and re.search(socket, row)
        if counts:
            kinds[name] = kinds.get(name, 0) + 1
    kinds = {name: count / FURTHER for name, count in sorted(kinds.items())}
    return sum(kinds.values()), ", ".join(f"{name} {spelled(count)}" for name, count in kinds.items())


def instructions(command, function):
    said = run("valgrind", "--tool=callgrind", f"--toggle-collect={function}", "--callgrind-out-file=/dev/null",
               *command).stderr
    return int(re.search(r"Collected : (\d+)", said)[1])


def further_instructions(ports, report):
    head(f"row 6, instructions per further alarm: JSON, HTTP, TLS, answer parsed and judged (callgrind, "
         f"({1 + FURTHER} - 1) / {FURTHER})")

    def of(name, version=OLD, site="1.2"):
        return each_further(
            lambda n: instructions(post(name, "alarms", n, ports[site], version), "measured_alarm"))

    for version, site in ((OLD, "1.2"), (NEW, "1.3")):
        own, floor = of("tocsin", version, site), of("bare", version, site)
        line(f"tocsin, Mbed TLS {version}, TLS {site}", own)
        found = for_peers(["libcurl"], of, own) if site == "1.2" else None
        line("floor: bare Mbed TLS, request written before", floor, own)
        goal(report, 6, f"instructions, further alarm, TLS {site}", own, 1.15 * floor, floor, found)


RECONNECT = {"1.2": (OLD, 50), "1.3": (NEW, 3)}


def reconnects(ports, report):
    head("row 7, a resumed handshake against a whole one, instructions of the client (callgrind)")
    for site, (version, times) in RECONNECT.items():
        for who in ("tocsin", "bare"):
            for chain in ("chain ", "") if who == "tocsin" else ("chain ",):
                command = post(who, "reconnect", 1, ports[chain + site], version)
                whole, resumed = (instructions(command, f"measured_{how}") for how in ("whole", "resumed"))
                title = "tocsin" if who == "tocsin" else "floor: bare Mbed TLS"
                shown = "an intermediate authority" if chain else "no intermediate authority"
                line(f"{title}, TLS {site}, resumed", resumed, None,
                     f"1/{whole / resumed:.1f} of {whole:,} ({shown})")
                if who == "tocsin" and chain:
                    ours = whole, resumed
        goal(report, 7, f"instructions, resumed, TLS {site}", ours[1], ours[0] / times)
    print("  curl and wget do not resume across their processes; a libcurl handle in one process does")


def relayed(name, how, count, port, version=OLD):
    relay = Relay(port)
    try:
        run(*post(name, how, count, relay.port, version))
        if not relay.done.acquire(timeout=10):
            raise Failed(f"{name}: the connection did not end")
        return relay.ip_bytes, relay.records
    finally:
        relay.close()


def further_bytes(ports, report):
    head("row 8, IP bytes per further alarm on a kept connection, both ways, and records of TLS up "
         "(a relay's TCP_INFO, (101 - 1) / 100)")

    def of(name, how="alarms", many=101, version=OLD, site="1.2"):
        few, all_of = (relayed(name, how, n, ports[site], version) for n in (1, many))
        return [(b - a) / (many - 1) for a, b in zip(few, all_of)]

    own, records = of("tocsin")
    line("tocsin", own, None, f"{spelled(records)} record up")
    new, new_records = of("tocsin", version=NEW, site="1.3")
    line("tocsin, TLS 1.3", new, own, f"{spelled(new_records)} record up")
    batch, batch_records = of("tocsin", "batches", 11)
    line("tocsin, a message of a batch of 20", batch / 20, own, f"{spelled(batch_records)} records up a batch")
    found = for_peers(["libcurl"], lambda name: of(name)[0], own)
    floor, floor_batch = of("bare")[0], of("bare", "batches", 11)[0]
    line("floor: bare Mbed TLS", floor, own)
    line("floor, a message of a batch of 20", floor_batch / 20, own, "texts, ids and the service's words")
    goal(report, 8, "IP bytes, further alarm", own, 1100, floor, found)
    goal(report, 8, "records up, further alarm", max(records, new_records), 1)
    goal(report, 8, "IP bytes, message of a batch of 20", batch / 20, own / 3, floor_batch / 20)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", action="store_true", help="rows 5 to 8 alone, without the daemon")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    subprocess.run(["sh", "toolchains/deps.sh", "bench"], cwd=ROOT, check=True)
    report = Report()

    def measured(what, function, *arguments):
        try:
            return function(*arguments)
        except (Failed, OSError, AssertionError, subprocess.TimeoutExpired) as problem:
            return report.failed(what, problem)

    measured("rows 1 to 8, the programs", build, options.counts)
    ports = measured("rows 1 to 8, the service", net_service.start)
    if not report.broken:
        if not options.counts:
            measured("row 1", memory, ports, report)
            measured("row 2", allocations, ports, report)
            measured("row 3", sizes, report)
            measured("row 4", first_alarm, ports, report)
        measured("row 5", further_calls, ports, report, options.counts)
        measured("row 6", further_instructions, ports, report)
        measured("row 7", reconnects, ports, report)
        measured("row 8", further_bytes, ports, report)
    report.overview()
    print("\ncoreHTTP, Mongoose, uclient-fetch and curl with Mbed TLS have no Debian 12 package and are not compared "
          "here.")
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
