# SPDX-License-Identifier: MIT
"""`tocsin text`, and texts on their way: what it says of a text is what arrives at the service."""
import json
import os
import subprocess
import unittest

from device import TOCSIN, Case, Runner

LONG = " ".join(f"pump {n} is off" for n in range(60))


def without_configuration(*words, stdin=None, config="/nowhere/tocsin.conf"):
    environment = {**os.environ, "TOCSIN_CONFIG": config}
    return subprocess.run([TOCSIN, "text", *words], capture_output=True, text=True, input=stdin, env=environment, timeout=20)


class Text(Case):
    def about(self, text, *words, device=None):
        if device is not None:
            return json.loads(device.ok("text", "--json", *words, "--", text).out)
        done = without_configuration("--json", *words, "--", text)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def test_counts_at_every_boundary(self):
        table = []
        for text, encoding, units, segments, left, with_152 in (
            ("a" * 159, "GSM 7-bit", 159, 1, 1, 1),
            ("a" * 160, "GSM 7-bit", 160, 1, 0, 1),
            ("a" * 161, "GSM 7-bit", 161, 2, 145, 2),
            ("a" * 305, "GSM 7-bit", 305, 2, 1, 3),
            ("a" * 306, "GSM 7-bit", 306, 2, 0, 3),
            ("a" * 307, "GSM 7-bit", 307, 3, 152, 3),
            ("a" * 158 + "€", "GSM 7-bit", 160, 1, 0, 1),
            ("a" * 159 + "€", "GSM 7-bit", 161, 2, 145, 2),
            ("a" * 152 + "€" + "a" * 152, "GSM 7-bit", 306, 3, 152, 3),  # the escape is not parted: 152, 153, 1
            ("ж" * 69, "UCS-2", 69, 1, 1, 1),
            ("ж" * 70, "UCS-2", 70, 1, 0, 1),
            ("ж" * 71, "UCS-2", 71, 2, 63, 2),
            ("ж" * 133, "UCS-2", 133, 2, 1, 3),
            ("ж" * 134, "UCS-2", 134, 2, 0, 3),
            ("ж" * 66 + "😀" + "ж" * 66, "UCS-2", 134, 3, 66, 3),  # nor is the pair: 66, 67, 1
        ):
            with self.subTest(text=text[:3], units=units):
                seen = self.about(text)
                self.assertEqual(
                    (seen["encoding"], seen["characters"], seen["units"], seen["segments"], seen["left"]),
                    (encoding, len(text), units, segments, left),
                )
                self.assertEqual((seen["segments_153"], seen["segments_152"]), (segments, with_152))
                table.append(f"{units}: {segments}")
        self.figures(", ".join(table))

    def test_screen_of_one_text(self):
        done = without_configuration("Kessel", "85", "°C", "°ж")
        self.assertEqual(
            done.stdout.splitlines(),
            [
                "encoding    UCS-2",
                "characters  15",
                "length      15 code units",
                "segments    1, room for 55 more",
                "not in GSM  U+00B0 `°`: left out by transliterate = yes",
                "            U+0436 `ж`: nothing stands for it",
                "sent        as it is (no configuration)",
            ],
        )
        done = without_configuration("-", stdin="Fühler ≥ 85 °C\n")
        self.assertIn("in GSM      14 septets, 1 segment by transliterate = yes: Fühler >= 85 C\n", done.stdout)
        done = without_configuration("a" * 305)
        self.assertIn("segments    2, room for 1 more; 3 with segment_size = 152\n", done.stdout)
        done = without_configuration(LONG)
        self.assertIn("sent        shortened to max_segments = 3 (no configuration), 459 septets, 3 segments: pump 0", done.stdout)
        self.assertTrue(done.stdout.endswith("...\n"))

    def test_a_text_of_all_different_characters_is_told_whole(self):
        text = "".join(chr(c) for c in range(0x400, 0x600))
        seen = self.about(text)
        self.assertEqual([one["character"] for one in seen["not_gsm"]], list(text))
        self.assertEqual(seen["not_gsm"][0x36]["code"], "U+0436")
        self.assertEqual(without_configuration(text).stdout.count("U+"), 512)

    def test_with_the_options_of_a_stream(self):
        more = "[stream long]\ntype = marketing\ntoken_file = /t\nmax_segments = all\nsegment_size = 152\n"
        device = self.device(stream={"transliterate": "yes", "max_segments": "1"}, more=more)
        seen = self.about("35 °C", device=device)
        self.assertEqual((seen["stream"], seen["sent_text"], seen["sent_encoding"]), ("sms", "35 C", "GSM 7-bit"))
        self.assertEqual((seen["transliterated"], seen["shortened"]), (True, False))
        seen = self.about(LONG, device=device)
        self.assertEqual((seen["sent_text"], seen["sent_segments"], seen["shortened"]), (LONG[:157] + "...", 1, True))
        seen = self.about("a" * 305, "--stream", "long", device=device)
        self.assertEqual((seen["stream"], seen["segments"], seen["sent_text"]), ("long", 3, "a" * 305))
        self.one_line(device.run("text", "--stream", "fax", "x"), 65, "no stream `fax`", "sms, long")

    def test_without_a_good_configuration(self):
        device = self.device()
        device.write_text("[device\n")
        done = without_configuration("x", config=str(device.config))
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 5))
        self.assertIn("tocsin check", done.stderr)
        self.assertEqual(without_configuration("x").stderr, "")
        self.assertEqual(device.run("text", "x").exit, 78, "named by -c")
        done = without_configuration("--stream", "sms", "x")
        self.assertEqual((done.returncode, done.stdout), (78, ""))

    def test_what_is_no_message_is_refused(self):
        for text, word in (("", "empty"), ("a\tb", "tab"), ("x" * 1025, "1025"), (b"\xff", "UTF-8")):
            done = without_configuration("--", text)
            self.assertEqual((done.returncode, done.stdout), (65, ""))
            self.assertIn(word, done.stderr)
        self.assertEqual(without_configuration("-", stdin="a\tb").returncode, 65)


