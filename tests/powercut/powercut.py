#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The power-cut proof: the real program on a real kernel and a real file system, whose power goes at random moments.

    make powercut [FS=ext4,vfat,jffs2,ubifs] [CUTS=150] [SEED=N]   CUTS for each file system
    make powercut-slice [SEED=N]                                   a few on one of them, which the seed chooses
    make powercut-replay [CUTS=300] [SEED=N]                       one recorded life, cut at hundreds of requests (replay.py)
    make powercut-full [FS=jffs2,ubifs]                            a file system without room (full.py)
    make powercut-nand [CUTS=20] [SEED=N]                          UBI on simulated NAND (nand.py)

A machine (QEMU, Debian's kernel as it ships) runs the cross-compiled program on a medium that loses at a power cut
what a real one may lose (medium.py): each sector that was written and not flushed is kept or lost, by chance. Three
senders on it let messages and alarms flow, and tell each acknowledgement to the outside once the command ended with 0;
the simulated service outside answers, is slow, loses its answers, or is away. Then the machine is killed and the medium
forgets, perhaps while it mounts, recovers or makes its queue, and the next life begins on what is left.

At each start: the file system mounts, the daemon answers, and whatever was acknowledged is at the service or in the
queue. At the end of each medium (it is made anew every few cuts, with another size of queue): all of it is at the
service, in 1 to 3 copies, or on record with a reason; no id stands for two texts; what the queue calls accepted is
known there.

A file system without a journal gets at each start what devices give it, a check that repairs it (vfat: `fsck.fat -a`,
on the image). Without that the kernel makes it read-only at the first oddity, and the daemon ends with 73.

A rig that cannot lose proves nothing: a control with a medium that lies (a drive that says yes to a flush and does not
do it, flash that falls back two) comes first, and if that loses no message, the run fails.

ext4 and vfat lie on a drive of the emulated ARM board, jffs2 in flash memory of an emulated PC, whose writes are there
at once and to the byte. ubifs lies with UBI on a chip of NOR flash behind the SPI controller of another ARM board, page by
page; the kernel's own emulated power cuts tear its writes. No start comes from a snapshot: the kernel would draw the same
random numbers again. Not tried: NAND flash with its own errors, real hardware. mtd and ubi are the flash of jffs2
and ubifs without a file system.
After a failure the folder that is named holds the console and disk-before.img, the medium as the last cut left it.
"""
import collections
import os
import pathlib
import random
import re
import shutil
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "device"), str(HERE.parent / "simulator")]
from accounts import Accounts  # noqa: E402
from board import OUT as BOARDS, TOKEN, BoardError  # noqa: E402
from harness import Simulator  # noqa: E402
from machine import MEDIA, PATIENCE_S, Failed, machine_of  # noqa: E402
from medium import LIE_S  # noqa: E402

OUT = BOARDS / "powercut"
CUTS = int(os.environ.get("CUTS") or 150)
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 31))
WANTED = (os.environ.get("FS") or ",".join(MEDIA)).split(",")
CONTROL_CUTS = 8
INSIDE_S = 10  # for the cut within a write
REFUSED = "the medium .* fails"  # in the log, behind that


def say(text):
    print(text, flush=True)


class Storm:
    """Cuts on one file system."""

    def __init__(self, kind, cuts, seed, service):
        self.kind, self.left, self.service = kind, cuts, service
        self.chance = random.Random(f"{kind} {seed}")
        self.folder = OUT / kind
        self.figures = collections.Counter()
        self.copies = collections.Counter()
        self.began = time.monotonic()
        self.ids = set()

    def run(self):
        while self.left:
            self.medium(min(self.left, self.chance.choice((3, 10, 15, 25))))
            say(self.line() if self.left == 0 else f"  {self.kind}: {self.figures['cuts']} cuts, "
                f"{self.figures['acknowledged']} messages acknowledged, {time.monotonic() - self.began:.0f} s")

    def line(self):
        figures = self.figures
        copies = ", ".join(f"{self.copies[n]} x{n}" for n in sorted(self.copies))
        return (f"{self.kind}: {figures['cuts']} cuts ({figures['early']} while it mounted, started or recovered; "
                f"{figures['inside']} within a write of the file system; "
                f"{figures['lossy']} lost something un-flushed, {figures['sectors']} sectors), "
                f"{figures['media']} media, {figures['repairs']} repairs before mounting, {figures['acknowledged']} messages acknowledged; "
                f"copies: {copies}; not sent: {figures['gave way']} gave way in a full queue, named in the log, "
                f"{figures['untold']} did and the power went before the log named them, "
                f"{figures['on record']} on record why; losses 0; "
                f"{time.monotonic() - self.began:.0f} s; SEED={SEED}")

    def medium(self, cuts):
        self.figures["media"] += 1
        self.service.reset()
        accounts = Accounts()
        size = self.chance.choice(("64K", "64K", "128K", "512K"))
        with machine_of(self.kind)(self.folder, self.kind, self.service, size) as machine:
            for _ in range(cuts):
                self.life(machine, accounts)
                self.left -= 1
            self.settle(machine, accounts)
            self.figures["repairs"] += machine.repairs

    def life(self, machine, accounts):
        chance = self.chance
        self.weather()
        machine.disk.flush_s = chance.choice((0, 0.004, 0.02, 0.05))
        machine.power_on()
        if chance.random() < 0.3 and self.figures["cuts"]:
            self.figures["early"] += 1
            if chance.random() < 0.8:
                machine.disk.wait_flush(chance.randint(1, 12), 1)
        else:
            self.check(machine, accounts)
            machine.send("flow")
            if chance.random() < 0.9:
                machine.wait_serial(r"\n(ack|no) ", PATIENCE_S)
            if chance.random() < 0.5 and machine.cut_inside(chance):
                machine.listen(REFUSED, INSIDE_S)
            time.sleep(chance.choice((0.2, 0.8, 2.5)) * chance.random())
            if chance.random() < 0.7:
                machine.disk.wait_flush(1, 1)
        time.sleep(chance.random() * chance.choice((0, 0.001, machine.disk.flush_s, 0.1)))
        if machine.process.poll() is not None:
            raise BoardError(f"the emulator ended by itself; see {machine.console_log}")
        lost = machine.power_cut(chance)
        accounts.hear(machine.heard)
        if "daemon: ended" in machine.heard:
            raise Failed("the daemon ended by itself; see the console")
        self.figures["cuts"] += 1
        self.figures["inside"] += re.search(REFUSED, machine.heard) is not None
        self.figures["sectors"] += lost
        self.figures["lossy"] += lost > 0

    def weather(self):
        """How the service is in this life of the machine."""
        service, chance = self.service, self.chance
        service.clear()
        service.resume()
        kind = chance.choices(("fair", "slow", "deaf", "away", "silent"), (2, 2, 2, 3, 1))[0]
        if kind == "slow":
            service.rule("slow", delay=0.2, p=0.7, seed=chance.randrange(1 << 30))
        elif kind == "deaf":
            service.rule("drop", at="accepted", p=0.5, seed=chance.randrange(1 << 30))
        elif kind == "away":
            service.hold("refuse", drop=True)
        elif kind == "silent":
            service.hold("stall")

    def check(self, machine, accounts):
        machine.wait_daemon()
        if machine.medium() == "failing":
            raise Failed("the daemon does without the medium: " + machine.run("tocsin status; tail -n 20 /run/tocsin.log")[0])
        queue = machine.queue("| grep -v '\"state\":\"accepted\"'")
        missing = accounts.wrong + accounts.missing(queue, self.service.messages())
        if missing:
            raise Failed("\n".join(missing))

    def settle(self, machine, accounts):
        """A last life with the service in good health: every message comes to its end."""
        self.service.clear()
        self.service.resume()
        machine.power_on()
        self.check(machine, accounts)
        deadline = time.monotonic() + PATIENCE_S
        while machine.run("tocsin queue list --json | grep -q '\"state\":\"queued\"'", PATIENCE_S)[1] == 0:
            if time.monotonic() > deadline:
                raise Failed(f"messages wait although the service is there: {machine.queue()}")
            time.sleep(0.3)
        queue, messages = machine.queue(), self.service.messages()
        wrong = accounts.verdict(queue, messages)
        again = self.ids & {*accounts.acknowledged, *(m["internal_id"] for m in messages)}
        wrong += [f"{i} was an id on an earlier medium" for i in again]
        self.ids |= {*accounts.acknowledged, *(m["internal_id"] for m in messages)}
        copies = accounts.copies(messages)
        self.copies.update(len(found) for found in copies.values())
        self.figures["acknowledged"] += len(accounts.acknowledged)
        unsent = [i for i in accounts.acknowledged if not copies[i]]
        self.figures["gave way"] += sum(i in accounts.gave_way for i in unsent)
        self.figures["untold"] += sum(i in accounts.untold for i in unsent)
        self.figures["on record"] += sum(i not in accounts.gave_way and i not in accounts.untold for i in unsent)
        if wrong:
            raise Failed("\n".join(wrong))


def control(kind, service, seed):
    """The same on a medium that lies: how many acknowledged messages it lost."""
    chance = random.Random(f"control {kind} {seed}")
    service.reset()
    service.resume()
    service.hold("refuse", drop=True)  # so that they wait
    accounts = Accounts()
    began = time.monotonic()
    with machine_of(kind)(OUT / f"control-{kind}", kind, service, "512K", lies=True) as machine:
        for cuts in range(1, CONTROL_CUTS + 1):
            machine.power_on()
            machine.wait_daemon()
            machine.send("flow")
            machine.wait_serial(r"\nack ", PATIENCE_S)
            time.sleep(chance.uniform(1, 1.5) * LIE_S)
            machine.power_cut()
            accounts.hear(machine.heard)
            machine.power_on()
            machine.wait_daemon()
            missing = accounts.wrong + accounts.missing(machine.queue(), service.messages())
            machine.power_cut()
            if missing:
                say(f"control, {kind} on a medium that lies: after {cuts} cut(s) {len(missing)} of "
                    f"{len(accounts.acknowledged)} acknowledged messages were found missing; "
                    f"{time.monotonic() - began:.0f} s")
                return
    raise Failed("a medium that lies loses nothing: the rig cannot lose data")


def main():
    unknown = [kind for kind in WANTED if kind not in MEDIA]
    if unknown:
        sys.exit(f"powercut: no medium {unknown[0]!r} here; there are {', '.join(MEDIA)}")
    say(f"power cuts with SEED={SEED}: {CUTS} on each of {', '.join(WANTED)}")
    shutil.rmtree(OUT, ignore_errors=True)
    place = ""
    try:
        with Simulator(OUT / "service", tokens=(TOKEN,)) as service:
            for kind in dict.fromkeys("ext4" if kind == "vfat" else kind for kind in WANTED):
                place = f"control-{kind}"
                control(kind, service, SEED)
            for place in WANTED:
                Storm(place, CUTS, SEED, service).run()
    except (Failed, BoardError) as failure:
        sys.exit(f"powercut FAILED on {place}: {failure}\n"
                 f"the medium, the console and the service's journal: {OUT / place}, {OUT / 'service'}\n"
                 f"again: make powercut FS={','.join(WANTED)} CUTS={CUTS} SEED={SEED}")


if __name__ == "__main__":
    main()
