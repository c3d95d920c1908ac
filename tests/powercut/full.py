#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A file system without room, on the machines of powercut.py: something else wrote to it until nothing went on it any more.

    make powercut-full [FS=ext4,vfat,jffs2,ubifs]

The queue's files have their size from the beginning. That is room enough where a block is written over in place; a flash
file system writes it to another place and can refuse. So: messages wait, the file system is filled, more messages come, the
power goes, the next start is on the full file system, and then there is room again. Nothing that was acknowledged is lost; the
daemon starts each time; what could not be put on record was sent all the same, and said so (exit status 74).
"""
import os
import re
import shutil
import sys
import time

import powercut
from accounts import Accounts
from board import BoardError, TOKEN
from harness import Simulator
from machine import FILE_SYSTEMS, PATIENCE_S, Failed, machine_of
from powercut import say

OUT = powercut.OUT.parent / "powercut-full"
WANTED = (os.environ.get("FS") or ",".join(FILE_SYSTEMS)).split(",")
WITHOUT_ROOM = 40  # messages of each phase
# Random bytes, since flash file systems compress; then what is left, in small pieces. Twice: they tidy up meanwhile.
FILL = "; ".join(["dd if=/dev/urandom bs=4096 2>/dev/null >>/var/lib/ballast",
                  "dd if=/dev/urandom bs=64 2>/dev/null >>/var/lib/ballast", "sync"] * 2 + ["df /var/lib | tail -n 1"])


def send(machine, text):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        said, status = machine.run(f"tocsin send --to anna --class critical -- '{text}' 2>&1", PATIENCE_S)
        # 75 asks to come again: on a slow machine the daemon may take longer to answer than a command waits.
        if status != 75 or time.monotonic() > deadline:
            return said, status


class Phase:
    """Messages sent on the machine, one after another: their ids and exit statuses."""

    def __init__(self, machine, name, count):
        self.ids, self.statuses, self.why = {}, [], set()
        for n in range(count):
            text = f"{name} {n}"
            said, status = send(machine, text)
            self.statuses.append(status)
            self.why |= {line for line in said.splitlines() if status and line.startswith("tocsin: ")}
            for identifier in re.findall(r"^(dev-[a-z0-9]+-\d+)$", said, re.MULTILINE):  # the log speaks there too
                self.ids[identifier] = (text, status)

    def __str__(self):
        counts = [f"{self.statuses.count(status)} x exit {status}" for status in sorted({*self.statuses})]
        return "; ".join([", ".join(counts), *sorted(self.why)])


def arrived(service, ids):
    return {*ids} <= {m["internal_id"] for m in service.messages()}


def wait(machine, what, true):
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            log, _ = machine.run("tocsin status; tail -n 20 /run/tocsin.log")
            raise Failed(f"{what}: not within {PATIENCE_S} s\n{log}")
        time.sleep(0.5)


def look(machine, service, accounts, when):
    missing = accounts.missing(machine.queue(), service.messages())
    if missing:
        raise Failed(f"{when}:\n" + "\n".join(missing))


def acknowledge(accounts, phase):
    accounts.acknowledged.update({i: text for i, (text, status) in phase.ids.items() if status == 0})


def scenario(kind, service):
    began = time.monotonic()
    service.reset()
    service.clear()
    service.resume()
    accounts = Accounts()
    with machine_of(kind)(OUT / kind, kind, service, "128K") as machine:
        machine.power_on()
        machine.wait_daemon()
        service.hold("refuse", drop=True)
        before = Phase(machine, "before", WITHOUT_ROOM)
        acknowledge(accounts, before)
        if len(accounts.acknowledged) != WITHOUT_ROOM:
            raise Failed(f"with room: {before}")
        room, _ = machine.run(FILL, PATIENCE_S)
        if machine.run("cp /bin/busybox /var/lib/more 2>/dev/null", PATIENCE_S)[1] == 0:
            raise Failed(f"the file system is not full: {room}")
        machine.run("rm -f /var/lib/more")
        full = Phase(machine, "full", WITHOUT_ROOM)
        acknowledge(accounts, full)
        state = machine.medium()
        # It may fail and work again in turns: a flash file system finds some room as it tidies up.
        if any(status not in (0, 74) for status in full.statuses):
            raise Failed(f"without room: {full}")
        service.resume()
        # What was on record when the room went may have to wait for the next record; what is new and urgent goes.
        wait(machine, "messages of the full file system arrive", lambda: arrived(service, full.ids))
        machine.power_cut()
        say(f"  {kind}: {room.strip()}; without room {full}; the medium is said to be {state!r}")

        machine.power_on()
        machine.wait_daemon()
        look(machine, service, accounts, "after a power cut on a full file system")
        again = Phase(machine, "started full", WITHOUT_ROOM)
        acknowledge(accounts, again)
        wait(machine, "messages after a start on the full file system arrive", lambda: arrived(service, again.ids))
        state = machine.medium()
        say(f"  {kind}: started on the full file system: {again}; the medium is said to be {state!r}")

        machine.run("rm /var/lib/ballast; sync", PATIENCE_S)
        wait(machine, "the medium works again", lambda: machine.medium() == "working")
        after = Phase(machine, "after", WITHOUT_ROOM)
        acknowledge(accounts, after)
        if {*after.statuses} != {0}:
            raise Failed(f"with room again: {after}")
        wait(machine, "everything arrives", lambda: arrived(service, accounts.acknowledged))
        machine.power_cut()
        machine.power_on()
        machine.wait_daemon()
        look(machine, service, accounts, "after the room came back and another power cut")
        wrong = accounts.verdict(machine.queue(), service.messages())
        if wrong:
            raise Failed("\n".join(wrong))
        copies = max(len(found) for found in accounts.copies(service.messages()).values())
        say(f"{kind}: full at {room.split()[-2]}: {len(accounts.acknowledged)} messages acknowledged, none lost, at most "
            f"{copies} copies; {time.monotonic() - began:.0f} s")


def main():
    unknown = [kind for kind in WANTED if kind not in FILE_SYSTEMS]
    if unknown:
        sys.exit(f"powercut-full: no file system {unknown[0]!r} here; there are {', '.join(FILE_SYSTEMS)}")
    shutil.rmtree(OUT, ignore_errors=True)
    kind = ""
    try:
        with Simulator(OUT / "service", tokens=(TOKEN,)) as service:
            for kind in WANTED:
                scenario(kind, service)
    except (Failed, BoardError) as failure:
        sys.exit(f"powercut-full FAILED on {kind}: {failure}\nthe medium, the console: {OUT / kind}\n"
                 f"again: make powercut-full FS={','.join(WANTED)}")


if __name__ == "__main__":
    main()
