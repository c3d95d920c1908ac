# SPDX-License-Identifier: MIT
"""The API key: a message in doubt is found in the service's list before a copy leaves, and answers come by polling."""
import json
import re
import unittest

from device import PHONES, Case, Runner, free_port, wait_until

from webhook import call  # of tests/simulator

KEY = "test-key"  # of the simulated service
SENT, INCOMING = "/textpeak/streams/messages", "/textpeak/streams/incoming_messages"
STATUS = "/messages_status/"
ANNA = PHONES["anna"]


class Account(Case):
    def keyed(self, service, key=KEY, account="", alarm=None, **stream):
        device = self.device(service, stream=stream, alarm=alarm)
        self.key_file = device.folder / "api.key"
        self.write_key(key)
        device.secrets.append(key)
        more = f"[account]\napi_key_file = {self.key_file}\napi_url = {service.url}/textpeak\n{account}\n"
        device.write_config(stream=stream, alarm=alarm, more=more)
        return device

    def write_key(self, key):
        self.key_file.write_text(key + "\n")
        self.key_file.chmod(0o600)

    @staticmethod
    def asked(service, path):
        """The first line of each request for this list."""
        lines = [r["head"].split("\r\n")[0] for r in service.requests()]
        return [line for line in lines if line.startswith(f"GET {path}?")]

    def test_a_lost_answer_makes_one_copy_that_is_found_by_its_id(self):
        service = self.service()
        service.rule("drop", at="accepted", match={"path": "/simple_send/"})
        device = self.keyed(service).start()
        [identifier] = device.send("Pump 3", "anna", "--class", "critical")
        device.log.wait(f"message {identifier} accepted")
        message = device.wait_state(identifier, "accepted")
        self.assertEqual(message["reason"], "found in the service's list, by the API key")
        self.assertEqual(message["uuid"], service.messages()[0]["uuid"])
        self.assertEqual((message["attempts"], service.report()["max_copies"]), (1, 1))
        [line] = self.asked(service, SENT)
        self.assertRegex(line, rf"\?phone={ANNA}&startDate=[0-9-]{{10}}%20[0-9:]{{8}}&page=1&itemsPerPage=10 ")
        self.assertTrue(all(r["token_ok"] for r in service.requests()))  # each with its own secret

    def test_it_is_found_by_its_text_in_every_form_of_the_list(self):
        running = []  # all at once: each waits a moment before it looks
        for shape in ("items", "total_items", "data", "array", "body"):
            service = self.service()
            service.rule("drop", at="accepted", match={"path": "/simple_send/"})
            service.rule("listed", key=False, shape=shape, word="delivered")
            device = self.keyed(service).start()
            running.append((shape, service, device, device.send("dev: pump 3, " + shape)))
        for shape, service, device, [identifier] in running:
            with self.subTest(shape=shape):
                device.wait_state(identifier, "delivered")
                self.assertEqual(service.report()["max_copies"], 1)

    def test_what_is_not_in_the_list_is_sent_again(self):
        service = self.service()
        service.rule("drop", at="accepted", count=1)
        service.rule("listed", shape="none")
        device = self.keyed(service).start()
        [identifier] = device.send("Pump 3")
        device.wait_state(identifier, "accepted")
        self.assertEqual(service.report()["max_copies"], 2)
        self.assertIn("API key: 200: no list of messages in it", device.log.wait("API key"))

    def test_a_wrong_key_is_told_in_words_and_the_alarm_goes(self):
        service = self.service()
        service.rule("drop", at="accepted", count=1)
        device = self.keyed(service, key="wrong-key-12345").start()
        [identifier] = device.send("Pump 3", "anna", "--class", "critical")
        device.wait_state(identifier, "accepted")
        self.assertEqual(service.report()["max_copies"], 2)
        said = device.log.wait("API key")
        words = "401: Not Authenticated: invalid token. Set the key again (tocsin token set account)"
        self.assertIn(words, said)
        self.assertIn(words, device.status()["account_reason"])
        self.assertIn(words, device.ok("status").out)
        self.assertEqual(device.stream()["state"], "idle")
        told = device.ok("token", "set", "account", "-", stdin=KEY + "\n")
        self.assertIn("API key stored", told.out)
        self.assertIn("the running daemon uses it now", told.out)

    def test_a_new_key_that_is_wrong_too_is_told_again(self):
        device = self.keyed(self.service(), key="wrong-key-12345", account="replies_every = 10s\n").start()
        device.log.wait("API key: 401")
        lines = len(device.log.lines)
        device.ok("token", "set", "account", "-", stdin="wrong-key-67890\n")
        device.log.wait("API key: 401", after=lines)
        self.assertIn("401", device.status()["account_reason"])

    def test_a_key_that_is_missing_is_told_and_taken_when_it_is_there(self):
        service = self.service()
        device = self.keyed(service, account="replies_every = 10s\n")
        self.key_file.unlink()
        self.one_line(device.run("check"), 78, "API key", str(self.key_file), "tocsin token set account")
        device.start()
        self.assertIn("tocsin token set account", device.log.wait("API key"))
        [identifier] = device.send("Pump 3")
        device.wait_state(identifier, "accepted")
        self.assertEqual(self.asked(service, INCOMING), [])
        device.ok("token", "set", "account", "-", stdin=KEY)
        wait_until(lambda: self.asked(service, INCOMING), "it is used")
        self.assertIsNone(device.status()["account_reason"])
        shown = json.loads(device.ok("token", "show", "account", "--json").out)
        self.assertEqual((shown["stream"], shown["characters"]), ("account", len(KEY)))

    def test_a_key_that_the_daemon_does_not_know_of_yet_is_told_so(self):
        service = self.service()
        device = self.device(service).start()
        key_file = device.folder / "api.key"
        device.secrets.append(KEY)
        device.write_config(more=f"[account]\napi_key_file = {key_file}\napi_url = {service.url}/textpeak\n")
        stored = device.run("token", "set", "account", "-", stdin=KEY)
        self.assertIn("API key stored", stored.out)
        self.assertEqual(
            stored.err,
            "tocsin: stored, but the running daemon cannot use it: there is no [account] in its configuration yet: "
            "send it a SIGHUP\n",
        )
        device.hang_up()
        device.log.wait("running as", after=1)
        told = device.ok("token", "set", "account", "-", stdin=KEY)
        self.assertIn("the running daemon uses it now", told.out)

    def test_a_list_that_does_not_answer_keeps_an_alarm_back_for_half_a_minute_at_most(self):
        service = self.service()
        service.rule("drop", at="accepted", count=1, match={"path": "/simple_send/"})
        service.rule("silent", at="body", match={"path": SENT})
        device = self.keyed(service).start()
        [identifier] = device.send("Pump 3", "anna", "--class", "critical")
        device.wait_state(identifier, "accepted")
        self.assertEqual(service.report()["max_copies"], 2)

    def test_a_kill_before_the_look_leaves_it_to_the_next_run(self):
        service = self.service()
        service.rule("drop", at="accepted", match={"path": "/simple_send/"})
        service.rule("silent", at="body", match={"path": SENT})
        device = self.keyed(service).start()
        [identifier] = device.send("Pump 3")
        wait_until(lambda: self.asked(service, SENT), "the list is asked for")
        device.kill()
        service.clear()
        service.rule("status", code=401, match={"path": "/simple_send/"})  # nothing can be sent
        device.start()
        self.assertEqual(device.wait_state(identifier, "accepted")["attempts"], 1)
        self.assertEqual(service.report()["max_copies"], 1)

    def test_receipts_come_by_the_key_where_the_stream_does_not_tell(self):
        """Whatever messages_status answers; each service in a device of its own, all of them at the same time."""
        running = []
        for code in (404, 405, 401):
            service = self.service()
            service.rule("status", code=code, match={"path": STATUS})
            running.append((code, service))
        for rule in ({"shape": "none"}, {"word": "Teleported"}):
            service = self.service()
            service.rule("delivery", **rule)
            running.append((str(rule), service))
        started = []
        for what, service in running:
            service.rule("listed", word="delivered", key=len(started) % 2 == 0)
            device = self.keyed(service, status_for="1h").start()
            started.append((what, service, device, device.send("Pump 3")[0]))
        for what, service, device, identifier in started:
            with self.subTest(what=what):
                device.wait_state(identifier, "delivered")
                device.log.wait(f"message {identifier} delivered")
                [line] = self.asked(service, SENT)
                self.assertIn(f"?phone={ANNA}&startDate=", line)
                self.assertEqual(service.report()["max_copies"], 1)
                if what == 404:
                    said = "delivery status: asked for once a day, meanwhile by the API key: 404"
                    device.log.wait(said)
                    self.assertIn(said, device.ok("status").out)

    def test_receipts_are_not_looked_for_while_the_stream_tells(self):
        service = self.service()
        service.rule("delivery", word="delivered", pending=1)
        service.rule("listed", word="undelivered")
        device = self.keyed(service, status_for="1h").start()
        [identifier] = device.send("Pump 3")
        device.wait_state(identifier, "delivered", 60)
        self.assertEqual(self.asked(service, SENT), [])

    def test_what_is_final_stays_so_whatever_the_other_source_says(self):
        service = self.service()
        service.rule("delivery", word="Teleported")
        service.rule("listed", word="undelivered")
        device = self.keyed(service, status_for="1h").start()
        [identifier] = device.send("Pump 3")
        self.assertEqual(device.wait_state(identifier, "failed")["reason"], "undelivered")
        service.clear()
        device.restart()
        [other] = device.send("Pump 4")
        device.wait_state(other, "delivered")  # by its stream
        self.assertEqual(device.message(identifier)["state"], "failed")

    def test_receipts_by_a_key_that_is_refused_wait_for_another(self):
        service = self.service()
        service.rule("status", code=404, match={"path": STATUS})
        service.rule("listed", word="delivered")
        device = self.keyed(service, key="wrong-key-12345", status_for="1h").start()
        [identifier] = device.send("Pump 3")
        self.assertIn("401: Not Authenticated: invalid token", device.log.wait("tocsin token set account"))
        self.assertEqual(device.message(identifier)["state"], "accepted")
        device.ok("token", "set", "account", "-", stdin=KEY)
        device.wait_state(identifier, "delivered")
        self.assertEqual(len([r for r in service.requests() if f"POST {STATUS} " in r["head"]]), 1)

    def test_lists_that_are_not_understood_are_kept_for_support(self):
        service = self.service()
        service.rule("drop", at="accepted", count=1, match={"path": "/simple_send/"})
        body = f'{{"entries": "{KEY}", "of": "{ANNA}"}}'
        service.rule("status", code=200, body=body, match={"path": SENT})
        device = self.keyed(service, account="replies_every = 10s\n").start()
        wait_until(lambda: self.asked(service, INCOMING), "answers are asked for")
        device.send("Pump 3", "anna", "--class", "critical")
        for kind in ("messages", "replies"):
            file = device.state / f"answer.account.{kind}"
            device.log.wait(f"is in {file}, without token and numbers")
            text = file.read_text(encoding="utf-8")
            self.assertIn("\nstream account\n", text)
            service.rule("status", code=200, body=body, match={"path": INCOMING})
            self.assertTrue(text.endswith(f"\n\n{{\"entries\": \"***\", \"of\": \"{ANNA[:2]}*******{ANNA[-3:]}\"}}"), text)
        device.wait_ended()
        device.ok("queue", "purge")
        wait_until(lambda: not list(device.state.glob("answer.*")), "they are removed")

    def test_an_answer_that_was_polled_acknowledges_an_alarm(self):
        service = self.service()
        device = self.keyed(
            service, account="replies_every = 10s\n", alarm={"to": "anna", "text": "{device}: sump high, ACK {code}"}
        ).start()
        device.ok("raise", "high-level")
        text = wait_until(service.messages, "the alarm")[0]["text"]
        code = re.search(r"ACK (\w+)", text).group(1)
        wait_until(lambda: self.asked(service, INCOMING), "answers are asked for")
        service.reply("447700900777", f"ACK {code}")  # a stranger
        service.reply(ANNA, f"ack {code} on my way")
        device.log.wait("answer from")
        wait_until(lambda: device.status()["alarms"][0]["acknowledged"], "it is acknowledged")
        wait_until(lambda: [m for m in service.messages() if "acknowledged" in m["text"]], "anna is told")
        self.assertTrue(any("no contact: ignored" in line for line in device.log.lines))
        rounds = len(self.asked(service, INCOMING))
        wait_until(lambda: len(self.asked(service, INCOMING)) > rounds, "the next round")
        self.assertEqual(len([m for m in service.messages() if "acknowledged" in m["text"]]), 1)  # once
        # A restart reads it again: nothing changes, and nobody has a second reply.
        before = len(self.asked(service, INCOMING))
        device.restart()
        wait_until(lambda: len(self.asked(service, INCOMING)) > before, "the new run asks")
        device.log.wait("answer from")
        device.wait_ended()
        again = [line for line in device.log.lines if "answer from" in line][-1]
        self.assertIn("(from before this start)", again)
        self.assertEqual(len([m for m in service.messages() if "acknowledged" in m["text"]]), 1)

    def test_an_answer_that_comes_by_webhook_and_list_counts_once(self):
        service = self.service()
        port = free_port()
        hook = f"replies_every = 10s\n[webhook]\nlisten = 127.0.0.1:{port}\n"
        device = self.keyed(service, account=hook, alarm={"to": "anna", "text": "x"}).start()
        wait_until(lambda: self.asked(service, INCOMING), "answers are asked for")
        for text in ("STOP", "START"):  # by the webhook first, then by the list
            name = service.reply(ANNA, text)
            told = {"from": ANNA, "text": text, "message_uuid": name}
            if text == "STOP":
                self.assertEqual(call(f"http://127.0.0.1:{port}/", told, "json", {})[0], 200)
            device.log.wait(f"`{text}`")
            rounds = len(self.asked(service, INCOMING))
            wait_until(lambda: len(self.asked(service, INCOMING)) > rounds + 1, "the list was read")  # noqa: B023
            self.assertEqual(call(f"http://127.0.0.1:{port}/", told, "json", {})[0], 200)
        device.ok("status")
        for text in ("STOP", "START"):
            self.assertEqual(len([line for line in device.log.lines if f"`{text}`" in line]), 1, device.log.lines)

    def test_codes_of_other_devices_of_the_account_are_no_wrong_ones(self):
        service = self.service()
        devices = [
            self.keyed(service, account="replies_every = 10s\n", alarm={"to": "anna", "text": "sump high, ACK {code}"}).start()
            for _ in range(2)
        ]
        for device in devices:
            device.ok("raise", "high-level")
        wait_until(lambda: len(service.messages()) == 2, "both alarms")
        codes = [re.search(r"ACK (\w+)", message["text"]).group(1) for message in service.messages()]
        for wrong in ("AAAA", "CCCC", "EEEE", "HHHH", "KKKK", "MMMM"):
            service.reply(ANNA, f"ACK {wrong}")
        for code in codes:
            service.reply(ANNA, f"ACK {code}")
        for device in devices:
            wait_until(lambda: device.status()["alarms"][0]["acknowledged"], "it is acknowledged")  # noqa: B023
        wait_until(lambda: len(service.messages()) == 4, "anna is told of both")
        self.assertEqual([m["text"] for m in service.messages() if "no active alarm" in m["text"]], [])


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
