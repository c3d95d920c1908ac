#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Input lines: the cross-compiled program on the emulated ARM board, its kernel's GPIO, driven from outside.

`make device-lines` runs it; CASE=pattern for some of it. All cases share one board; each has a configuration and a
queue of its own. $SEED repeats the random delays.
"""
import base64
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time
import unittest

from board import GPIO_EVENTS, OUT, TOKEN, Board, program_and_files, stream_to

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulator"))
from harness import Simulator  # noqa: E402

SEED = int(os.environ.get("SEED") or random.randrange(1 << 32))
LINE_NAMES = ["PUMP3_LEVEL", "DOOR", "", "", "", "", "TWIN", "TWIN"]
LINE_BUSY, CONFIG = 71, 78
KEPT_EDGES = 256  # by the kernel while nobody reads (port/linux/gpio_lines.cpp)
PATIENCE_S = 30

DEVICE = """\
[device]
name    = board
state   = /var/lib/{case}
control = /run/{case}
"""

ALARM = """
[alarm {name}]
gpio       = {gpio}
active     = {active}
debounce   = {debounce}
class      = critical
to         = anna
stream     = sms
text       = {{device}}: {name} raised
clear_text = {{device}}: {name} cleared
"""


def alarm(name, gpio, active="high", debounce="0ms"):
    return ALARM.format(name=name, gpio=gpio, active=active, debounce=debounce)

FENCE = """
[alarm fence]
class  = critical
to     = anna
stream = sms
text   = fence
"""


def say(text):
    print(f"  {text}", flush=True)


def setUpModule():
    global board, service
    print(f"SEED={SEED}", flush=True)
    enter = unittest.enterModuleContext
    service = enter(Simulator(enter(tempfile.TemporaryDirectory(prefix="service-")), tokens=(TOKEN,)))
    files = {**program_and_files(service), "/bin/gpio_events": GPIO_EVENTS}
    board = enter(Board(OUT / "line", files, LINE_NAMES))
    board.power_on()


class LineTest(unittest.TestCase):
    def setUp(self):
        self.case = self.id().split(".")[-1].removeprefix("test_")
        self.tocsin = f"tocsin -c /tmp/{self.case}.conf"
        self.log = f"/run/{self.case}.log"
        if service.process is None:
            service.start()
        service.reset()
        for offset in range(8):
            board.set_line(offset, 0)
        self.addCleanup(self.clean_up)

    def clean_up(self):
        result = self._outcome.result
        if any(test is self for test, _ in result.failures + result.errors):
            for command in (f"tail -n 30 {self.log}", f"{self.tocsin} status", f"{self.tocsin} queue list | tail"):
                say(f"$ {command}\n{board.run(command + ' 2>&1')[0]}")
        self.kill()

    # ---- the program

    def configure(self, *alarms):
        self.configuration = DEVICE.format(case=self.case) + stream_to(service) + "".join(alarms)
        self.write_configuration()

    def write_configuration(self):
        text = base64.b64encode(self.configuration.encode()).decode()
        board.run(f"echo {text} | base64 -d >/tmp/{self.case}.conf")

    def start(self):
        board.run(f"{self.tocsin} run >>{self.log} 2>&1 & echo $! >/run/pid")
        running = f"{self.tocsin} --json status 2>/dev/null | grep -q '\"running\":true'"
        board.run(f"until {running}; do kill -0 $(cat /run/pid) || break; done")
        self.assertEqual(board.run(running)[1], 0, "the daemon does not run")

    def kill(self, how="KILL"):
        board.run(f"[ ! -f /run/pid ] || kill -{how} $(cat /run/pid) 2>/dev/null; wait; rm -f /run/pid")

    def status(self):
        return json.loads(board.run(f"{self.tocsin} --json status 2>/dev/null")[0])

    def is_active(self, name):
        return {alarm["name"]: alarm["active"] for alarm in self.status()["alarms"]}.get(name)

    def waiting(self):
        lines = board.run(f"{self.tocsin} --json queue list 2>/dev/null | grep '\"state\":\"queued\"'")[0]
        return [json.loads(line)["text"] for line in lines.splitlines()]

    # ---- what came of it

    def wait(self, condition, what):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"not so within {PATIENCE_S} s: {what}")
            time.sleep(0.05)

    def arrives(self, count):
        self.assertTrue(service.wait(distinct=count, timeout=PATIENCE_S), f"{count} messages; there are {self.told()}")

    def told(self):
        """What the service accepted, in this order, without the name of the device."""
        return [message["text"].removeprefix("board: ") for message in service.messages()]

    def assert_told(self, wanted):
        """Exactly this was told, and nothing is on its way: a last message by hand is behind all earlier edges."""
        wanted = [*wanted, "fence"]
        for command in ("raise", "clear"):
            self.assertEqual(board.run(f"{self.tocsin} {command} fence")[1], 0)
        self.wait(lambda: "fence" in self.told(), "the last message arrives")
        self.assertEqual(self.told(), wanted)
        service.reset()

    def assert_refused(self, status, *words):
        """`run` ends by itself, with this status and one line that has these words."""
        output, ended = board.run(f"timeout 20 {self.tocsin} run 2>&1")
        self.assertEqual(ended, status, output)
        self.assertEqual(output.count("\n"), 1, output)
        for word in words:
            self.assertIn(word, output)
        say(output.strip())

    # ---- lines that cannot be had

    def test_line_busy_names_its_consumer(self):
        self.configure(alarm("pump", "gpiochip0:2"))
        board.send("gpio_events /dev/gpiochip0 2 & echo $! >/run/other")
        self.addCleanup(board.run, "kill $(cat /run/other) 2>/dev/null")
        board.wait_serial(r"line 2 level 0\r?\n")
        self.assert_refused(LINE_BUSY, "alarm pump", "gpiochip0:2", "in use by gpio_events")
        board.run("kill $(cat /run/other); wait")
        self.start()  # nothing was left behind: lock, queue and line are free

    def test_line_busy_with_another_tocsin(self):
        self.configure(alarm("pump", "gpiochip0:2"))
        self.start()
        board.run(f"sed s,/{self.case},/second, /tmp/{self.case}.conf >/tmp/second.conf")
        output, status = board.run("timeout 20 tocsin -c /tmp/second.conf run 2>&1")
        self.assertEqual(status, LINE_BUSY, output)
        self.assertIn("does another tocsin run?", output)
        self.assertEqual(output.count("\n"), 1, output)

    def test_line_unknown_is_refused(self):
        for gpio, *words in (("PUMP4_LEVEL", "no line has this name", "PUMP3_LEVEL, DOOR"),
                             ("gpiochip0:8", "no such line", "gpiochip0 has 0 to 7"),
                             ("gpiochip7:0", "no such GPIO chip", "ls /dev/gpiochip*"),
                             ("TWIN", "two lines have this name: gpiochip0:6 and gpiochip0:7")):
            self.configure(alarm("pump", gpio))
            self.assert_refused(CONFIG, "alarm pump", gpio, *words)

    # ---- levels and edges

    def test_line_by_name_and_active_low(self):
        self.configure(alarm("pump", "PUMP3_LEVEL"), alarm("door", "DOOR", active="low"), FENCE)
        board.set_line(1, 1)
        self.start()
        self.assert_told([])
        board.set_line(0, 1)
        self.arrives(1)
        board.set_line(1, 0)
        self.arrives(2)
        board.set_line(1, 1)
        self.arrives(3)
        self.assert_told(["pump raised", "door raised", "door cleared"])

    def test_level_at_start_is_told_once(self):
        self.configure(alarm("pump", "gpiochip0:2", debounce="20ms"), FENCE)
        board.set_line(2, 1)
        board.power_cut()
        board.power_on()  # the contact closed while there was no power, and is closed from the first instruction
        self.write_configuration()
        self.start()
        self.assert_told(["pump raised"])
        for how in ("TERM", "KILL"):
            self.kill(how)
            self.start()
            self.assert_told([])
        self.kill()
        for level in (0, 1, 0):  # the last counts
            board.set_line(2, level)
        self.start()
        self.assert_told(["pump cleared"])
        self.kill()
        self.start()
        self.assert_told([])

    def test_edges_both_ways_are_told_in_order(self):
        self.configure(alarm("pump", "gpiochip0:2"), FENCE)
        self.start()
        board.set_line(2, 1)
        self.arrives(1)  # with the handshake, which is not what is measured
        took = []
        for number in range(2, 12):
            edge = board.set_line(2, 1 - board.levels[2])
            self.arrives(number)
            took.append(1000 * (time.monotonic() - edge))
        say(f"edge to message, connection kept, no debounce: median {statistics.median(took):.1f} ms, "
            f"longest {max(took):.1f} ms of {len(took)}")
        self.wait(lambda: not self.waiting(), "all is answered")
        board.run("kill -STOP $(cat /run/pid)")
        for level in (0, 1, 0, 1, 0):  # these wait in the kernel
            board.set_line(2, level)
            board.run("true")
        board.run("kill -CONT $(cat /run/pid)")
        self.assert_told(["pump raised", "pump cleared"] * 8)

    def test_bounce_is_one_alarm(self):
        self.configure(alarm("pump", "gpiochip0:2", debounce="300ms"), FENCE)
        self.start()
        for number, level in enumerate((1, 0), 1):
            for toggle in range(7):
                edge = board.set_line(2, level if toggle % 2 == 0 else 1 - level)
                time.sleep(0.001)
            self.arrives(number)
            say(f"7 toggles 1 ms apart, debounce 300 ms: told {1000 * (time.monotonic() - edge):.0f} ms after the last")
        self.assert_told(["pump raised", "pump cleared"])

    def test_burst_beyond_the_kernels_buffer_ends_in_the_true_state(self):
        self.configure(alarm("pump", "gpiochip0:2"), FENCE)
        self.start()
        for toggles in (601, 600):  # ends high, then high again after an even number
            board.run("kill -STOP $(cat /run/pid)")
            for _ in range(toggles):
                board.set_line(2, 1 - board.levels[2])
                time.sleep(0.0005)
            board.run("kill -CONT $(cat /run/pid)")
            self.wait(lambda: self.is_active("pump") and not self.waiting(), "the alarm is active and all is told")
            self.assertEqual(self.told()[-1], "pump raised")
            self.assertEqual(len(self.told()), len({copy["internal_id"] for copy in service.messages()}))
            say(f"{toggles} toggles while nobody reads: {len(self.told())} messages, the last is true")
            self.assertLessEqual(len(self.told()), KEPT_EDGES + 1)
            service.reset()
        self.assertIn("edges came faster than they could be read", board.run(f"cat {self.log}")[0])

    def test_full_queue_makes_edges_wait_not_vanish(self):
        self.configure(alarm("pump", "gpiochip0:2"))
        self.configuration = self.configuration.replace("[device]", "[device]\nqueue_size = 64K")
        self.write_configuration()
        service.stop()
        self.start()
        for text in ("y" * 900, "y"):
            board.run(f"while {self.tocsin} send --class critical --to anna {text} >/dev/null 2>&1; do :; done")
        for _ in range(KEPT_EDGES + 45):
            board.set_line(2, 1 - board.levels[2])
            time.sleep(0.002)
        self.wait(lambda: "the queue is full" in board.run(f"cat {self.log}")[0], "the queue is full")
        ticks = "cut -d' ' -f14,15 /proc/$(cat /run/pid)/stat"
        output, _ = board.run(f"{ticks}; sleep 2; {ticks}")
        before, after = (sum(map(int, line.split())) for line in output.splitlines())
        say(f"queue full, edges wait: {10 * (after - before)} ms of processor time in 2 s; {len(self.waiting())} messages wait")
        self.assertLess(after - before, 50)  # of 200 ticks: it does not spin
        service.start()
        of_pump = lambda: [text for text in self.told() if text.startswith("pump")]
        self.wait(lambda: of_pump()[-1:] == ["pump raised"] and not self.waiting(), "the last edge is told")
        self.assertTrue(self.is_active("pump"))
        lines = board.run(f"{self.tocsin} --json queue list 2>/dev/null | grep pump | tail -n 1")[0]
        late = json.loads(lines)["edge_before_ms"]
        say(f"the edge of the last one came {late} ms before there was room for it")
        self.assertGreater(late, 1000)

    def test_contact_that_flaps_while_the_service_is_away_keeps_its_newest_messages(self):
        self.configure(alarm("pump", "gpiochip0:2"))
        self.configuration = self.configuration.replace("[device]", "[device]\nqueue_size = 64K")
        self.write_configuration()
        service.stop()
        self.start()
        for _ in range(KEPT_EDGES + 45):
            board.set_line(2, 1 - board.levels[2])
            time.sleep(0.002)
        self.wait(lambda: "merged: the queue was full" in board.run(f"cat {self.log}")[0], "older ones give way")
        service.start()
        self.wait(lambda: self.told()[-1:] == ["pump raised"], "the last level is told")
        self.assertTrue(self.is_active("pump"))

    def test_lost_line_is_said(self):
        self.configure(alarm("pump", "gpiochip0:2"), FENCE)
        self.start()
        self.addCleanup(board.run, "echo 9030000.pl061 >/sys/bus/amba/drivers/pl061_gpio/bind 2>/dev/null")
        board.run("echo 9030000.pl061 >/sys/bus/amba/drivers/pl061_gpio/unbind")
        self.wait(lambda: self.status() and "alarm pump: line lost" in board.run(f"cat {self.log}")[0], "the log says it")
        self.assert_told([])

    # ---- between edge and message

    def test_kill_between_edge_and_message(self):
        self.configure(alarm("pump", "gpiochip0:2"), FENCE)
        self.start()
        service.stop()
        board.set_line(2, 1)
        self.wait(lambda: self.waiting() == ["board: pump raised"], "it waits")
        self.kill()
        service.start()
        self.start()
        self.assert_told(["pump raised"])

    def test_kill_at_any_moment_after_the_edge(self):
        self.configure(alarm("pump", "gpiochip0:2"))
        self.start()
        chance = random.Random(SEED)
        rounds = 8
        for number in range(1, rounds + 1):
            delay_us = chance.randrange(30_000)
            board.send(f"usleep {delay_us}; kill -KILL $(cat /run/pid)")
            time.sleep(0.02)
            board.set_line(2, number % 2)
            self.kill()
            self.start()
            self.arrives(number)
            self.wait(lambda: not self.waiting(), "nothing waits any more")
        texts = {}
        for message in service.messages():
            texts.setdefault(message["internal_id"], []).append(message["text"].removeprefix("board: "))
        self.assertEqual(len(texts), rounds, texts)
        self.assertLessEqual(max(map(len, texts.values())), 3)
        first = [ways[0] for ways in texts.values()]
        self.assertEqual(first, ["pump raised", "pump cleared"] * (rounds // 2))
        copies = sum(map(len, texts.values())) - rounds
        say(f"{rounds} x kill -9 up to 30 ms around the edge: 0 lost, {copies} told twice")

    def test_edge_without_network_is_on_the_disk(self):
        self.configure(alarm("pump", "gpiochip0:2"), alarm("door", "DOOR"), FENCE)
        self.start()
        board.set_line(2, 1)
        self.assert_told(["pump raised"])  # a connection is there
        board.pull_cable()
        board.set_line(1, 1)
        self.wait(lambda: self.waiting() == ["board: door raised"], "it waits")
        self.wait(lambda: self.status()["streams"][0]["state"] == "backing off", "it sees that nothing comes")
        board.set_line(2, 0)
        self.wait(lambda: len(self.waiting()) == 2, "two wait")
        board.power_cut()
        board.power_on()
        self.write_configuration()
        self.start()
        self.arrives(2)
        self.wait(lambda: not self.waiting(), "nothing waits any more")
        # That the first try may have arrived was on record before the power went.
        self.assertEqual(self.told(), ["door raised (repeat)", "pump cleared"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