class OnTheWay(Case):
    def test_what_arrives_is_what_text_says_and_the_queue_keeps_all_of_it(self):
        service = self.service()
        device = self.device(service, stream={"transliterate": "yes", "max_segments": "2"}).start()
        texts = ("Kessel 85 °C", "Насос 3: уровень", LONG, "°C " + LONG, "ж" * 200, "€" * 200)
        for text in texts:
            sent = device.ok("send", "--to", "anna", "--", text)
            shortened = json.loads(device.ok("text", "--json", "--", text).out)["shortened"]
            self.assertEqual("2 segments and its end is not sent" in sent.err, shortened, sent.err)
        self.assertTrue(service.wait(distinct=len(texts)))
        expected = [json.loads(device.ok("text", "--json", "--", text).out)["sent_text"] for text in texts]
        self.assertEqual(expected[:2], ["Kessel 85 C", "Насос 3: уровень"])
        self.assertEqual(expected[2], LONG[:303] + "...")
        self.assertEqual([len(text) for text in expected[4:]], [134, 154])
        self.arrived(service, *expected)
        queue = device.wait_ended()
        self.assertEqual([m["text"] for m in queue], list(texts))
        for message, sent in zip(queue, expected):
            shown = json.loads(device.ok("queue", "show", message["id"], "--json").out)
            self.assertEqual((shown["text"], shown["sent_text"]),
                             (message["text"], sent if sent != message["text"] else None))
        self.assertIn("\nsent as   Kessel 85 C\n", device.ok("queue", "show", queue[0]["id"]).out)
        self.assertNotIn("\nsent as", device.ok("queue", "show", queue[1]["id"]).out)

    def test_a_repeated_copy_is_marked_and_takes_no_further_segment(self):
        service = self.service()
        service.rule("status", code=500, count=1)
        device = self.device(service, stream={"max_segments": "1"}).start()
        device.wait_state(device.send(LONG)[0], "accepted")
        self.assertEqual([m["text"] for m in service.messages()], [LONG[:148] + "... (repeat)"])

    def test_national_numbers_have_the_country_code(self):
        service = self.service()
        device = self.device(service, device={"country_code": "44"}, more="[contact zoe]\nphone = 07700 900321\n").start()
        device.send("x", "(0)7700 900322, zoe")
        self.assertTrue(service.wait(distinct=2))
        self.assertEqual(sorted(m["to"] for m in device.wait_ended()), ["447700900321", "447700900322"])
        device.write_config()
        self.one_line(device.run("send", "--to", "07700 900322", "x"), 65, "country_code")


class Warnings(Case):
    def test_are_told_by_check_and_by_the_daemon(self):
        device = self.device(self.service(), stream={"sender": "PUMPSTATION-NORTH"},
                             alarm={"text": "x" * 460, "clear_text": "over"})
        lines = device.config.read_text().splitlines()
        sender, text = (next(n for n, line in enumerate(lines, 1) if line.startswith(key)) for key in ("sender", "text"))
        checked = device.run("check")
        self.assertEqual(checked.exit, 0)
        self.assertIn(f"{device.config}:{sender}: warning: `sender` has 17 characters", checked.err)
        self.assertIn(f"{device.config}:{text}: warning: the text takes more than 3 segments", checked.err)
        said = json.loads(device.ok("check", "--json").out)
        self.assertEqual(([one["line"] for one in said["warnings"]], said["mistakes"]), ([sender, text], []))
        self.assertEqual(device.send("x")[0], device.queue()[0]["id"], "and by no other command")
        device.start()
        device.log.wait(f"tocsin: warning: {device.config}:{sender}: ")
        device.log.wait(f"tocsin: warning: {device.config}:{text}: ")


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
