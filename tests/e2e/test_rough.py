# SPDX-License-Identifier: MIT
"""What a supervisor, a script or an administrator in a hurry does to the program."""
import os
import pathlib
import signal
import subprocess
import threading
import unittest

from device import TOKEN, Case, Runner, wait_until


def children(pid):
    """(process id, state) of each child."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == pid:
            found.append((int(stat.parent.name), words[0]))
    return found


class Rough(Case):
    def test_hangups_that_come_faster_than_they_are_followed_end_nothing(self):
        service = self.service()
        service.rule("slow", delay=1, count=1)
        device = self.device(service).start()
        first = device.send("under way")[0]
        self.assertTrue(service.wait(requests=1))
        for _ in range(20):
            device.hang_up()
        device.wait_state(first, "accepted")
        second = device.send("after")[0]
        device.wait_state(second, "accepted")
        self.assertIsNone(device.process.poll())
        wait_until(lambda: [s for _, s in children(device.process.pid)] == ["S"], "one keeper, and no zombie")
        self.arrived(service, "under way", "after")

    def test_the_look_up_process_is_killed_and_there_is_another_one(self):
        service = self.service()
        device = self.device(service).start()
        [(keeper, _)] = children(device.process.pid)
        os.kill(keeper, signal.SIGKILL)
        device.log.wait("starting anew for another one")
        device.wait_state(device.send("after all")[0], "accepted")

    def test_messages_that_come_while_the_daemon_starts_are_all_taken(self):
        service = self.service()
        device = self.device(service)
        results = []
        threads = [threading.Thread(target=lambda n=n: results.append(device.run("send", "--to", "anna", f"early {n}")))
                   for n in range(40)]
        for thread in threads:
            thread.start()
        device.start()
        for thread in threads:
            thread.join()
        self.assertEqual([r for r in results if r.exit != 0], [])
        device.wait_ended()
        self.arrived(service, *(f"early {n}" for n in range(40)))

    def test_a_lock_file_that_was_removed_lets_no_second_daemon_in(self):
        device = self.device(self.service()).start()
        (device.state / "lock").unlink()
        self.one_line(device.run("run"), 75, "another tocsin", str(device.process.pid))

    def test_closed_standard_files_are_not_taken_by_others(self):
        service = self.service()
        device = self.device(service)
        words = device.command("run")
        daemon = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words])
        try:
            wait_until(lambda: device.run("status", "--json").out.find('"running":true') >= 0, "the daemon answers")
            self.assertEqual([os.readlink(f"/proc/{daemon.pid}/fd/{n}") for n in range(3)], ["/dev/null"] * 3)
            device.wait_state(device.send("from a quiet one")[0], "accepted")
        finally:
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
