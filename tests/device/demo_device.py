#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The cross-compiled program on the emulated ARM board, against the simulated service on this machine.

A contact closes and its message arrives; the service goes away, two more alarms happen, power is cut while they
wait; power and service come back: every message arrives, exactly once. `make demo-device` runs it.
"""
import json
import pathlib
import sys
import tempfile
import time

from board import OUT, TOKEN, Board, program_and_files, stream_to

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulator"))
from harness import Simulator  # noqa: E402

PUMP, DOOR = 5, 6  # lines of the board's GPIO controller
TOCSIN = "tocsin -c /etc/tocsin/tocsin.conf"

DEVICE = """\
[device]
name  = pump-house
state = /var/lib/tocsin
"""

ALARMS = """
[alarm high-level]
gpio       = gpiochip0:5
active     = high
debounce   = 20ms
class      = critical
to         = anna
stream     = sms
text       = {device}: sump level high
clear_text = {device}: sump level normal again

[alarm door]
gpio       = gpiochip0:6
active     = high
debounce   = 20ms
class      = critical
to         = anna
stream     = sms
text       = {device}: door open
"""


class DemoFailed(Exception):
    pass


def expect(truth, otherwise):
    if not truth:
        raise DemoFailed(otherwise)


def say(text):
    print(text, flush=True)


def start_daemon(board):
    board.run(f"mkdir -p /run/tocsin; {TOCSIN} run >>/run/tocsin.log 2>&1 & echo $! >/run/tocsin.pid")
    deadline = time.monotonic() + 30
    while board.run(f"{TOCSIN} status >/dev/null 2>&1")[1] != 0:
        expect(time.monotonic() < deadline, "the daemon does not answer `status` within 30 s")
        time.sleep(0.2)


def queue(board):
    output, status = board.run(f"{TOCSIN} queue list --json 2>/dev/null")
    expect(status == 0, f"`queue list` ended with {status}")
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def wait_queue(board, wanted, what):
    deadline = time.monotonic() + 30
    while not wanted(queue(board)):
        expect(time.monotonic() < deadline, f"{what}: not so within 30 s; the queue is {queue(board)}")
        time.sleep(0.2)


def waiting(messages):
    return [message["text"] for message in messages if message["state"] == "queued"]


def story(board, service):
    say(f"power on: {board.power_on()}")
    start_daemon(board)
    memory = board.run("grep -h -e ^Pss: -e ^VmRSS: /proc/$(cat /run/tocsin.pid)/smaps_rollup")[0].split()
    say("daemon runs" + (f"; its memory is {memory[1]} KiB (PSS)" if len(memory) > 1 else ""))

    board.run("sync")
    before = board.disk.bytes, board.disk.flushes
    for count, level, what in ((1, 1, "name look-up and TLS handshake included"), (2, 0, "connection kept")):
        edge = board.set_line(PUMP, level)
        expect(service.wait(distinct=count, timeout=30), "no message within 30 s of the edge")
        say(f"line {PUMP} goes {'high' if level else 'low'}: its message is at the service "
            f"{1000 * (time.monotonic() - edge):.0f} ms later (20 ms of it debounce; {what})")
        wait_queue(board, lambda messages, count=count: len(messages) == count and not waiting(messages),
                   "the message leaves the queue")
    say(f"  the drive took {board.disk.bytes - before[0]} bytes and {board.disk.flushes - before[1]} flushes for both")

    service.stop()
    say("the service is gone")
    board.set_line(DOOR, 1)
    board.set_line(PUMP, 1)
    wait_queue(board, lambda messages: len(waiting(messages)) == 2, "two messages wait")
    say(f"lines {DOOR} and {PUMP} go high; waiting: {waiting(queue(board))}")

    lost = board.power_cut()
    say(f"power cut; the drive forgot {lost} sectors that were not flushed")
    service.start()
    on = time.monotonic()
    say(f"service back, power on: {board.power_on()}")
    expect(len(waiting(queue(board))) == 2, f"after the cut these wait: {queue(board)}")
    start_daemon(board)
    expect(service.wait(distinct=4, timeout=60), "the waiting messages did not arrive within 60 s")
    say(f"both messages are at the service {time.monotonic() - on:.1f} s after power on")

    wait_queue(board, lambda messages: not waiting(messages), "nothing waits any more")
    board.run(f"kill $(cat /run/tocsin.pid); wait; {TOCSIN} queue check")
    copies = sorted(message["text"] for message in service.messages())
    high, normal = "pump-house: sump level high", "pump-house: sump level normal again"
    wanted = ["pump-house: door open", high, high, normal]
    expect(copies == wanted, f"the service has {copies}, not {wanted}")
    say("four alarms, four messages, each exactly once")


def main():
    with tempfile.TemporaryDirectory(prefix="service-") as folder:
        with Simulator(folder, tokens=(TOKEN,)) as service:
            configuration = DEVICE + stream_to(service) + ALARMS
            files = {**program_and_files(service), "/etc/tocsin/tocsin.conf": configuration.encode()}
            with Board(OUT / "demo", files) as board:
                try:
                    story(board, service)
                except Exception:
                    if board.process is not None and board.process.poll() is None:
                        for command in ("tail -n 40 /run/tocsin.log", f"{TOCSIN} status", f"{TOCSIN} queue list"):
                            say(f"$ {command}\n{board.run(command + ' 2>&1', 20)[0]}")
                    raise
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DemoFailed as failure:
        print(f"demo-device FAILED: {failure}", file=sys.stderr)
        sys.exit(1)
