#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The second half of the power-cut proof: one recorded life of the drive, cut at hundreds of moments.

    make powercut-replay [CUTS=300] [SEED=N]      as root: it mounts images

The board runs for a while, as in powercut.py; its drive writes down every write and every flush, each with how much the
outside had heard and the service had accepted by then. Then, at random requests, the power goes: of the un-flushed sectors each
is kept or lost, the image is mounted here (ext4), and the program, built for this machine, starts on it. What the outside had
heard to be acknowledged before that request must be in its queue, or be at the service; and no message may have had more
copies than its record allows for.

The control does the same with a drive that lies: the flushes of the last LIE_S are left out. It must lose messages.
"""
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
from board import NO_BUDGETS, OUT as BOARDS, TOKEN  # noqa: E402
from harness import Simulator  # noqa: E402
from machine import PATIENCE_S, Failed, Machine  # noqa: E402
from medium import LIE_S, SECTOR, Drive, fate  # noqa: E402

OUT = BOARDS / "powercut-replay"
CUTS = int(os.environ.get("CUTS") or 300)
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 31))
LIVES = 2  # of the board while its drive is recorded
FLOW_S = 12  # of each
LOG_LAG_S = 5  # until what the log said has come out
PROGRAM = os.environ.get("TOCSIN_PC", "build/musl/tocsin.stripped")
CONFIGURATION = """\
[device]
name    = dev
state   = {folder}/medium/tocsin
control = {folder}/control

[stream sms]
type       = marketing
base_url   = https://localhost:9
token_file = {folder}/token
ca_file    = {ca_file}
retry_min  = 1h
retry_max  = 1h
status_for = off
"""


class Recorder(Drive):
    """A drive that writes down what it is asked for. An event: (offset, data), or None for a flush that is done."""

    def __init__(self, path, address, heard, accepted):
        super().__init__(path, address)
        self.events, self.heard, self.accepted = [], heard, accepted

    def _note(self, what):
        self.events.append((what, time.monotonic(), self.heard(), self.accepted()))

    def _write(self, offset, data):
        super()._write(offset, data)
        self._note((offset, data))

    def _flush(self):
        super()._flush()
        self._note(None)


class Tape(Machine):
    """The board with a drive that is recorded."""

    def __init__(self, folder, service, size):
        self.journal = pathlib.Path(service.directory) / "messages.jsonl"
        self.earlier = ""
        super().__init__(folder, "ext4", service, size)
        self.blank = self.image.read_bytes()

    def new_medium(self):
        super().new_medium()
        self.disk.close()
        (self.sockets / "disk").unlink()
        self.disk = Recorder(self.image, str(self.sockets / "disk"), lambda: len(self.earlier) + len(self.output),
                             lambda: self.journal.stat().st_size if self.journal.exists() else 0)

    def power_cut(self, keep=None):
        lost = super().power_cut(keep)
        self.earlier += self.heard
        self.output = ""
        return lost


def record(service, chance):
    """Returns the image before, the events, all that was heard, and the service's journal of accepted copies."""
    with Tape(OUT / "board", service, "128K") as board:
        for _ in range(LIVES):
            board.power_on()
            board.wait_daemon()
            board.send("flow")
            board.wait_serial(r"\nack ", PATIENCE_S)
            for mood in chance.sample(("fair", "deaf", "away"), 3):
                service.clear()
                service.resume()
                if mood == "deaf":
                    service.rule("drop", at="accepted", p=0.5, seed=chance.randrange(1 << 30))
                elif mood == "away":
                    service.hold("refuse", drop=True)
                time.sleep(FLOW_S / 3)
            # The cache of the drive is lost as a whole, so that the next life begins where its last flush ended.
            board.power_cut()
            board.disk.events.append(("cut", time.monotonic(), len(board.earlier), board.journal.stat().st_size))
        return board.blank, board.disk.events, board.earlier, board.journal.read_bytes()


