# SPDX-License-Identifier: MIT
"""Rows 1 to 4: one alarm, from nothing."""
import pathlib
import re
import tempfile

import net_service
from net_contest import (CA, MUSL, NEW, OLD, OUT, PEERS, for_peers, goal, head, is_here, line, make, peer_once, post,
                         run, sending, system_calls)
from net_service import CERTS

ALLOCATORS = {"malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign", "__libc_malloc",
              "__libc_calloc", "__libc_realloc", "__simple_malloc", "default_malloc"}


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
SENDER = {"armhf": 200_000, "x86-64": 280_000}  # net_tocsin: from a text to a verdict, without queue, loop and commands


def stripped(folder, name, machine):
    run("objcopy" if machine == "x86-64" else "arm-linux-gnueabihf-objcopy", "--strip-all", folder / name,
        OUT / f"{name}.stripped")
    return (OUT / f"{name}.stripped").stat().st_size


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
        ours = file.stat().st_size
        if machine == "armhf":
            make(version, "armhf", folder, ["net_bare", "net_tocsin"])
        sender, floor = (stripped(folder, name, machine) for name in ("net_tocsin", "net_bare"))
        line(f"tocsin, every command, {title}", ours)
        line(f"tocsin, the path alone, {title}", sender, ours)
        line(f"floor: bare client, {title}", floor, ours)
        goal(report, 3, f"size, {title}", ours, WHOLE[machine], floor)
        goal(report, 3, f"size, the path alone, {title}", sender, SENDER[machine], floor)
    print("  the path alone: net_tocsin, a sender that is TLS, HTTP, JSON and the judging of answers, without queue, "
          "loop and commands")


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
