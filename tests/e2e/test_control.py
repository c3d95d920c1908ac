# SPDX-License-Identifier: MIT
"""Commands and the process that owns the queue: crowds, callers that gave up, noise."""
import random
import signal
import socket
import unittest

from device import SEED, Case, Runner, wait_until


class Control(Case):
    def connect(self, device):
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(channel.close)
        channel.settimeout(10)
        channel.connect(str(device.folder / "control"))
        return channel

    def test_of_many_daemons_one_runs_and_the_others_say_which(self):
        device = self.device(self.service())
        starting = [device.begin("run") for _ in range(6)]
        wait_until(lambda: sum(p.poll() is None for p in starting) == 1, "all but one to end")
        [runs] = [p for p in starting if p.poll() is None]
        for process in starting:
            if process is not runs:
                self.one_line(device.finish(process), 75, f"process {runs.pid}")
        device.send("the one")
        runs.send_signal(signal.SIGTERM)
        self.assertEqual(device.finish(runs).exit, 0)

    def test_commands_that_wait_leave_room_for_an_alarm(self):
        service = self.service(start=False)
        device = self.device(service).start()
        patient = [device.begin("send", "--to", "anna", "--wait", "60", f"patient {n}") for n in range(12)]
        wait_until(lambda: len(device.queue()) == 12, "twelve messages")
        self.assertEqual(len(device.ok("raise", "high-level").out.split()), 5)
        device.ok("status")
        service.start()
        results = [device.finish(process) for process in patient]
        self.assertTrue(service.wait(distinct=17))
        self.assertLessEqual({r.exit for r in results}, {0, 69, 75}, results)
        self.assertEqual([len(r.out.split()) for r in results], 12 * [1], "each is told its id")
        self.assertGreaterEqual(sum(r.exit == 0 for r in results), 4, results)
        self.assertEqual(service.report()["duplicates"], 0)

    def test_what_a_caller_gave_up_on_is_not_done(self):
        service = self.service()
        device = self.device(service).start()
        idle = [self.connect(device) for _ in range(8)]  # every place is taken, for ten seconds
        given_up = device.run("send", "--to", "anna", "given up")
        self.one_line(given_up, 75, "does not answer")
        for channel in idle:
            channel.close()
        device.send("in time")
        self.assertTrue(service.wait(distinct=1))
        device.wait_ended()
        self.arrived(service, "in time")

    def test_packets_that_are_no_requests_change_nothing(self):
        chance = random.Random(SEED)
        service = self.service()
        device = self.device(service).start()
        answered = 0
        for _ in range(400):
            channel = self.connect(device)
            size = chance.choice((1, 2, 3, 5, 20, 100, 2000, 4096, 5000))
            packet = chance.randbytes(size)
            if chance.random() < 0.7:
                packet = (
                    bytes((1, chance.choice((2, 3, 4)))) + packet[2:]
                )  # send, raise, clear; the fields are noise
            channel.send(packet)
            if chance.random() < 0.8:
                answered += len(channel.recv(1 << 15)) > 0
            channel.close()
        self.assertEqual((device.queue(), device.status()["alarms"]), ([], []))
        device.wait_state(device.send("as ever")[0], "accepted")
        self.figures(f"400 packets of noise, {answered} answered, none changed anything; SEED={SEED}")

    def test_status_at_another_control_path_names_the_daemon(self):
        # "NOT running", while it ran.
        device = self.device(self.service()).start()
        daemon = device.process.pid
        device.write_config(device={"control": device.folder / "elsewhere"})
        said = device.run("status")
        self.assertEqual((said.exit, len(said.err.splitlines())), (0, 1), said)
        for words in (f"{daemon}", f"does not answer at {device.folder}/elsewhere", "`control`"):
            self.assertIn(words, said.err)
        device.stop()
        self.assertEqual(device.run("status").err, "")


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
