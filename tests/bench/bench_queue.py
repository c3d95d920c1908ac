#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows 11 to 13: what a durable message costs, its whole life, and finding 10,000 of them again. tocsin's queue beside
what Debian packages and beside programs without any care, on the same media in one run.

    bench_queue.py [--gap 12] [--alone 8] [--rest 60] [--turns 6] [--burst 2000]      (FAST=1: nothing that waits)

Bytes and flushes: fields 7 (x 512) and 16 of /sys/block/loopN/stat, around the records and a syncfs(2), on loop devices
over files in memory, each with a file system of its own; needs root. Syncs and mallocs: every fsync, fdatasync, malloc,
calloc and realloc of the process. Instructions: callgrind with --toggle-collect around the call; what another thread or
the kernel does is not inside. Memory: /proc/self/smaps_rollup.

Everybody has 195 records waiting, a quarter of tocsin's file of 256 KiB (the default). In a burst further events are
queued without recipients, so that they take no room for long and whole turns of the files are in the figure, the copying
of what waits too; the line below it has messages instead, each with the end of an older one in the same job. Alone (12 s
apart) there are messages only, and what the turns add to each is named beside it. Peers: one insert, one commit.
A life: enqueued, sent, accepted; two things are on the medium, each before the next begins. Peers: insert, then delete.
With its receipt: then delivered, which goes to the medium with the next life's first record.
"""
import argparse
import os
import signal
import subprocess
import sys
import tempfile

import queue_idle
import queue_open
from queue_media import EXT4, EXT4_SMALL, MEMORY, OUT, RAW, ROOT, Failed, Media, build, collected, count, outcome
from queue_report import Report, head, line

PEERS = {"lmdb": "LMDB", "sqlite_wal": "SQLite, WAL, FULL", "sqlite_rollback": "SQLite, rollback, FULL"}
OTHERS = {"bare": "bare pwrite + fdatasync, zero-written", "growing": "append + fdatasync, growing file", **PEERS}
BURST_GOAL, RAW_GOAL = 4300, 4096
INSTRUCTIONS = {"-O2, 8 KiB of CRC tables": ("-O2", 8, 1600), "-O2, 1 KiB of CRC tables": ("-O2", 1, 3200),
                "-Os, 8 KiB of CRC tables": ("-Os", 8, None), "-Os, 1 KiB of CRC tables": ("-Os", 1, None)}


def of_peers(found, figure="bytes"):
    return {PEERS[name]: value[figure] for name, value in found.items() if name in PEERS}


def bursts(program, options, report):
    """Row 11 in a burst. Returns what the turns add to a record."""
    for kind in (EXT4, EXT4_SMALL, RAW):
        others = {RAW: ["bare"], EXT4_SMALL: ["bare", "growing"]}.get(kind, list(OTHERS))
        turns = f"{options.turns}t"
        found = {name: count(program, "enqueue", kind, contender, records, 0) for name, contender, records in
                 (("turns", "tocsin_events", turns), ("between", "tocsin_events", 150), ("both", "tocsin_both", turns),
                  *((name, name, options.burst) for name in others))}
        own, between = found["turns"], found["between"]
        if between["turned"] > 0:
            raise Failed("a turn where none was meant to be")
        head(f"row 11, in a burst, {kind}")
        line(f"tocsin, {options.turns} turns of the files in it", own)
        line("tocsin, between two turns", between, own)
        line("tocsin, an older one ends with each", found["both"], own, f"{options.turns} turns in it")
        for name in others:
            line(OTHERS[name], found[name], own)
        print(f"  a turn comes every {own['records'] / options.turns:,.0f} records; {own['waiting']} messages wait")
        report.goal(11, f"bytes, burst, {kind}", own["bytes"], BURST_GOAL, found["bare"]["bytes"], of_peers(found))
        turn_share = own["bytes"] - between["bytes"]  # of the last one: no journal blurs it
    five = count(program, "enqueue", EXT4, "tocsin_five", 15, 0)
    head("row 11, an event with five recipients", "event")
    line("tocsin", five)
    report.goal(11, "syncs of five recipients", five["syncs"], 1)
    report.goal(11, "mallocs", own["mallocs"], 0)
    return turn_share


LONELY = [(EXT4, ["tocsin", *OTHERS]), (EXT4_SMALL, ["tocsin", "bare", "growing"]), (RAW, ["tocsin", "bare"])]


def begin_alone(program, options, media):
    return {(kind, name): media.begin(program, "enqueue", kind, name, options.alone, options.gap)
            for kind, names in LONELY for name in names}


def end_alone(running, options, report, turn_share):
    found = {key: outcome(process) for key, process in running.items()}
    for kind, names in LONELY:
        own, bare = found[kind, "tocsin"], found[kind, "bare"]
        head(f"row 11, {options.alone} alone, {options.gap} s apart, {kind}")
        line("tocsin", own)
        line("tocsin, its share of a turn added", {**own, "bytes": own["bytes"] + turn_share}, own, "sum of two rows")
        for name in names[1:]:
            line(OTHERS[name], found[kind, name], own)
        peers = of_peers({name: found[kind, name] for name in names})
        goal = RAW_GOAL if kind == RAW else bare["bytes"]
        report.goal(11, f"bytes, alone, {kind}", own["bytes"], goal, bare["bytes"], peers)
        if kind == RAW:
            report.goal(11, f"flushes, alone, {kind}", own["flushes"], 1, bare["flushes"])


OWN = {"tocsin": "tocsin", "tocsin_receipts": "tocsin, with its receipt"}
LIVERS = [*OWN, "bare", *PEERS]


def begin_lives(program, options, media):
    """Row 12: whole lives, in a burst and alone, all at the same time."""
    rest = options.rest
    running = {("burst", name): media.begin(program, "live", EXT4, name,
                                            f"{options.turns}t" if name in OWN else options.burst // 4, 0, rest)
               for name in LIVERS}
    for name in OWN:
        running["between", name] = media.begin(program, "live", EXT4, name, 150, 0, rest)
    if options.alone > 0:
        for name in LIVERS:
            running["alone", name] = media.begin(program, "live", EXT4, name, options.alone, options.gap, rest)
    return running


def end_lives(running, options, report):
    found = {key: outcome(process) for key, process in running.items()}
    between = {name: found.pop(("between", name)) for name in OWN}
    if any(one["turned"] > 0 for one in between.values()):
        raise Failed("a turn where none was meant to be")
    turn_share = {name: found["burst", name]["bytes"] - between[name]["bytes"] for name in OWN}
    for how in dict.fromkeys(key[0] for key in found):
        bare = found[how, "bare"]
        others = {name: found[how, name] for name in PEERS}
        when = f"counted {options.rest} s after the last" if options.rest else "counted after a syncfs"
        apart = f"{options.alone} alone, {options.gap} s apart" if how == "alone" else "in a burst"
        head(f"row 12, lives {apart}, {EXT4}, {when}", "life")
        first = found[how, "tocsin"]
        for name, title in OWN.items():
            own = found[how, name]
            if how == "burst":
                line(f"{title}, {options.turns} turns in it", own, None if name == "tocsin" else first)
                line(f"{title}, between two turns", between[name], first)
            else:
                line(title, own, None if name == "tocsin" else first)
                line(f"{title}, its share of a turn", {**own, "bytes": own["bytes"] + turn_share[name]}, first,
                     "sum of two rows")
        line(OTHERS["bare"], bare, first)
        for name in PEERS:
            line(PEERS[name], found[how, name], first)
        for name in OWN:
            what = how if name == "tocsin" else f"{how}, receipt"
            quiet, without = (between[name], ", no turns") if how == "burst" else (found[how, name], "")
            report.goal(12, f"bytes a life, {what}", found[how, name]["bytes"], 1.05 * bare["bytes"], bare["bytes"],
                        of_peers(others))
            if how == "burst":
                report.goal(12, f"bytes a life, {what}{without}", quiet["bytes"], 1.05 * bare["bytes"], bare["bytes"],
                            of_peers(others))
            report.goal(12, f"syncs a life, {what}{without}", quiet["syncs"], 2, bare["syncs"],
                        of_peers(others, "syncs"))


def instructions(program, report):
    """Row 11: the difference of 20 records more, without any system call inside."""
    programs = {(level, tables): program if (level, tables) == ("-O2", 8) else build(level, tables)
                for level, tables, _ in INSTRUCTIONS.values()}

    def each(program, contender, function):
        sums = []
        for records in (0, 20):
            with tempfile.TemporaryDirectory(prefix="tocsin-bench-", dir=MEMORY) as folder:
                sums.append(collected(program, function, "enqueue", contender, folder, "-", records, 0))
        return (sums[1] - sums[0]) / 20

    print("\nrow 11, instructions a record (callgrind; no system call inside)")
    others = {name: each(program, name, "measured_" + name.split("_")[0]) for name in OTHERS}
    peers = {PEERS[name]: others[name] for name in PEERS}
    own = None
    for title, (level, tables, goal) in INSTRUCTIONS.items():
        number = each(programs[level, tables], "tocsin", "measured_tocsin*")
        own = own or number
        print(f"  {'tocsin, ' + title:44}{number:10,.0f}")
        if goal:
            report.goal(11, f"instructions, {title}", number, goal, others["bare"], peers)
    print(f"  {'tocsin, -O2, 8 KiB, five recipients':44}{each(program, 'tocsin_five', 'measured_tocsin*'):10,.0f}")
    # At -O2 with 8 KiB of tables: what the goal's largest parts are.
    for title, function in (("  of these: CRC", "tocsin::crc32(*"),
                            ("  beside it: in the storage thread", "tocsin::FileStore::carry_out*")):
        print(f"  {title:44}{each(program, 'tocsin', function):10,.0f}")
    for name, title in OTHERS.items():
        note = "   no CRC" if name in ("bare", "growing") else ""
        print(f"  {title:44}{others[name]:10,.0f} {others[name] / own:8.2f} x{note}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    fast = os.environ.get("FAST", "") not in ("", "0")
    parser.add_argument("--gap", type=int, default=12, help="seconds between records that come alone")
    parser.add_argument("--alone", type=int, default=0 if fast else 8, help="records that come alone; 0: none")
    parser.add_argument("--rest", type=int, default=0 if fast else 60, help="seconds from the last life to the counting")
    parser.add_argument("--turns", type=int, default=6, help="turns of the files in a burst")
    parser.add_argument("--burst", type=int, default=2000, help="records of a peer in a burst")
    parser.add_argument("--no-media", action="store_true", help="only instructions: no loop devices, no root")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    OUT.mkdir(parents=True, exist_ok=True)
    subprocess.run(["sh", "toolchains/deps.sh", "bench"], cwd=ROOT, check=True)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    report = Report()

    def measured(what, function, *arguments):
        try:
            return function(*arguments)
        except (Failed, OSError, KeyError, AssertionError) as problem:
            return report.failed(what, problem)

    program = build()
    root = os.geteuid() == 0 and not options.no_media
    if not root:
        print("\nrows 11 and 12, device bytes: NOT MEASURED: loop devices and mounts need root (sudo make bench)")
        report.missed.append("rows 11 and 12, device bytes: not measured without loop devices")
    with Media() as media:
        alone = lives = idle = None
        turn_share = measured("row 11, bursts", bursts, program, options, report) if root else None
        if root:
            lives = measured("row 12", begin_lives, program, options, media)
            if options.alone > 0:
                print(f"\n({options.alone} alone, {options.gap} s apart, all contenders at the same time, meanwhile "
                      f"the rest: {(options.alone + 1) * options.gap + options.rest} s)", flush=True)
                alone = measured("row 11, alone", begin_alone, program, options, media)
            if options.rest > 0:
                idle = measured("row 12, idle", queue_idle.begin, media)
        measured("row 11, instructions", instructions, program, report)
        measured("row 13", queue_open.measure, program, report)
        if alone and turn_share is not None:
            measured("row 11, alone", end_alone, alone, options, report, turn_share)
        if lives:
            measured("row 12", end_lives, lives, options, report)
        if idle:
            measured("row 12, idle", queue_idle.end, idle, options.rest, report)
    report.overview()
    print("\nchunkio and FlashDB have no Debian 12 package and are not compared here.")
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
