# SPDX-License-Identifier: MIT
"""Messages on their way, in good days and bad: outages, restarts, hand-over, exit statuses."""
import json
import os
import signal
import unittest

from device import PHONES, TOKEN, Case, Runner, wait_until

ALL = sorted(PHONES.values())


class Normal(Case):
    def test_message_is_accepted_once_under_its_own_id(self):
        service = self.service()
        device = self.device(service).start()
        ids = device.send("Pump 3 was serviced: \u00e4\u20ac\U0001f514", "anna,+44 7700 900199")
        self.assertEqual(len(ids), 2)
        self.assertTrue(service.wait(distinct=2))
        for identifier, phone in zip(ids, (PHONES["anna"], "447700900199")):
            here = device.wait_state(identifier, "accepted")
            there = next(m for m in service.messages() if m["internal_id"] == identifier)
            self.assertEqual((here["uuid"], here["to"], here["attempts"]), (there["uuid"], phone, 1))
            self.assertEqual(
                (there["recipient"], there["text"], there["sender"]),
                (phone, "Pump 3 was serviced: \u00e4\u20ac\U0001f514", "GLOBAL"),
            )
        self.assertEqual(service.report()["accepted"], 2)

    def test_queue_list_has_the_documented_keys(self):
        service = self.service()
        device = self.device(service).start()
        [identifier] = device.send("keys", "anna", "--class", "info")
        message = device.wait_state(identifier, "accepted")
        keys = "id to text stream class state attempts uuid reason queued_at ended_at boot uptime_ms".split()
        self.assertEqual([key for key in keys if key not in message], [])
        self.assertEqual((message["class"], message["stream"], message["reason"]), ("info", "sms", None))
        self.assertRegex(message["queued_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertRegex(message["ended_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        number = identifier.rsplit("-", 1)[1]
        self.assertIn(identifier, device.ok("queue", "show", number).out)
        self.assertEqual(
            json.loads(device.ok("queue", "show", identifier, "--json").out)["uuid"], message["uuid"]
        )

    def test_text_from_stdin_and_text_behind_two_dashes(self):
        service = self.service()
        device = self.device(service).start()
        device.ok("send", "--to", "anna", "-", stdin="from a pipe\n")
        device.send("-5 degrees in the cold store")
        self.assertTrue(service.wait(distinct=2))
        self.arrived(service, "from a pipe", "-5 degrees in the cold store")

    def test_alarm_tells_every_member_of_the_group_and_clears(self):
        service = self.service()
        device = self.device(service).start()
        self.assertEqual(len(device.ok("raise", "high-level").out.split()), 5)
        self.assertEqual(len(device.ok("clear", "high-level").out.split()), 5)
        self.assertTrue(service.wait(distinct=10))
        for text in ("dev: sump level high", "dev: sump level normal again"):
            self.assertEqual(sorted(m["recipient"] for m in service.messages() if m["text"] == text), ALL)

    def test_raising_twice_changes_nothing(self):
        service = self.service()
        device = self.device(service).start()
        device.ok("raise", "high-level")
        again = device.run("raise", "high-level")
        self.assertEqual((again.exit, again.out, len(again.err.splitlines())), (0, "", 1), again)
        device.stop()
        again = device.run("raise", "high-level")  # nobody runs, the state is on the medium
        self.assertEqual((again.exit, again.out, len(again.err.splitlines())), (0, "", 1), again)
        device.start()
        self.assertTrue(service.wait(distinct=5))
        device.wait_ended()
        self.assertEqual((len(device.queue()), service.report()["accepted"]), (5, 5))

    def test_alarms_without_a_daemon_are_the_first_that_the_next_one_sends(self):
        service = self.service()
        device = self.device(service)
        device.send("later and less urgent", "anna", "--class", "info")
        raised = device.run("raise", "high-level")
        self.assertEqual((raised.exit, len(raised.out.split())), (0, 5), raised)
        self.assertEqual(device.run("clear", "high-level").exit, 0)
        self.assertEqual(service.messages(), [])
        device.start()
        self.assertTrue(service.wait(distinct=11))
        texts = [m["text"] for m in service.messages()]
        self.assertEqual(
            texts,
            5 * ["dev: sump level high"] + 5 * ["dev: sump level normal again"] + ["later and less urgent"],
        )

    def test_many_messages_leave_in_batches(self):
        service = self.service()
        device = self.device(service)
        ids = [i for n in range(20) for i in device.send(f"message {n}", "oncall")]
        device.start()
        self.assertTrue(service.wait(distinct=100))
        queue = device.wait_ended()
        self.assertEqual([m["id"] for m in queue], ids)
        self.assertEqual({m["state"] for m in queue}, {"accepted"})
        report = service.report(expect=ids)
        self.assertEqual((report["lost"], report["accepted"]), ([], 100))
        requests = len(service.requests())
        self.assertLessEqual(requests, 15)
        self.figures(f"100 messages in {requests} requests, 0 lost, 0 duplicates")

    def test_status_says_what_a_message_costs_the_medium(self):
        service = self.service()
        device = self.device(service).start()
        status = device.status()
        self.assertEqual((status["messages_ended"], status["bytes_per_message"]), (0, None))
        self.assertNotIn(" each", device.ok("status").out)
        for n in range(8):
            device.send(f"message {n}", "anna", "--wait", "20")
        status = device.status()
        self.assertEqual(status["messages_ended"], 8)
        self.assertEqual(status["bytes_per_message"], status["written_bytes"] // 8)
        self.assertEqual(status["syncs_per_hundred_messages"], status["syncs"] * 100 // 8)
        self.assertGreaterEqual(status["syncs"], 2 * 8, "each is put on record, then its end")
        self.assertIn("8 messages ended: ", device.ok("status").out)
        device.restart()
        self.assertEqual(device.status()["messages_ended"], 0)
        self.figures(f"{status['bytes_per_message']} B and {status['syncs_per_hundred_messages'] / 100} syncs a message")

    def test_two_streams_have_each_their_own_service_and_token(self):
        first, second = self.service(), self.service(token="another-tkn-8820xyz")
        device = self.device(first)
        other = device.folder / "other.token"
        device.secrets.append("another-tkn-8820xyz")
        device.write_config(
            more=f"[stream chat]\ntype = two-way\nbase_url = {second.url}\ntoken_file = {other}\n"
            f"ca_file = {second.ca_file}\nsender = OTHER\nretry_min = 1s\nretry_max = 1s\n"
        )
        stored = device.run("token", "set", "chat", "-", stdin="another-tkn-8820xyz\n")
        self.assertEqual(stored.exit, 0, stored)
        device.start()
        first.stop()  # the trouble of one does not touch the other
        device.send("by the first")
        device.send("by the second", "anna", "--stream", "chat")
        self.assertTrue(second.wait(distinct=1))
        first.start()
        self.assertTrue(first.wait(distinct=1))
        self.arrived(first, "by the first")
        self.arrived(second, "by the second")


class Outage(Case):
    def test_service_down_at_start(self):
        service = self.service(start=False)
        device = self.device(service).start()
        ids = device.send("into the void", "oncall")
        device.log.wait("backing off")
        self.assertEqual({m["state"] for m in device.queue()}, {"queued"})
        self.assertNotIn(None, [m["reason"] for m in device.queue()])
        service.start()
        self.assertTrue(service.wait(distinct=5))
        device.log.wait("working")
        self.assertEqual(service.report(expect=ids)["accepted"], 5)

    def test_service_down_in_the_middle(self):
        service = self.service()
        device = self.device(service).start()
        ids = device.send("before")
        self.assertTrue(service.wait(distinct=1))
        device.wait_ended()
        service.kill()
        for n in range(10):
            ids += device.send(f"meanwhile {n}")
        device.log.wait("backing off")
        service.start()
        self.assertTrue(service.wait(distinct=11))
        report = service.report(expect=ids)
        self.assertEqual((report["lost"], report["accepted"]), ([], 11))
        self.assertEqual({m["state"] for m in device.wait_ended()}, {"accepted"})

    def test_service_that_keeps_connections_waiting(self):
        service = self.service()
        service.hold("stall")
        device = self.device(service).start()
        ids = device.send("patience")
        device.log.wait("no success within 5s")
        service.resume()
        self.assertTrue(service.wait(distinct=1))
        self.assertEqual(service.report(expect=ids)["accepted"], 1)

    def test_critical_message_does_not_wait_for_an_old_backoff(self):
        service = self.service(start=False)
        device = self.device(service, stream={"retry_min": "1h", "retry_max": "1h"}).start()
        device.send("not urgent", "anna", "--class", "info")
        device.log.wait("backing off")
        service.start()
        device.ok("raise", "high-level")
        self.assertTrue(service.wait(distinct=6))


class Ends(Case):
    def test_sigterm_ends_it_cleanly_and_the_next_start_goes_on(self):
        service = self.service(start=False)
        device = self.device(service).start()
        ids = device.send("kept", "oncall")
        self.assertEqual(device.stop(), 0)
        self.assertIn("stopped", device.log.lines[-1])
        self.assertEqual([m["id"] for m in device.queue()], ids)
        service.start()
        device.start()
        self.assertIn("5 messages wait", device.log.wait("running as"))
        self.assertTrue(service.wait(distinct=5))
        self.assertEqual(service.report(expect=ids)["accepted"], 5)

    def test_sigterm_lets_a_request_under_way_finish(self):
        service = self.service()
        service.rule("slow", delay=1)
        device = self.device(service).start()
        device.send("on its way")
        self.assertTrue(service.wait(copies=1))
        self.assertEqual(device.stop(), 0)
        self.assertEqual([m["state"] for m in device.queue()], ["accepted"])

    def test_sighup_takes_a_good_file_and_keeps_the_old_one_for_a_bad_one(self):
        service = self.service()
        device = self.device(service).start()
        process = device.process.pid
        device.write_config(alarm={"text": "changed"}, more="[contct fred]\nphone = +447700900123\n")
        device.hang_up()
        device.log.wait("not reloaded")
        device.write_config(alarm={"text": "changed"})
        device.hang_up()
        device.log.wait("running as", after=len(device.log.lines))
        self.assertEqual((device.process.pid, device.process.poll()), (process, None))
        device.ok("raise", "high-level")
        self.assertTrue(service.wait(distinct=5))
        self.assertEqual({m["text"] for m in service.messages()}, {"changed"})

    def test_sighup_lets_a_request_under_way_finish(self):
        service = self.service()
        service.rule("slow", delay=0.5, count=1)
        device = self.device(service).start()
        ids = device.send("on its way", "oncall")
        self.assertTrue(service.wait(copies=1))
        device.hang_up()
        device.log.wait("running as", after=1)
        ids += device.send("behind it")
        self.assertTrue(service.wait(distinct=6))
        self.assertEqual({m["state"] for m in device.wait_ended()}, {"accepted"})
        self.assertEqual(service.report(expect=ids)["accepted"], 6)

    def test_file_that_is_edited_again_during_a_reload_is_not_looked_at_until_the_next(self):
        service = self.service()
        service.rule("slow", delay=2, count=1)
        device = self.device(service).start()
        device.send("on its way")
        self.assertTrue(service.wait(copies=1))
        device.write_config(alarm={"text": "changed"})
        device.hang_up()
        device.log.wait("starting anew")
        device.write_text(device.config.read_text() + "[alarm door\n")
        device.log.wait("running as", after=1)
        device.ok("raise", "high-level")
        self.assertTrue(service.wait(distinct=6))
        self.assertEqual({m["text"] for m in service.messages()}, {"on its way", "changed"})
        device.hang_up()
        device.log.wait("not reloaded")
        device.write_config(alarm={"text": "again"})
        device.hang_up()
        device.log.wait("running as", after=len(device.log.lines))
        device.ok("clear", "high-level"), device.ok("raise", "high-level")
        self.assertTrue(service.wait(distinct=16))
        self.assertIn("again", {m["text"] for m in service.messages()})

    def test_bad_file_at_reload_leaves_delivery_as_it_was(self):
        service = self.service()
        device = self.device(service).start()
        device.write_text("[device\n")
        device.hang_up()
        device.log.wait("not reloaded")
        device.write_config()
        device.send("still here")
        self.assertTrue(service.wait(distinct=1))


class HandOver(Case):
    def test_send_then_run(self):
        service = self.service()
        device = self.device(service)
        stored = device.ok("send", "--to", "anna", "for later")
        self.assertIn("tocsin run", stored.err)
        self.assertEqual(service.messages(), [])
        device.start()
        self.assertTrue(service.wait(distinct=1))
        self.assertEqual(service.messages()[0]["internal_id"], stored.out.strip())

    def test_send_wait_gives_way_to_a_starting_daemon(self):
        service = self.service(start=False)
        device = self.device(service)
        waiting = device.begin("send", "--to", "anna", "--wait", "60", "handed over")
        wait_until(lambda: (device.folder / "control").exists(), "the control socket of `send --wait`")
        wait_until(lambda: device.queue(), "its message")
        device.start()
        service.start()
        self.assertTrue(service.wait(distinct=1))
        done = device.finish(waiting)
        self.assertEqual(done.exit, 0, done)
        report = service.report(expect=done.out.split())
        self.assertEqual((report["lost"], report["accepted"]), ([], 1))
        self.assertEqual(device.process.poll(), None)

    def test_two_devices_run_side_by_side(self):
        service = self.service()
        devices = [self.device(service, device={"name": name}).start() for name in ("left", "right")]
        ids = [device.send("hello")[0] for device in devices]
        self.assertTrue(service.wait(distinct=2))
        self.assertEqual(sorted(m["internal_id"] for m in service.messages()), sorted(ids))


class WaitStatus(Case):
    """`send --wait`, with a daemon and without: the exit status says what became of the message."""

    def both(self, service, status, *words, seconds="20", token=TOKEN, rule=None, **config):
        for daemon in (True, False):
            with self.subTest(daemon=daemon):
                device = self.device(service, **config)
                device.write_token(token)
                device.secrets.append(token)
                if daemon:
                    device.start()
                result = device.run("send", "--to", "anna", "--wait", seconds, "what becomes of it")
                self.assertEqual(result.exit, status, result)
                self.assertEqual(len(result.out.split()), 1, result)
                for word in words:
                    self.assertIn(word, result.err)
                if daemon:  # which has the log; without one this command says both
                    self.assertEqual(len(result.err.splitlines()), 0 if status == 0 else 1, result.err)
                yield device, result.out.strip()

    def test_accepted(self):
        service = self.service()
        for device, identifier in self.both(service, 0):
            self.assertEqual(device.message(identifier)["state"], "accepted")

    def test_the_end_that_was_told_is_what_the_next_command_finds(self):
        device = self.device(self.service()).start()
        for n in range(40):
            [identifier] = device.ok("send", "--to", "anna", "--wait", "20", f"number {n}").out.split()
            self.assertEqual(device.message(identifier)["state"], "accepted")

    def test_unreachable(self):
        for device, identifier in self.both(self.service(start=False), 69, seconds="1"):
            self.assertEqual(device.message(identifier)["state"], "queued")

    def test_service_that_answers_and_takes_nothing(self):
        for kind, more in (("rate_limit", {}), ("status", {"code": 503, "retry_after": 60}), ("drop", {"at": "accepted"})):
            with self.subTest(kind):
                service = self.service()
                service.rule(kind, **more)
                for device, identifier in self.both(service, 75, seconds="2"):
                    self.assertIn(device.message(identifier)["state"], ("queued", "unknown"))

    def test_refused_by_the_service(self):
        service = self.service()
        service.rule("refuse", details="number is barred")
        for device, identifier in self.both(service, 76):
            message = device.message(identifier)
            self.assertEqual(message["state"], "failed")
            self.assertIn("number is barred", message["reason"])

    def test_token_refused(self):
        service = self.service()
        for device, identifier in self.both(service, 77, seconds="1", token="wrong-tkn-0021aa"):
            self.assertEqual(device.message(identifier)["state"], "queued")

    def test_not_yet(self):
        service = self.service()
        service.rule("silent", at="body")
        for device, identifier in self.both(service, 75, seconds="1"):
            self.assertEqual(device.message(identifier)["state"], "queued")

    def test_worst_of_several_phones(self):
        service = self.service()
        service.rule("refuse", match={"recipient": PHONES["ben"]})
        device = self.device(service).start()
        result = device.run("send", "--to", "oncall", "--wait", "20", "one is barred")
        self.assertEqual((result.exit, len(result.out.split())), (76, 5), result)
        self.assertEqual(sorted(m["state"] for m in device.queue()), 4 * ["accepted"] + ["failed"])

    def test_unknown_outcome_is_not_called_accepted(self):
        service = self.service()
        service.rule("status", code=524, accept=True)
        device = self.device(service).start()
        result = device.run("send", "--to", "anna", "--wait", "30", "who knows")
        self.assertEqual(result.exit, 75, result)
        [message] = device.queue()
        self.assertEqual((message["state"], message["attempts"]), ("unknown", 3))
        self.assertIsNotNone(message["reason"])
        self.assertEqual([m["copy"] for m in service.messages()], [1, 2, 3])


class Token(Case):
    def test_wrong_token_keeps_messages_and_the_right_one_makes_them_leave_at_once(self):
        service = self.service()
        device = self.device(service)
        device.write_token("wrong-tkn-0021aa")
        device.secrets.append("wrong-tkn-0021aa")
        device.start()
        ids = device.send("waits for a token", "oncall")
        device.log.wait("held")
        self.assertEqual(device.stream()["state"], "held")
        self.assertEqual({m["state"] for m in device.queue()}, {"queued"})
        self.assertIn("token", device.queue()[0]["reason"])
        stored = device.run("token", "set", "sms", "-", stdin=f"\ufeff {TOKEN}\r\n")
        self.assertEqual(stored.exit, 0, stored)
        self.assertIn("the running daemon uses it now", stored.out)
        self.assertTrue(service.wait(distinct=5))  # a held stream waits five minutes by itself
        self.assertEqual({m["state"] for m in device.wait_ended()}, {"accepted"})
        self.assertEqual(service.report(expect=ids)["accepted"], 5)
        self.assertEqual(device.token_file.stat().st_mode & 0o777, 0o600)

    def test_token_file_mended_by_hand_is_taken(self):
        service = self.service()
        device = self.device(service)
        device.write_token("wrong-tkn-0021aa")
        device.secrets.append("wrong-tkn-0021aa")
        device.start()
        [identifier] = device.send("waits for a token")
        device.log.wait("held: 403")
        requests = len(service.requests())
        new = device.folder / "new"  # nobody tells the daemon
        new.write_text(TOKEN + "\n")
        new.chmod(0o600)
        new.rename(device.token_file)
        device.wait_state(identifier, "accepted")
        self.assertEqual(len(service.requests()), requests + 1)

    def test_token_file_spoiled_by_hand_is_said_and_mended(self):
        service = self.service()
        device = self.device(service)
        device.write_token("wrong-tkn-0021aa")
        device.secrets.append("wrong-tkn-0021aa")
        device.start()
        [identifier] = device.send("waits for a token")
        device.log.wait("held: 403")
        device.token_file.write_text(TOKEN + "\n")
        device.token_file.chmod(0o644)
        device.log.wait("chmod 600")
        device.token_file.chmod(0o600)
        device.wait_state(identifier, "accepted")

    def test_held_again_for_the_same_reason_is_said_again(self):
        service = self.service()
        device = self.device(service)
        device.write_token("wrong-tkn-0021aa")
        device.secrets.append("wrong-tkn-0021aa")
        device.start()
        [identifier] = device.send("waits for a token")
        device.log.wait("held: 403")
        for _ in range(2):
            said = len(device.log.lines)
            device.ok("queue", "retry", identifier)
            device.log.wait("stream sms resumed", after=said)
            device.log.wait("held: 403", after=said)  # the last word is not that it is tried

    def test_missing_token_file_holds_the_stream_and_says_so(self):
        service = self.service()
        device = self.device(service)
        device.token_file.unlink()
        device.start()
        device.send("waits")
        self.assertIn("tocsin token set", device.stream()["reason"])
        self.assertEqual(device.run("check").exit, 78)
        self.assertEqual(device.run("token", "set", "sms", "-", stdin=TOKEN).exit, 0)
        self.assertTrue(service.wait(distinct=1))

    def test_show_gives_the_same_fingerprint_as_set(self):
        device = self.device()
        stored = device.ok("token", "set", "sms", "-", stdin=TOKEN).out
        shown = device.ok("token", "show", "sms").out
        self.assertEqual(
            stored.split("fingerprint ")[1].split()[0], shown.split("fingerprint ")[1].split()[0]
        )

    def test_file_on_a_stick(self):
        device = self.device()
        stick = device.folder / "token.txt"
        stick.write_text(f"  {TOKEN} \r\n\r\n")
        device.ok("token", "set", "sms", stick)
        self.assertEqual(device.token_file.read_text().strip(), TOKEN)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