class Replay:
    """The drive, played again up to an event."""

    def __init__(self, image, events, lies):
        self.image, self.events, self.lies = bytearray(image), events, lies
        self.at, self.cache = 0, {}

    def play(self, to):
        while self.at < to:
            what, now, _, _ = self.events[self.at]
            if what == "cut":
                self.cache.clear()
            elif what is None:
                self._flush(now - LIE_S if self.lies else now)
            else:
                offset, data = what
                for n in range(0, len(data), SECTOR):
                    self.cache.setdefault((offset + n) // SECTOR, []).append((self.at, now, data[n:n + SECTOR]))
            self.at += 1

    def _flush(self, until):
        held = {}
        for sector, versions in self.cache.items():
            old = [data for _, written, data in versions if written <= until]
            if old:
                self.image[sector * SECTOR:(sector + 1) * SECTOR] = old[-1]
            if len(old) < len(versions):
                held[sector] = versions[len(old):]
        self.cache = held

    def cut(self, chance):
        after = bytearray(self.image)
        kept = (lambda _number, _sector: False) if self.lies else fate(chance, self.at - 1)
        for sector, versions in self.cache.items():
            for number, _, data in versions:
                if kept(number, sector):
                    after[sector * SECTOR:(sector + 1) * SECTOR] = data
        return after


def queue_of(image, folder):
    """Mounts the image, starts the program on it, and lists its queue."""
    (folder / "image").write_bytes(image)
    mount = folder / "medium"
    mount.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", "-t", "ext4", folder / "image", mount], check=True, capture_output=True)
    daemon = None
    command = [PROGRAM, "-c", str(folder / "conf")]
    try:
        with open(folder / "daemon.log", "wb") as log:
            daemon = subprocess.Popen([*command, "run"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while b'"running":true' not in subprocess.run([*command, "status", "--json"], capture_output=True).stdout:
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise Failed("the daemon does not start: " + (folder / "daemon.log").read_text()[-2000:])
            time.sleep(0.01)
        listed = subprocess.run([*command, "queue", "list", "--json"], capture_output=True, check=True, text=True)
        return [json.loads(line) for line in listed.stdout.splitlines()]
    finally:
        if daemon is not None:
            daemon.kill()
            daemon.wait()
        subprocess.run(["umount", mount], check=True)


def judge(queue, heard, soon, journal):
    """What is wrong with a queue, after the outside had heard this and the service had accepted that, and it heard `soon`."""
    accounts = Accounts()
    accounts.hear(heard)
    accounts.overhear(soon)
    lines = [json.loads(line) for line in journal.decode().split("\n")[:-1]]
    copies = [line for line in lines if line["kind"] == "accepted"]
    wrong = accounts.wrong + accounts.missing(queue, copies)
    record = {m["id"]: m for m in queue}
    for identifier, found in accounts.copies(copies).items():
        mine = record.get(identifier)
        if mine and mine["state"] == "queued" and len(found) > mine["attempts"] + 1:
            wrong.append(f"{identifier} went out {len(found)} times, and its record knows of {mine['attempts']} attempts")
    return wrong, len(accounts.acknowledged)


def storm(tape, cuts, chance, lies):
    """Cuts the tape; returns (how many cuts did not find something that was acknowledged, acknowledgements asked for)."""
    image, events, heard, journal = tape
    replay = Replay(image, events, lies)
    bad = asked = 0
    for at in sorted(chance.choices(range(1, len(events) + 1), k=cuts)):
        replay.play(at)
        _, now, told, accepted = events[at - 1]
        cut = replay.cut(chance)
        try:
            queue = queue_of(cut, OUT)
        except subprocess.CalledProcessError as error:
            raise Failed(f"request {at}: {error.cmd[0]}: {error.stderr}") from None
        soon = max(event[2] for event in events if event[1] <= now + LOG_LAG_S)
        wrong, acknowledged = judge(queue, heard[:told], heard[told:soon], journal[:accepted])
        asked += acknowledged
        bad += bool(wrong)
        if wrong and not lies:
            raise Failed(f"power cut behind request {at} of {len(events)}:\n" + "\n".join(wrong[:20]))
    return bad, asked


def main():
    say = lambda text: print(text, flush=True)  # noqa: E731
    if os.geteuid() != 0:
        sys.exit("powercut-replay: mounts images, so it has to be root")
    chance = random.Random(f"replay {SEED}")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    try:
        with Simulator(OUT / "service", tokens=(TOKEN,)) as service:
            began = time.monotonic()
            tape = record(service, chance)
            (OUT / "token").write_text("x\n")
            (OUT / "token").chmod(0o600)
            configuration = CONFIGURATION.format(folder=OUT.resolve(), ca_file=os.path.abspath(service.ca_file))
            (OUT / "conf").write_text(configuration + NO_BUDGETS)
        flushes = sum(event[0] is None for event in tape[1])
        say(f"recorded: {len(tape[1])} requests, {flushes} of them flushes; {time.monotonic() - began:.0f} s; SEED={SEED}")
        lost, _ = storm(tape, max(10, CUTS // 20), chance, lies=True)
        if lost == 0:
            raise Failed("a drive that lies about flushes loses nothing: the rig cannot lose data")
        say(f"control, a drive that lies: {lost} of {max(10, CUTS // 20)} cuts lost acknowledged messages")
        began = time.monotonic()
        _, asked = storm(tape, CUTS, chance, lies=False)
        say(f"ext4: {CUTS} cuts of the recorded drive, {asked} times an acknowledged message was looked for; losses 0; "
            f"{time.monotonic() - began:.0f} s")
    except Failed as failure:
        sys.exit(f"powercut-replay FAILED: {failure}\nthe medium: {OUT / 'image'}\n"
                 f"again: make powercut-replay CUTS={CUTS} SEED={SEED}")


if __name__ == "__main__":
    main()
