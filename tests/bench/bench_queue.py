#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a durable record of 300 bytes costs: tocsin's queue beside what Debian packages, on the same media in one run.

    bench_queue.py [--gap 12] [--alone 4] [--turns 6] [--burst 2000]

Bytes and flushes: fields 7 (x 512) and 16 of /sys/block/loopN/stat, around the records and a syncfs(2), on loop devices
over files in memory, each with a file system of its own; needs root. Syncs: every fsync and fdatasync of the process.
Instructions: callgrind with --toggle-collect around the call; what another thread or the kernel does is not inside.

tocsin: a quarter of a file (256 KiB, the default) waits all the time. In a burst further events are queued without
recipients, so that they take no room for long and whole turns of the files are in the figure, the copying of what waits
too; the line below it has messages instead, each with the end of an older one in the same job. Alone (12 s apart) there
are messages only, and what the turns add to each is named beside it. Peers: one insert, one commit.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "bench"
SOURCES = ["tests/bench/bench_queue.cpp", *(f"src/wire/{n}.cpp" for n in ("record", "message", "phone")),
           *(f"src/outbox/{n}.cpp" for n in ("queue", "queue_job", "queue_scan", "queue_turn", "index")),
           *(f"port/linux/{n}.cpp" for n in ("file_store", "storage_worker", "system"))]
PEERS = {"bare": "bare pwrite + fdatasync, zero-written", "growing": "append + fdatasync, growing file",
         "lmdb": "LMDB", "sqlite_wal": "SQLite, WAL, FULL", "sqlite_rollback": "SQLite, rollback, FULL"}
BURST_GOAL, RAW_GOAL = 4300, 4096
INSTRUCTIONS = {"-O2, 8 KiB of CRC tables": ("-O2", 8, 1600), "-O2, 1 KiB of CRC tables": ("-O2", 1, 3200),
                "-Os, 8 KiB of CRC tables": ("-Os", 8, None), "-Os, 1 KiB of CRC tables": ("-Os", 1, None)}


def run(*command):
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(level, tables):
    program = OUT / f"bench_queue{level}-{tables}"
    base = [str(p.relative_to(ROOT)) for p in sorted((ROOT / "src/base").glob("*.cpp"))]
    run("g++", "-std=c++17", level, "-g", f"-DTOCSIN_CRC_TABLES={tables}", "-fno-exceptions", "-fno-rtti",
        "-fno-threadsafe-statics", "-Iinclude", "-I.", *SOURCES, *base, "-o", str(program), "-lsqlite3", "-llmdb",
        "-pthread")
    return program


def figures(text):
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", text, re.M)}


class Media:
    """Loop devices over files in memory, and what is mounted on them; everything is taken away again."""

    def __init__(self):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-bench-", dir=memory))
        self.undo = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for command in reversed(self.undo):
            subprocess.run(command, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def loop(self, size):
        image = self.folder / f"{len(self.undo)}.img"
        with open(image, "wb") as file:
            file.truncate(size)
        device = run("losetup", "--find", "--show", str(image)).strip()
        self.undo.append(["losetup", "-d", device])
        return device, f"/sys/block/{pathlib.Path(device).name}/stat"

    def place(self, kind, contender):
        """What bench_queue takes as FOLDER and STAT."""
        if kind == "raw device":
            # Smaller than the program takes at most: what is there is what the queue uses, 256 KiB each.
            pair = [self.loop(256 << 10 if contender.startswith("tocsin") else 4 << 20) for _ in range(2)]
            pair = pair if contender.startswith("tocsin") else pair[:1]
            return ",".join(p[0] for p in pair), ",".join(p[1] for p in pair)
        device, stat = self.loop(64 << 20)
        block = {"ext4, 4 KiB blocks": "4096", "ext4, 1 KiB blocks": "1024"}[kind]
        # Nothing may be initialised in the background while bytes are counted.
        run("mkfs.ext4", "-q", "-b", block, "-E", "lazy_itable_init=0,lazy_journal_init=0", device)
        mount = self.folder / f"{len(self.undo)}.mount"
        mount.mkdir()
        run("mount", device, str(mount))
        self.undo.append(["umount", str(mount)])
        return str(mount), stat


class Report:
    def __init__(self):
        self.missed = []

    def verdict(self, what, value, goal, floor_name="goal"):
        reached = value <= goal
        if not reached:
            self.missed.append(f"row 11, {what}: {value:,.0f}, goal {goal:,.0f}")
        return f"{floor_name} {goal:,.0f}: {'reached' if reached else 'MISSED'}"


def measure(program, kind, contender, records, gap, media):
    folder, stat = media.place(kind, contender)
    return subprocess.Popen([program, contender, folder, stat, str(records), str(gap)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def outcome(process):
    out, err = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, process.args))}: status {process.returncode}\n{err}")
    found = figures(out)
    for name in ("bytes", "flushes", "syncs"):
        found[name] /= found["records"]
    return found


