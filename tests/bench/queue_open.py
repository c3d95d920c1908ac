# SPDX-License-Identifier: MIT
"""Row 13: finding again what waits, and how that grows with its number."""
import contextlib
import pathlib
import shutil
import tempfile

from queue_media import MEMORY, build, collected, figures, run

WAITING = 10_000
DEPTHS = (100, 1_000, 10_000, 100_000)
# What 100,000 messages of 300 bytes take; the blocks of a job are memory for the scan. Nothing else is changed.
LARGE = {"kMaxMessages": 102_400, "kMaxBlocks": 32_768, "kJobBlocks": 40}
PEERS = {"lmdb": "LMDB", "sqlite_wal": "SQLite, WAL", "sqlite_rollback": "SQLite, rollback"}
GOAL = 16_000_000
SAMPLE = {"tocsin": b"aaaaaaaa", "bare": bytes(i * 7 % 256 for i in range(8))}  # a piece of a body
PUSHES = 20


@contextlib.contextmanager
def filled(program, contender, waiting):
    folder = tempfile.mkdtemp(prefix="tocsin-bench-", dir=MEMORY)
    try:
        run(program, "fill", contender, folder, waiting)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def damaged(program, contender, waiting):
    """One byte of one body is another one: that record must be missed, or no CRC is checked."""
    with filled(program, contender, waiting) as folder:
        for path in pathlib.Path(folder).iterdir():
            content = bytearray(path.read_bytes())
            at = content.find(SAMPLE[contender], len(content) // 10)
            if at >= 0:
                content[at + 2] ^= 1
                path.write_bytes(content)
        run(program, "check", contender, folder, waiting - 1, 0)


def opened(program, contender, waiting, task="open"):
    """Instructions, and what the process says of its memory, natively."""
    with filled(program, contender, waiting) as folder:
        found = figures(run(program, task, contender, folder, waiting, 0))
        count = collected(program, f"measured_open_{contender.split('_')[0]}", task, contender, folder, waiting, 0)
    return {"instructions": count, **found}


def pushed(program, contender, waiting):
    with filled(program, contender, waiting) as folder:
        count = collected(program, f"measured_{contender}*", "open", contender, folder, waiting, PUSHES)
    return count / PUSHES


def line(name, found, own=None):
    ratio = f"{found['instructions'] / own['instructions']:8.3f} x" if own else ""
    print(f"  {name:44}{found['instructions']:14,} {ratio:10}{found['anonymous']:8,} {found['share']:8,} "
          f"{found['mallocs']:8,}", flush=True)


def measure(program, report):
    print(f"\nrow 13, open with {WAITING:,} waiting: every record of 300 bytes is found again and its body was looked at"
          f"\n  {'':44}{'instructions':>14} {'':10}{'KiB own':>8} {'KiB PSS':>8} {'mallocs':>8}")
    own = opened(program, "tocsin", WAITING)
    line("tocsin, every CRC checked", own)
    floor = {task: opened(program, "bare", WAITING, task) for task in ("open", "check")}
    line("bare, heads alone", floor["open"], own)
    line("bare, every CRC checked", floor["check"], own)
    for name in SAMPLE:
        damaged(program, name, WAITING)
    peers = {}
    for name, title in PEERS.items():
        line(f"{title}, nothing checked", opened(program, name, WAITING), own)
        found = opened(program, name, WAITING, "check")
        line(f"{title}, a CRC over each body", found, own)
        peers[title] = found["instructions"]
    report.goal(13, "instructions to open, every CRC checked", own["instructions"], GOAL, floor["check"]["instructions"],
                peers)
    report.goal(13, "mallocs to open", own["mallocs"], 0)
    grow(report)


def grow(report):
    program = build(limits=LARGE)
    print(f"\nrow 13, growth (built for {LARGE['kMaxMessages']:,} messages; the file is as small as 40 % allow)\n"
          f"  {'waiting':>10}{'open, instructions':>20}{'a message':>11}{'KiB touched':>13}{'KiB reserved':>14}"
          f"{'enqueue, instructions':>23}")
    found = {}
    for waiting in DEPTHS:
        found[waiting] = one = opened(program, "tocsin", waiting)
        one["push"] = pushed(program, "tocsin", waiting)
        print(f"  {waiting:>10,}{one['instructions']:>20,}{one['instructions'] / waiting:>11,.0f}{one['anonymous']:>13,}"
              f"{one['reserved']:>14,}{one['push']:>23,.0f}", flush=True)
    low, high = found[DEPTHS[-2]], found[DEPTHS[-1]]
    report.goal(13, "open: 100,000 / 10,000 waiting", high["instructions"] / low["instructions"], 10.5)
    report.goal(13, "enqueue: 100,000 / 100 waiting", high["push"] / found[DEPTHS[0]]["push"], 1.1)
    report.goal(13, "KiB reserved: 100,000 / 100 waiting", high["reserved"] / found[DEPTHS[0]]["reserved"], 1)
    peers = {title: opened(program, name, DEPTHS[-1], "check")["instructions"] /
             opened(program, name, DEPTHS[-2], "check")["instructions"] for name, title in PEERS.items()}
    print("  peers, 100,000 / 10,000: " + ", ".join(f"{title} {value:.2f}" for title, value in peers.items()))
