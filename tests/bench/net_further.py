# SPDX-License-Identifier: MIT
"""Rows 5 to 8: what each further alarm costs on a kept connection, and a connection that resumes its session."""
import os
import pathlib
import re
import signal

from net_contest import (NEW, OLD, Failed, OneSend, for_peers, goal, head, is_call, line, post, run, spelled,
                         system_calls)
from net_service import ALARM, Relay, alarm_json

FURTHER = 20  # alarms, where one like the other costs the same instructions


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
        return relay.up, relay.down, relay.records
    finally:
        relay.close()


def further_bytes(ports, report):
    head("row 8, IP bytes per further alarm on a kept connection, both ways, and records of TLS up "
         "(a relay's TCP_INFO, (101 - 1) / 100)")

    def of(name, how="alarms", many=101, version=OLD, site="1.2"):
        few, all_of = (relayed(name, how, n, ports[site], version) for n in (1, many))
        up, down, records = ((b - a) / (many - 1) for a, b in zip(few, all_of))
        return up + down, records, up, down

    def ways(up, down, messages=1):
        return f"{spelled(up / messages)} up, {spelled(down / messages)} down"

    own, records, *both = of("tocsin")
    line("tocsin", own, None, f"{spelled(records)} record up; {ways(*both)}")
    new, new_records, *both = of("tocsin", version=NEW, site="1.3")
    line("tocsin, TLS 1.3", new, own, f"{spelled(new_records)} record up; {ways(*both)}")
    batch, batch_records, *both = of("tocsin", "batches", 11)
    line("tocsin, a message of a batch of 20", batch / 20, own,
         f"{spelled(batch_records)} records up a batch; {ways(*both, 20)}")
    found = for_peers(["libcurl"], lambda name: of(name)[0], own)
    floor, _, *both = of("bare")
    line("floor: bare Mbed TLS", floor, own, ways(*both))
    floor_batch, _, *both = of("bare", "batches", 11)
    line("floor, a message of a batch of 20", floor_batch / 20, own, ways(*both, 20))
    json = len(alarm_json(100_000)) - len('{"messages":[]}') + 1
    line("of a batch, the JSON of a message alone", json, own,
         f"no space, nothing optional but the sender; {len(ALARM)} of it the text")
    goal(report, 8, "IP bytes, further alarm", own, 1100, floor, found)
    goal(report, 8, "records up, further alarm", max(records, new_records), 1)
    goal(report, 8, "IP bytes, message of a batch of 20", batch / 20, own / 3, floor_batch / 20)