def line(name, found, own, note):
    ratio = "" if own is None or own["bytes"] == 0 else f"{found['bytes'] / own['bytes']:6.2f} x"
    print(f"  {name:40}{found['bytes']:10,.0f} B {ratio:9}{found['flushes']:6.2f} {found['syncs']:6.2f}   {note}")


def head(title):
    print(f"\nrow 11, {title}\n  {'':40}{'bytes':>12} {'':9}{'flush':>6} {'sync':>6}   each record")


def bursts(program, options, report):
    for kind in ("ext4, 4 KiB blocks", "ext4, 1 KiB blocks", "raw device"):
        head(f"in a burst, {kind}")
        peers = {"raw device": ["bare"], "ext4, 1 KiB blocks": ["bare", "growing"]}.get(kind, list(PEERS))
        found = {}
        turns = f"{options.turns}t"
        for name, records in (("tocsin_events", turns), ("tocsin_both", turns), ("between", 150),
                              *((p, options.burst) for p in peers)):
            with Media() as media:
                contender = "tocsin_events" if name == "between" else name
                found[name] = outcome(measure(program, kind, contender, records, 0, media))
        own = found["tocsin_events"]
        line(f"tocsin, {options.turns} turns of the files in it", own, None,
             report.verdict(f"burst, {kind}", own["bytes"], BURST_GOAL))
        line("tocsin, between two turns", found["between"], own, "")
        line("tocsin, an older one ends with each", found["tocsin_both"], own, f"{options.turns} turns in it")
        if found["between"]["turns"] > 1:
            raise RuntimeError("a turn where none was meant to be")
        for name in peers:
            line(PEERS[name], found[name], own, "")
        print(f"  a turn comes every {own['records'] / options.turns:,.0f} records; "
              f"{own['waiting']} messages wait")
        turn_share = own["bytes"] - found["between"]["bytes"]  # of the last one: no journal blurs it
    with Media() as media:
        five = outcome(measure(program, "ext4, 4 KiB blocks", "tocsin_five", 15, 0, media))
    print(f"\nrow 11, an event with five recipients: {five['bytes']:,.0f} B, {five['syncs']:.2f} syncs; "
          + report.verdict("syncs of five recipients", five["syncs"], 1))
    return turn_share


