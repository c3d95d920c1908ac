# SPDX-License-Identifier: MIT
"""The service calls the device: answers of people, what is refused, and a thousand who are slow."""
import http.client
import json
import os
import re
import resource
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import unittest

from device import CERTS, PHONES, ROOT, Runner, free_port, wait_until
from hooked import FORMS, HEADER, SECRET, HookCase, call
from medium import sh


class Webhook(HookCase):
    # -- answers of people -----------------------------------------------------------------------------------

    def test_an_alarm_is_acknowledged_by_its_code_in_every_form(self):
        service = self.service()
        device = self.hooked(service)
        for form, phone in zip(FORMS, PHONES):
            code = self.raised(device)
            self.assertEqual((self.alarm(device)["active"], self.alarm(device)["acknowledged"]), (True, False))
            self.answers(f" ack {code.lower()}. On my way", phone, form)
            self.assertEqual((self.alarm(device)["active"], self.alarm(device)["acknowledged"]), (True, True))
            device.log.wait(f"alarm high-level acknowledged by 44*******{PHONES[phone][-3:]}")
            wait_until(lambda: "dev: high-level acknowledged" in self.texts_to(service, phone), "the reply")
            self.assertIn(f"dev: sump level high, {code}", self.texts_to(service, phone))
            device.ok("clear", "high-level")
            self.assertEqual(self.alarm(device)["acknowledged"], False)

    def test_an_acknowledgement_without_a_code_is_told_what_is_missing(self):
        service = self.service()
        device = self.hooked(service)
        code = self.raised(device)
        self.answers("ACK")
        words = "dev: ACK came without a code, send ACK and the code in the alarm's text"
        wait_until(lambda: words in self.texts_to(service, "anna"), "the reply")
        self.assertFalse(self.alarm(device)["acknowledged"])
        self.answers(f"ACK {code}")
        self.assertTrue(self.alarm(device)["acknowledged"])

    def test_the_example_of_the_simulated_webhook_works(self):
        device = self.hooked()
        code = self.raised(device)
        program = ROOT / "tests" / "simulator" / "webhook.py"
        shown, = re.findall(r"webhook\.py http\S+ (incoming .*?='ACK K7QP')", program.read_text(), re.DOTALL)
        words = shlex.split(shown.replace("\\\\\n", " ").replace("K7QP", code))
        words = [f"{HEADER}: {SECRET}" if w.startswith(HEADER) else w for w in words]
        words = [f"from={PHONES['anna']}" if w.startswith("from=") else w for w in words]
        made = subprocess.run([sys.executable, program, self.url, *words], capture_output=True, text=True)
        self.assertEqual((made.returncode, made.stdout, made.stderr), (0, "200\n", ""))
        self.assertTrue(self.alarm(device)["acknowledged"])

    def test_an_acknowledgement_outlives_a_kill_and_a_new_alarm_has_another_code(self):
        device = self.hooked()
        code = self.raised(device)
        self.answers(f"ACK {code}")
        self.assertIn("acknowledged already", device.ok("ack", "high-level").err)  # and on the medium
        device.kill()
        device.start()
        self.assertEqual((self.alarm(device)["code"], self.alarm(device)["acknowledged"]), (code, True))
        device.ok("clear", "high-level")
        again = self.raised(device)
        self.assertNotEqual(again, code)
        self.answers(f"ACK {code}")
        self.assertFalse(self.alarm(device)["acknowledged"])
        self.answers(f"ACK {again}", "ben")
        self.assertTrue(self.alarm(device)["acknowledged"])

    def test_ack_by_hand_with_and_without_a_daemon(self):
        device = self.device(self.service())
        self.assertIn("is not active", device.ok("ack", "high-level").err)
        device.ok("raise", "high-level")
        self.assertEqual(device.ok("ack", "high-level").out, "")
        self.assertIn("acknowledged already", device.ok("ack", "high-level").err)
        self.assertIn("active already", device.ok("raise", "high-level").err)
        device.start()
        self.assertTrue(self.alarm(device)["acknowledged"])
        self.assertIn(", acknowledged\n", device.ok("status").out)
        device.ok("clear", "high-level")
        device.ok("raise", "high-level")
        self.assertEqual(device.ok("ack", "high-level"), (0, "", ""))
        self.one_line(device.run("ack", "low-level"), 65, "no [alarm low-level]")

    def test_an_acknowledgement_that_the_medium_does_not_take_is_sent_again_by_the_service(self):
        mount = self.medium()
        device = self.hooked(state=mount / "state")
        code = self.raised(device)
        given = {"from": PHONES["anna"], "text": f"ACK {code}"}
        self.assertEqual(sh("fsfreeze", "-f", str(mount)).returncode, 0)
        for _ in range(2):
            self.assertEqual(self.call(**given), (503, b""))
        self.assertTrue(self.alarm(device)["acknowledged"])  # in memory
        device.log.wait("the medium does not take it (503)")
        self.assertEqual(self.call(**{"from": PHONES["anna"], "text": "hello"})[0], 200)  # that changes nothing
        self.assertEqual(sh("fsfreeze", "-u", str(mount)).returncode, 0)
        wait_until(lambda: self.call(**given)[0] == 200, "the medium")
        device.kill()
        device.start()
        self.assertEqual((self.alarm(device)["code"], self.alarm(device)["acknowledged"]), (code, True))

    def test_an_acknowledgement_without_a_state_is_in_it_when_it_is_there(self):
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        device = self.hooked(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, unlimited)))
        self.assertEqual(device.run("raise", "high-level").exit, 74)
        code = self.alarm(device)["code"]
        given = {"from": PHONES["anna"], "text": f"ACK {code}"}
        self.assertEqual(self.call(**given), (503, b""))
        self.assertTrue(self.alarm(device)["acknowledged"])  # in memory
        resource.prlimit(device.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        device.log.wait("can be used again")
        wait_until(lambda: self.call(**given)[0] == 200, "the medium")
        device.kill()
        device.start()
        self.assertEqual((self.alarm(device)["code"], self.alarm(device)["acknowledged"]), (code, True))

    def test_who_guesses_codes_is_told_once_and_ignored(self):
        service = self.service()
        device = self.hooked(service)
        code = self.raised(device)
        for guess in ("AAAA", "CCCC", "DDDD", "EEEE", "FFFF"):
            self.answers(f"ACK {guess}")
        device.log.wait("44*******100 has sent too many wrong codes: it is ignored until their hour is over")
        for text in (f"ACK {code}", "STATUS", "STOP"):
            self.answers(text)
        device.log.wait(f"answer from 44*******100: `ACK {code}`, too many wrong codes: ignored")
        self.assertEqual((self.alarm(device)["acknowledged"], device.status()["stopped"]), (False, []))
        wait_until(lambda: len(self.texts_to(service, "anna")) == 3, "alarm, first reply, last reply")
        replies = [text for text in self.texts_to(service, "anna") if "wrong codes" in text]
        self.assertEqual(replies, ["dev: no active alarm has the code FFFF: too many wrong codes, what comes from this "
                                   "number is ignored for up to an hour"])
        self.answers(f"ACK {code}", "ben")
        self.assertTrue(self.alarm(device)["acknowledged"])

    def test_status_is_answered_and_at_most_once_a_minute(self):
        service = self.service()
        device = self.hooked(service)
        code = self.raised(device)
        for text in ("STATUS", "status", "Status?"):
            self.answers(text)
        wait_until(lambda: len(self.texts_to(service, "anna")) == 2, "alarm and reply")
        self.answers("status", "ben")
        wait_until(lambda: len(self.texts_to(service, "ben")) == 2, "another phone's reply")
        [reply] = [text for text in self.texts_to(service, "anna") if "active" in text]
        self.assertRegex(reply, f"^dev: 1 alarm active: high-level code {code}, [0-9]+ alarm messages? waits?$")
        self.assertEqual(len(self.texts_to(service, "anna")), 2)

    def test_a_confirmation_that_waits_for_its_minute_goes_when_the_daemon_ends_or_starts_anew(self):
        service = self.service()
        device = self.hooked(service)

        def confirmed(words):
            wait_until(lambda: any(words in text for text in self.texts_to(service, "anna")), "the confirmation")

        self.answers("STATUS")
        self.answers("STOP")
        device.hang_up()
        confirmed("you are told of critical alarms only")
        device.log.wait("running as", after=1)
        self.answers("STATUS")
        self.answers("START")
        device.stop()
        device.start()
        confirmed("you are told of all alarms")

    def test_stop_spares_a_phone_all_but_critical_alarms_and_start_ends_that(self):
        service = self.service()
        loud = "[alarm loud]\nto = anna, ben\nclass = critical\ntext = critical\n\n"
        alone = "[alarm alone]\nto = anna\nclass = info\ntext = alone\n\n"
        device = self.hooked(service, more=loud + alone, alarm={"class": "warning", "text": "warning"})
        self.answers("STOP")
        device.send("what was noted before is on the medium with this", "eve")
        device.restart()
        self.assertEqual(device.status()["stopped"], [{"to": PHONES["anna"]}])
        self.assertIn("stopped  44*******100: asked by STOP", device.ok("status").out)
        for alarm in ("high-level", "loud", "alone"):
            device.ok("raise", alarm)
        device.wait_ended()
        self.assertEqual(sorted(self.texts_to(service, "ben")), ["critical", "warning"])
        told = [text for text in self.texts_to(service, "anna") if not text.startswith("dev: ")]
        self.assertEqual(sorted(told), ["alone", "critical"])  # who is told alone is told
        self.answers("START")
        self.assertEqual(device.status()["stopped"], [])
        device.ok("clear", "high-level")
        device.ok("raise", "high-level")
        device.wait_ended()
        self.assertIn("warning", self.texts_to(service, "anna"))

    def test_who_is_no_contact_and_what_is_no_instruction_is_logged_and_ignored(self):
        service = self.service()
        device = self.hooked(service)
        code = self.raised(device)
        device.wait_ended()
        before = len(service.messages())
        for sender in ("447700900999", "ALERTS", ""):
            self.assertEqual(self.call(**{"from": sender, "text": f"ACK {code}"})[0], 200)
        device.log.wait("answer from 44*******999: `ACK " + code + "`, no contact: ignored")
        device.log.wait("answer from nobody")
        self.answers("please call 447700900555")
        device.log.wait("answer from 44*******100: `please call 44*******555`, not understood: ignored")
        self.assertEqual(self.call(colour="blue")[0], 200)
        device.log.wait("webhook not understood: `{\"colour\": \"blue\"}`")
        kept = device.state / "answer.webhook.whole"
        device.log.wait(f"is in {kept}, without token and numbers: send it to support")
        self.assertTrue(kept.read_text().endswith("\nbytes 18\n\n{\"colour\": \"blue\"}"), kept.read_text())
        self.assertEqual(self.call("form", colour=f"100% {SECRET} 447700900123")[0], 200)
        device.log.wait("webhook not understood: `colour=100%25+***+44*******123`")
        self.assertNotIn("100", kept.read_text())  # the first stays
        self.assertEqual(self.call("query", status="teleported", message_uuid="x")[0], 200)
        self.assertFalse(self.alarm(device)["acknowledged"])
        device.send("the last")
        device.wait_ended()
        self.assertEqual(len(service.messages()), before + 1, "nobody was answered")

    # -- what became of messages ------------------------------------------------------------------------------

    def accepted(self, device, text):
        """A message that the service has; its row."""
        return device.wait_state(device.send(text)[0], "accepted")

    def test_a_delivery_is_told_in_every_form_by_either_id(self):
        device = self.hooked()
        for form in FORMS:
            for by in ("id", "uuid"):
                message = self.accepted(device, f"{form} {by}")
                name = {"id": "internal_id", "uuid": "message_uuid"}[by]
                value = message[by] if by == "id" else message[by].upper()
                self.assertEqual(self.call(form, **{name: value, "status": "delivered", "text": "Sump"})[0], 200)
                self.assertEqual(device.message(message["id"])["state"], "delivered")
                device.log.wait(f"message {message['id']} delivered")

    def test_a_list_tells_of_several_and_is_refused_as_a_whole_when_it_is_too_long(self):
        device = self.hooked()
        messages = [self.accepted(device, f"message {n}") for n in range(3)]
        code = self.raised(device)
        events = [{"message_uuid": m["uuid"], "status": "delivered"} for m in messages]
        events.append({"from": PHONES["anna"], "text": f"ACK {code}"})
        self.assertEqual(call(self.url, {"events": events * 9}, headers={HEADER: SECRET})[0], 413)
        self.assertEqual(device.message(messages[0]["id"])["state"], "accepted")
        self.assertEqual(call(self.url, events, headers={HEADER: SECRET})[0], 200)
        self.assertEqual({device.message(m["id"])["state"] for m in messages}, {"delivered"})
        self.assertTrue(self.alarm(device)["acknowledged"])

    def test_only_a_known_word_ends_a_message(self):
        device = self.hooked()
        message = self.accepted(device, "first")
        told = {"internal_id": message["id"]}
        for word in ("sent", "teleported", "true", "1", "delivered or so"):
            self.assertEqual(self.call(status=word, **told)[0], 200)
            self.assertEqual(device.message(message["id"])["state"], "accepted", word)
        self.assertEqual(device.message(message["id"])["reason"], "not a known status: delivered or so")
        self.assertEqual(self.call(status="Undelivered", **told)[0], 200)
        after = device.message(message["id"])
        self.assertEqual((after["state"], after["reason"]), ("failed", "Undelivered"))
        self.assertEqual(self.call(status="delivered", **told)[0], 200)  # too late
        self.assertEqual(device.message(message["id"])["state"], "failed")

    def test_a_delivery_of_what_is_not_accepted_changes_nothing(self):
        service = self.service()
        device = self.hooked(service)
        message = self.accepted(device, "first")
        number = message["id"].rsplit("-", 1)[1]
        for told in ({"internal_id": number}, {"internal_id": "other-abcd-" + number}, {"internal_id": "x"},
                     {"message_uuid": "x"}, {"message_uuid": message["uuid"][:-1]}, {"internal_id": message["id"] + "1"}):
            self.assertEqual(self.call(status="delivered", **told)[0], 200)
        service.rule("status", code=503, retry_after=60)
        [waiting] = device.send("waits")
        self.assertEqual(self.call(status="delivered", internal_id=waiting)[0], 200)
        self.assertEqual([m["state"] for m in device.queue()], ["accepted", "queued"])

    # -- what is refused -------------------------------------------------------------------------------------

    def test_without_the_secret_there_is_one_answer(self):
        device = self.hooked()
        code = self.raised(device)
        given = {"from": PHONES["anna"], "text": f"ACK {code}"}
        wrong = ({}, {HEADER: SECRET[:-1]}, {HEADER: SECRET + "f"}, {HEADER: SECRET.upper()}, {HEADER: ""},
                 {HEADER: SECRET + "x" * 200}, {"Authorization": SECRET})
        for headers in wrong:
            for url in (self.url, self.url + "x"):
                for form in FORMS:
                    self.assertEqual(self.call(form, headers=headers, url=url, **given), (403, b""), headers)
        device.log.wait("from 127.0.0.1: its secret is missing or wrong (403)")
        self.assertFalse(self.alarm(device)["acknowledged"])
        self.assertEqual(self.call(headers={HEADER.lower(): SECRET}, **given)[0], 200)
        self.assertTrue(self.alarm(device)["acknowledged"])

    def test_what_is_no_right_request_is_refused_with_the_right_number(self):
        self.hooked()
        fields = f"Host: d\r\n{HEADER}: {SECRET}\r\n"
        rows = [
            (404, f"GET /other HTTP/1.1\r\n{fields}\r\n"),
            (404, f"GET /streams/ HTTP/1.1\r\n{fields}\r\n"),
            (405, f"PUT /streams HTTP/1.1\r\n{fields}Content-Length: 2\r\n\r\n{{}}"),
            (405, f"HEAD /streams HTTP/1.1\r\n{fields}\r\n"),
            (400, "GET /streams\r\n\r\n"),
            (400, f"POST /streams HTTP/1.1\r\n{fields}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            (413, f"POST /streams HTTP/1.1\r\n{fields}Content-Length: 8193\r\n\r\n" + 3000 * "x"),
            (431, f"GET /streams HTTP/1.1\r\n{fields}" + 400 * "X-Many: 1234567\r\n"),
            (505, f"GET /streams HTTP/3.0\r\n{fields}\r\n"),
            (200, f"POST /streams HTTP/1.1\r\n{fields}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"),
            (200, f"GET http://d/streams?a=b HTTP/1.0\r\n{HEADER}: {SECRET}\r\n\r\n"),
        ]
        for status, request in rows:
            answer = self.raw(request.encode())
            self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), (request[:80], answer))
            self.assertIn(b"\r\nConnection: close\r\n\r\n", answer)
        # Who asks first is told to go on, and is answered once.
        with socket.create_connection(("127.0.0.1", self.port), 10) as channel:
            channel.sendall(f"POST /streams HTTP/1.1\r\n{fields}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n".encode())
            self.assertEqual(channel.recv(4096), b"HTTP/1.1 100 Continue\r\n\r\n")
            channel.sendall(b"{}")
            self.assertTrue(channel.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_behind_the_front_end_of_the_readme_it_is_reached_by_tls(self):
        nginx = "/usr/sbin/nginx"
        if not os.path.exists(nginx):
            self.skipTest("no nginx (Debian: nginx-light)")
        device = self.hooked()
        code = self.raised(device)
        port = free_port()
        [block] = re.findall(r"```nginx\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        for old, new in (("443", f"127.0.0.1:{port}"), ("127.0.0.1:8080", f"127.0.0.1:{self.port}"),
                         ("/etc/nginx/webhook.", f"{CERTS}/ec.")):
            self.assertIn(old, block)
            block = block.replace(old, new)
        paths = "".join(f"{p}_temp_path {device.folder}/{p}; " for p in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root; " if os.geteuid() == 0 else ""
        front = device.folder / "nginx.conf"
        front.write_text(f"{user}daemon off; pid {device.folder}/nginx.pid; error_log {device.folder}/nginx.log;\n"
                         f"events {{}}\nhttp {{ access_log off; {paths}\n{block}}}\n")
        process = subprocess.Popen([nginx, "-p", str(device.folder), "-c", str(front)], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        trust = ssl.create_default_context(cafile=CERTS / "ca.pem")

        def over_tls(path, secret):
            channel = http.client.HTTPSConnection("localhost", port, timeout=10, context=trust)
            try:
                channel.request("POST", path, json.dumps({"from": PHONES["anna"], "text": f"ACK {code}"}), {HEADER: secret})
                return channel.getresponse().status
            except ConnectionRefusedError:  # it begins
                return None
            finally:
                channel.close()

        wait_until(lambda: over_tls("/streams", SECRET + "x") == 403, "nginx listens")
        self.assertEqual(over_tls("/", SECRET), 404)
        self.assertFalse(self.alarm(device)["acknowledged"])
        self.assertEqual(over_tls("/streams", SECRET), 200)
        self.assertTrue(self.alarm(device)["acknowledged"])

    def test_more_than_ten_in_a_second_wait(self):
        device = self.hooked()
        # All at once: how long one of them takes does not matter then.
        request = f"GET /streams?text=hello HTTP/1.1\r\nHost: d\r\n{HEADER}: {SECRET}\r\n\r\n".encode()
        os.kill(device.process.pid, signal.SIGSTOP)
        channels = [socket.create_connection(("127.0.0.1", self.port), 30) for _ in range(40)]
        for channel in channels:
            channel.sendall(request)
        os.kill(device.process.pid, signal.SIGCONT)
        answers = []
        for channel in channels:
            answers.append(channel.recv(100)[9:12])
            channel.close()
        self.assertEqual(set(answers), {b"200", b"503"})
        self.assertGreaterEqual(answers.count(b"200"), 10)
        device.log.wait("more than 10 in a second (503)")
        wait_until(lambda: self.call("query", text="hello")[0] == 200, "the next second")

    def test_an_address_or_a_secret_that_is_missing_is_tried_again(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            device = self.device(self.service())
            port = taken.getsockname()[1]
            device.write_config(more=f"[webhook]\nlisten = 127.0.0.1:{port}\n")
            device.start()
            device.log.wait(f"cannot listen at 127.0.0.1 port {port}: ")
        device.ok("raise", "high-level")  # it watches all the same
        url = f"http://127.0.0.1:{port}/"

        def reached():
            try:
                return call(url, {"text": "hello"}, "query")[0] == 200
            except OSError:
                return False

        wait_until(reached, "the address")

    def test_mistakes_of_the_section_are_told(self):
        device = self.device(self.service())
        rows = [
            ("listen = 192.0.2.7:8080", "no loopback address: add `header` and `secret_file`"),
            ("listen = 8080", "write ADDRESS:PORT, as 192.0.2.7:8080"),
            ("listen = localhost:8080", "write an address of this device, not a name"),
            ("listen = 127.0.0.1", "write its port too"),
            ("path = /a", "this section has no `listen`"),
            ("listen = 127.0.0.1:80\npath = a", "`path` cannot be used: begin it with /"),
            ("listen = 127.0.0.1:80\nheader = X-A", "`header` stands here and no `secret_file`"),
            ("listen = 127.0.0.1:80\nsecret_file = /x", "`secret_file` stands here and no `header`"),
            ("listen = 127.0.0.1:80\nheader = X A\nsecret_file = /x", "cannot be the header with the secret"),
            ("listen = 127.0.0.1:80\nheader = host\nsecret_file = /x", "cannot be the header with the secret"),
            ("listen = 127.0.0.1:80\n[webhook]\nlisten = 127.0.0.1:81", "a second [webhook] section"),
            ("listen = [::1]:80\nheader = X-A\nsecret_file = /nowhere/secret", "there is no webhook secret file"),
        ]
        for keys, words in rows:
            device.write_config(more=f"[webhook]\n{keys}\n")
            self.one_line(device.run("check"), 78, words)
        short = device.folder / "short"
        short.write_text("0123456789abcde\n")
        short.chmod(0o600)
        device.write_config(more=f"[webhook]\nlisten = [::1]:80\nheader = X-A\nsecret_file = {short}\n")
        self.one_line(device.run("check"), 78, "has less than 16 characters")
        short.write_text("0123456789abcdef\n")
        device.ok("check")

    # -- a thousand who are slow -----------------------------------------------------------------------------

    def test_a_thousand_slow_ones_keep_nobody_waiting(self):
        service = self.service()
        device = self.hooked(service)
        slow = []
        self.addCleanup(lambda: [channel.close() for channel in slow])

        def connect(count):
            for _ in range(count):
                channel = socket.socket()
                channel.setblocking(False)
                channel.connect_ex(("127.0.0.1", self.port))
                slow.append(channel)

        def drip():
            for channel in slow:
                try:
                    channel.send(b"G")
                except OSError:
                    pass

        def acknowledges(code):
            try:
                return self.call(**{"from": PHONES["anna"], "text": f"ACK {code}"})[0] == 200
            except OSError:  # its place was given to another one, before it had sent its request
                return False

        def alarms(count, slow_ones):
            for turn in range(count):
                connect(slow_ones)
                drip()
                # An alarm, and a call that is not slow, between all of them.
                device.ok("raise" if turn % 2 == 0 else "clear", "high-level")
                if turn % 2 == 0:
                    wait_until(lambda: acknowledges(self.alarm(device)["code"]), "room")
                    self.assertTrue(self.alarm(device)["acknowledged"])

        alarms(40, 0)
        device.wait_ended()
        before = self.memory_kib(device)
        alarms(20, 50)
        self.assertEqual(len(slow), 1000)
        device.wait_ended()
        after = self.memory_kib(device)
        # As many descriptors as there are places, and no more memory than these take.
        handles = len(os.listdir(f"/proc/{device.process.pid}/fd"))
        self.assertLess(handles, 40)
        self.assertLess(after - before, 160, "KiB")
        self.figures(f"{len(slow)} slow connections, 10 alarms, own memory {before} -> {after} KiB, {handles} descriptors")


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
