#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The queue on a UBI volume of NAND flash (pages of 2 KiB, which the kernel's nandsim simulates), again and again cut off.

    make powercut-nand [CUTS=20] [SEED=N]

While messages flow, UBI stops at one of the headers it writes (its own emulated power cut) or the program is killed; then
UBI attaches the chip as it was left and the daemon starts anew. What was acknowledged is at the service or in the queue
each time, and at the end all of it is at the service, in 1 to 3 copies. What cannot serve as `state_device` is said in words.
"""
import os
import random
import sys
import time

import powercut
from accounts import Accounts
from board import BoardError, TOKEN
from harness import Simulator
from machine import PATIENCE_S, Failed, machine_of
from powercut import CUTS, REFUSED, SEED, say

OUT = powercut.OUT.parent / "powercut-nand"
REFUSALS = {"/dev/mtd0": "flash with bad blocks (NAND)", "/dev/ubi0_1": "static UBI volume", "/dev/ubi0": "neither a partition"}


def look(machine, service, accounts):
    if machine.medium() == "failing":
        raise Failed("the daemon does without the medium: " + machine.run("tocsin status; tail -n 20 /run/tocsin.log")[0])
    missing = accounts.wrong + accounts.missing(machine.queue("| grep -v '\"state\":\"accepted\"'"), service.messages())
    if missing:
        raise Failed("\n".join(missing))


def lives(machine, service, cuts, chance):
    accounts, heard, stopped = Accounts(), 0, 0
    for _ in range(cuts):
        service.resume()
        if chance.random() < 0.5:
            service.hold("refuse", drop=True)
        machine.send("flow")
        machine.wait_serial(r"\n(ack|no) ", PATIENCE_S)
        time.sleep(chance.random() * 2)
        if chance.random() < 0.7:
            machine.stop_ubi(chance.choice((2, 4, 8)))
            machine.listen(REFUSED, 20)
        machine.start_anew()
        said, heard = machine.output[heard:], len(machine.output)
        accounts.hear(said)
        stopped += "the medium" in said and "fails" in said
        look(machine, service, accounts)
    service.resume()
    deadline = time.monotonic() + PATIENCE_S
    while machine.run("tocsin queue list --json | grep -q '\"state\":\"queued\"'", PATIENCE_S)[1] == 0:
        if time.monotonic() > deadline:
            raise Failed(f"messages wait although the service is there: {machine.queue()}")
        time.sleep(0.3)
    wrong = accounts.verdict(machine.queue(), service.messages())
    if wrong:
        raise Failed("\n".join(wrong))
    copies = [len(found) for found in accounts.copies(service.messages()).values()]
    say(f"nand: {cuts} cuts, {stopped} of them within UBI; {len(accounts.acknowledged)} messages acknowledged, none lost; "
        f"at most {max(copies)} copies; SEED={SEED}")


def main():
    chance = random.Random(f"nand {SEED}")
    try:
        with Simulator(OUT / "service", tokens=(TOKEN,)) as service, \
                machine_of("nand")(OUT / "nand", "nand", service, "128K") as machine:
            machine.power_on()
            machine.wait_daemon()
            for device, words in REFUSALS.items():
                said, status = machine.run(f"tocsin queue check {device} 2>&1")
                if status != 73 or words not in said:
                    raise Failed(f"{device} is not refused with {words!r}, but: {status} {said}")
            lives(machine, service, min(CUTS, 20), chance)
    except (Failed, BoardError) as failure:
        sys.exit(f"powercut-nand FAILED: {failure}\nthe console: {OUT / 'nand'}\n"
                 f"again: make powercut-nand CUTS={CUTS} SEED={SEED}")


if __name__ == "__main__":
    main()
