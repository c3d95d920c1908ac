# SPDX-License-Identifier: MIT
"""What happens to people who use it every day: commands while the daemon starts, files that are half edited,
tokens set by root. Each was found by somebody who tried."""
import json
import os
import shutil
import subprocess
import unittest

from device import TOKEN, Case, Runner


class Starting(Case):
    def test_commands_while_the_daemon_starts_reach_it(self):
        # The socket was looked for once, before there was one, and then only the lock was waited for: 75
        # after 5 s, with words that accused the daemon of not answering.
        device = self.device(self.service())
        for n in range(12):
            device.launch()
            result = device.run("send", "--to", "anna", f"early {n}")
            self.assertEqual(result.exit, 0, result)
            self.assertNotIn("does not answer", result.err)
            device.log.wait("running as")
            device.kill()
        self.assertEqual(len(device.queue()), 12)

    def test_commands_during_a_reload_reach_the_daemon(self):
        device = self.device(self.service()).start()
        for n in range(8):
            device.hang_up()
            self.assertEqual(device.run("send", "--to", "anna", f"reload {n}").exit, 0)

    def test_status_before_there_is_a_queue_has_true_numbers(self):
        device = self.device(self.service())
        self.assertIn("0 of 0 KiB", device.ok("status").out)
        self.assertEqual(json.loads(device.ok("status", "--json").out)["waiting_bytes_limit"], 0)


class Alone(Case):
    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_command_without_a_daemon_ends_with_the_sync_of_what_it_did(self):
        device = self.device(self.service())
        device.send("the files are made", "anna", "--wait", "30")
        trace = device.folder / "trace"
        tracer = ("strace", "-f", "-qq", "-e", "trace=fdatasync", "-o", str(trace))
        for options, syncs in ((("--wait", "30"), 3), ((), 2)):  # its start, the message, and what the service said
            words = ("send", *options, "--to", "anna", "hello")
            subprocess.run(device.command(*words, program=tracer), check=True, capture_output=True)
            self.assertEqual(trace.read_text().count("fdatasync("), syncs, trace.read_text())
            self.assertTrue(json.loads(device.ok("queue", "check", "--json").out)["clean_end"])


class Files(Case):
    def test_reload_with_a_line_that_is_not_there_leaves_the_daemon_running(self):
        device = self.device(self.service()).start()
        device.write_config(alarm={"gpio": "gpiochip7:99"})
        device.hang_up()
        device.log.wait("not reloaded")
        self.assertIsNone(device.process.poll())
        device.ok("raise", "high-level")

    def test_reload_with_another_state_directory_leaves_the_daemon_running(self):
        device = self.device(self.service()).start()
        device.write_config(device={"state": device.folder / "elsewhere"})
        device.hang_up()
        device.log.wait("not reloaded")
        self.assertIsNone(device.process.poll())

    def test_half_edited_file_does_not_keep_an_alarm_from_the_daemon(self):
        service = self.service()
        device = self.device(service).start()
        whole = device.config.read_text()
        device.write_text(whole + "[alarm door\n")
        result = device.run("raise", "high-level")
        self.assertEqual(result.exit, 0, result)
        self.assertIn("tocsin check", result.err)
        self.assertTrue(service.wait(distinct=5))
        self.assertEqual(device.run("status").exit, 0)
        self.assertEqual(device.run("check").exit, 78)
        device.write_text(whole)

    def test_base_url_with_the_request_in_it_is_a_mistake_with_its_remedy(self):
        device = self.device(self.service())
        device.write_config(stream={"base_url": "https://sendsms.commpeak.com/simple_send/"})
        self.one_line(device.run("check"), 78, "leave /simple_send out")

    def test_answer_that_cannot_be_written_is_not_called_done(self):
        device = self.device(self.service())
        device.send("one")
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                device.command("queue", "list"), stdout=full, stderr=subprocess.PIPE, text=True
            )
        self.assertEqual(done.returncode, 74)
        self.assertIn("cannot write the answer", done.stderr)


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root and setpriv")
class OtherUser(Case):
    def test_token_set_by_root_stays_with_the_user_of_the_daemon(self):
        service = self.service()
        device = self.device(service)
        os.chown(device.token_file, 65534, 65534)
        device.ok("token", "set", "sms", "-", stdin=TOKEN + "\n")
        left = device.token_file.stat()
        self.assertEqual((left.st_uid, left.st_gid, left.st_mode & 0o777), (65534, 65534, 0o600))


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
