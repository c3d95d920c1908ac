#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The power-cut proof: the real program on a real kernel and a real file system, whose power goes at random moments.

    make powercut [FS=ext4,vfat] [CUTS=150] [SEED=N]     CUTS for each file system
    make powercut-slice                                  a minute of it

A machine (QEMU, Debian's kernel as it ships) runs the cross-compiled program on a medium that loses at a power cut what a real
one may lose (medium.py): each sector that was written and not flushed is kept or lost, by chance. Three senders on it
let messages and alarms flow, and tell each acknowledgement to the outside once the command ended with 0; the simulated
service outside answers, is slow, loses its answers, or is away. Then the machine is killed and the medium forgets, perhaps
while it mounts, recovers or makes its queue, and the next life begins on what is left.

A journal-less file system gets what devices give it at each start, a check that repairs it (vfat: `fsck.fat -a`, on the
image); otherwise its kernel driver refuses to write from the first oddity on.

At each start: the file system mounts, the daemon answers, and whatever was acknowledged is at the service or in the
queue. At the end of each medium (it is made anew every few cuts, with another size of queue): all of it is at the
service, in 1 to 3 copies, or on record with a reason; no id stands for two texts; what the queue calls accepted is known there.

A rig that cannot lose proves nothing: a control with a drive that says yes to a flush and does not do it comes first,
and if that loses no message, the run fails.

After a failure build/board/powercut/FS holds the console and disk-before.img, the medium as the cut left it.
"""
import collections
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "device"), str(HERE.parent / "simulator")]
from accounts import Accounts  # noqa: E402
from board import DEPS, OUT as BOARDS, TOKEN, Board, BoardError, program_and_files, stream_to  # noqa: E402
from harness import Simulator  # noqa: E402
from medium import Drive, make_ext4, make_vfat, repair_vfat  # noqa: E402

OUT = BOARDS / "powercut"
CUTS = int(os.environ.get("CUTS") or 150)
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 31))
MAKE = {"ext4": make_ext4, "vfat": make_vfat}
REPAIR = {"vfat": repair_vfat}
FILE_SYSTEMS = (os.environ.get("FS") or "ext4,vfat").split(",")
PATIENCE_S = 120
CONTROL_CUTS = 8

CONFIGURATION = """\
[device]
name  = dev
state = /var/lib/tocsin
queue_size = {size}
"""
PEOPLE = """
[contact ben]
phone = +44 7700 900456

[contact cleo]
phone = +44 7700 900789

[group oncall]
members = anna, ben, cleo

[alarm door]
to         = anna, ben
text       = {device}: door open
clear_text = {device}: door shut
"""


class Failed(Exception):
    """The program did not keep a promise."""


def say(text):
    print(text, flush=True)


class Machine(Board):
    """A board with one medium, from its making to its end."""

    def __init__(self, folder, kind, service, size, lies=False):
        configuration = CONFIGURATION.format(size=size) + stream_to(service) + PEOPLE
        more = DEPS / "powercut" / kind
        names = (more / "list").read_text().split() if more.exists() else []
        super().__init__(folder, {
            **program_and_files(service),
            "/init": HERE / "init",
            "/bin/flow": HERE / "flow",
            "/etc/mount-medium": f"mount -t {kind} /dev/vda /var/lib\n".encode(),
            "/etc/tocsin/tocsin.conf": configuration.encode(),
            "/lib/modules/list-more": "\n".join(names).encode(),
            **{f"/lib/modules/{name}": more / name for name in names},
        })
        self.image = self.folder / "disk.img"
        self.disk.close()
        (self.sockets / "disk").unlink()
        MAKE[kind](self.image)
        self.disk = Drive(self.image, str(self.sockets / "disk"), lies)
        self.heard = ""
        self.repair = REPAIR.get(kind)
        self.repairs = 0

    def power_on(self, timeout=PATIENCE_S):
        subprocess.run(["cp", "--sparse=always", self.image, self.folder / "disk-before.img"], check=True)
        if self.repair:
            self.repairs += self.repair(self.image)
        return super().power_on(timeout)

    def power_cut(self, keep=None):
        process, lost = self.process, super().power_cut(keep)
        while process and not process.stdout.closed:  # until the last byte it said was read
            time.sleep(0.001)
        self.heard = self.output if process else ""
        return lost

    def wait_daemon(self):
        said = self.wait_serial(r"(medium: does not mount|daemon: [a-z][^\r\n]*)\r?\n", PATIENCE_S)[1]
        if said != "daemon: answers":
            log, _ = self.run("dmesg | tail -n 15; ls -la /var/lib /var/lib/tocsin; tail -n 30 /run/tocsin.log")
            raise Failed(f"{said}\n{log}")

    def queue(self, only=""):
        output, status = self.run(f"tocsin queue list --json {only}", PATIENCE_S)
        if status not in (0, 1) or (status and not only):
            raise Failed(f"`queue list` ended with {status}: {output[-500:]}")
        return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


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
        say(self.line())

    def line(self):
        figures = self.figures
        copies = ", ".join(f"{self.copies[n]} x{n}" for n in sorted(self.copies))
        return (f"{self.kind}: {figures['cuts']} cuts ({figures['early']} while it mounted, started or recovered; {figures['lossy']} lost "
                f"something un-flushed, {figures['sectors']} sectors), {figures['media']} media, {figures['repairs']} repairs before mounting, "
                f"{figures['acknowledged']} messages acknowledged; copies: {copies}; not sent and on record why {figures['on record']}; losses "
                f"{figures['losses']}; {time.monotonic() - self.began:.0f} s")

    def medium(self, cuts):
        self.figures["media"] += 1
        self.service.reset()
        accounts = Accounts()
        size = self.chance.choice(("64K", "64K", "128K", "512K"))
        with Machine(self.folder, self.kind, self.service, size) as machine:
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
        if chance.random() < 0.3:
            self.figures["early"] += 1
            if chance.random() < 0.8:
                machine.disk.wait_flush(chance.randint(1, 12), 1)
        else:
            self.check(machine, accounts)
            machine.send("flow")
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
        self.figures["on record"] += sum(not copies[i] for i in accounts.acknowledged)
        if wrong:
            raise Failed("\n".join(wrong))


def control(service, seed):
    """The same with a drive that lies about flushes; returns how many acknowledged messages it lost."""
    chance = random.Random(f"control {seed}")
    service.reset()
    service.resume()
    service.hold("refuse", drop=True)  # so that they wait
    accounts = Accounts()
    began = time.monotonic()
    with Machine(OUT / "control", "ext4", service, "512K", lies=True) as machine:
        for cuts in range(1, CONTROL_CUTS + 1):
            machine.power_on()
            machine.wait_daemon()
            machine.send("flow")
            time.sleep(chance.uniform(1, 2))
            machine.power_cut()
            accounts.hear(machine.heard)
            machine.power_on()
            machine.wait_daemon()
            missing = accounts.wrong + accounts.missing(machine.queue(), service.messages())
            machine.power_cut()
            if missing:
                say(f"control, a drive that lies about flushes: after {cuts} cut(s) {len(missing)} of "
                    f"{len(accounts.acknowledged)} acknowledged messages were found missing; {time.monotonic() - began:.0f} s")
                return len(missing)
    return 0


def main():
    unknown = [kind for kind in FILE_SYSTEMS if kind not in MAKE]
    if unknown:
        sys.exit(f"powercut: no file system {unknown[0]!r} here; there are {', '.join(MAKE)}")
    say(f"power cuts with SEED={SEED}: {CUTS} on each of {', '.join(FILE_SYSTEMS)}")
    shutil.rmtree(OUT, ignore_errors=True)
    kind = "control"
    try:
        with Simulator(OUT / "service", tokens=(TOKEN,)) as service:
            if control(service, SEED) == 0:
                raise Failed("a drive that lies about flushes loses nothing: the rig cannot lose data")
            for kind in FILE_SYSTEMS:
                Storm(kind, CUTS, SEED, service).run()
    except (Failed, BoardError) as failure:
        sys.exit(f"powercut FAILED on {kind}: {failure}\n"
                 f"the medium: {OUT / kind / 'disk-before.img'}\n"
                 f"again: make powercut FS={','.join(FILE_SYSTEMS)} CUTS={CUTS} SEED={SEED}")


if __name__ == "__main__":
    main()