def alone(program, options, report, turn_share):
    print(f"\n({options.alone} records alone, {options.gap} s apart, all contenders at the same time: "
          f"{(options.alone + 1) * options.gap} s)", flush=True)
    plan = [(kind, name) for kind, names in (("ext4, 4 KiB blocks", ["tocsin_push", *PEERS]),
                                             ("ext4, 1 KiB blocks", ["tocsin_push", "bare", "growing"]),
                                             ("raw device", ["tocsin_push", "bare"])) for name in names]
    running = {}
    with Media() as media:
        try:
            for kind, name in plan:
                running[kind, name] = measure(program, kind, name, options.alone, options.gap, media)
            found = {key: outcome(process) for key, process in running.items()}
        finally:
            for process in running.values():
                process.kill()
                process.wait()
    for kind in dict.fromkeys(k for k, _ in plan):
        head(f"alone, {options.gap} s apart, {kind}")
        own, bare = found[kind, "tocsin_push"], found[kind, "bare"]
        if kind == "raw device":
            note = report.verdict(f"alone, {kind}", own["bytes"], RAW_GOAL) + "; " + \
                report.verdict(f"flushes, {kind}", own["flushes"], 1)
        else:
            note = report.verdict(f"alone, {kind}", own["bytes"], bare["bytes"], "bare")
        line("tocsin", own, None, note)
        line("tocsin, its share of a turn added", {**own, "bytes": own["bytes"] + turn_share}, own, "sum of two rows")
        for key, value in found.items():
            if key[0] == kind and key[1] in PEERS:
                line(PEERS[key[1]], value, own, "")


def collected(program, contender, *functions):
    """Instructions a call, and calls."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        done = subprocess.run(["valgrind", "--tool=callgrind", *(f"--toggle-collect={f}" for f in functions),
                               "--callgrind-out-file=/dev/null", str(program), contender, folder, "-", "20", "0"],
                              text=True, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"{contender}: status {done.returncode}\n{done.stderr}")
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1)) / figures(done.stdout)["calls"]


def instructions(programs, report):
    print("\nrow 11, instructions a record (callgrind; no system call inside)")
    own = None
    for title, (level, tables, goal) in INSTRUCTIONS.items():
        count = collected(programs[level, tables], "tocsin_push", "measured_tocsin*")
        own = own or count
        note = report.verdict(f"instructions, {title}", count, goal) if goal else ""
        print(f"  {'tocsin, ' + title:40}{count:10,.0f}            {note}")
    # At -O2 with 8 KiB of tables: what the goal's largest parts are.
    for title, functions in (("  of these: CRC", ["tocsin::crc32(*"]),
                             ("  of these: handing over to the thread", ["tocsin::StorageWorker::add*",
                                                                         "tocsin::StorageWorker::outcome_of*"]),
                             ("  beside it: in the storage thread", ["tocsin::FileStore::carry_out*"])):
        print(f"  {title:40}{collected(programs['-O2', 8], 'tocsin_push', *functions):10,.0f}")
    for name, title in PEERS.items():
        count = collected(programs["-O2", 8], name, "measured_" + name.split("_")[0])
        print(f"  {title:40}{count:10,.0f}   {count / own:6.2f} x{'   no CRC' if name in ('bare', 'growing') else ''}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gap", type=int, default=12, help="seconds between records that come alone")
    parser.add_argument("--alone", type=int, default=4, help="records that come alone; 0: leave that out")
    parser.add_argument("--turns", type=int, default=6, help="turns of the files in a burst")
    parser.add_argument("--burst", type=int, default=2000, help="records of a peer in a burst")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    OUT.mkdir(parents=True, exist_ok=True)
    subprocess.run(["sh", "toolchains/deps.sh", "bench"], cwd=ROOT, check=True)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    programs = {(level, tables): build(level, tables) for level, tables, _ in INSTRUCTIONS.values()}
    report = Report()
    if os.geteuid() != 0:
        print("\nrow 11, device bytes: NOT MEASURED: loop devices and mounts need root (sudo make bench)")
        report.missed.append("row 11, device bytes: not measured without root")
    else:
        try:
            turn_share = bursts(programs["-O2", 8], options, report)
            if options.alone > 0:
                alone(programs["-O2", 8], options, report, turn_share)
        except RuntimeError as problem:
            print(f"\nrow 11, device bytes: NOT MEASURED: {problem}")
            report.missed.append("row 11, device bytes: not measured")
    instructions(programs, report)
    print("\nchunkio has no Debian 12 package and is not compared here.")
    for missed in report.missed:
        print(f"not at its goal: {missed}")


if __name__ == "__main__":
    main()
