# SPDX-License-Identifier: MIT
"""The token is in no output, log, argument, state file, environment or core; phones are masked in the log.

Every device of every end-to-end test is searched for its token when it is closed (device.py, audit()); here
are the places that need a look while the program runs, and the services that say the token themselves.
"""
import os
import pathlib
import resource
import signal
import subprocess
import unittest

from device import PHONES, TOKEN, Case, Runner, wait_until


class Token(Case):
    def nowhere(self, device):
        """Not in the folder of the device but in the token file, and not in what was said."""
        for path in device.folder.rglob("*"):
            if path.is_file() and path != device.token_file:
                self.assertNotIn(TOKEN.encode(), path.read_bytes(), path)
        self.assertEqual(device.audit(), [])

    def processes(self, device):
        """The daemon and its children."""
        root = device.process.pid
        found = [root]
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if int((entry / "stat").read_text().rsplit(") ", 1)[1].split()[1]) in found:
                        found.append(int(entry.name))
                except OSError:
                    pass
        return found

    def test_processes_and_files_while_it_runs(self):
        service = self.service(options=["--keep-tokens"])
        device = self.device(service)
        device.token_file.unlink()
        device.ok("token", "set", "sms", "-", stdin=TOKEN)
        shown = device.ok("token", "show", "sms").out + device.ok("token", "show", "sms", "--json").out
        self.assertNotIn(TOKEN[:6], shown)
        device.start()
        device.wait_state(device.send("hello")[0], "accepted")
        self.assertIn(
            TOKEN, (pathlib.Path(service.directory) / "requests.jsonl").read_text(), "the token was used"
        )
        looked = 0
        for process in self.processes(device):
            for name in ("cmdline", "environ", "comm"):
                self.assertNotIn(
                    TOKEN.encode(), pathlib.Path(f"/proc/{process}/{name}").read_bytes(), (process, name)
                )
                looked += 1
        self.nowhere(device)
        device.ok("status"), device.ok("status", "--json"), device.ok("queue", "show", "1"), device.ok(
            "version", "--memory"
        )
        self.nowhere(device)
        self.figures(
            f"{looked} files of /proc, {sum(p.is_file() for p in device.folder.rglob('*'))} of the device, "
            f"{len(device.said)} outputs: no token"
        )

    def test_service_that_repeats_the_token_in_its_answer(self):
        for name, rule in (
            ("a refusal", dict(do="status", code=403, body={"detail": f"token {TOKEN} is not valid"})),
            ("a refused message", dict(do="refuse", details=f"sent with {TOKEN}")),
            ("an outage", dict(do="status", code=503, body=f"{TOKEN}", retry_after=1)),
        ):
            with self.subTest(name):
                service = self.service()
                service.rule(rule.pop("do"), **rule)
                device = self.device(service).start()
                device.send("hello")
                self.assertTrue(service.wait(requests=1))
                wait_until(lambda: device.queue()[0]["reason"], "a reason")
                device.run("status"), device.run("queue", "show", "1"), device.run("queue")
                device.stop()
                self.nowhere(device)

    def test_token_with_a_mistake_in_it_is_not_shown(self):
        device = self.device()
        for raw in (TOKEN + " x", TOKEN + "\u00e4", TOKEN + "\x01"):
            result = device.run("token", "set", "sms", "-", stdin=raw)
            self.assertEqual(result.exit, 65)
            device.token_file.write_text(raw)
            self.assertEqual(device.run("check").exit, 78)
            self.assertEqual(device.run("token", "show", "sms").exit, 78)
        self.nowhere(device)

    def test_token_that_is_pasted_where_a_file_is_expected_is_not_shown(self):
        device = self.device()
        for pasted in ("pa5ted-token", "pa5ted-token/x", "pa5ted-token" * 40):  # its log has the command line
            result = device.run("token", "set", "sms", pasted)
            self.assertEqual(result.exit, 65)
            self.assertNotIn("pa5ted", result.out + result.err)
            self.assertRegex(
                result.err, r"^tocsin: cannot read the file that was named: .+: name the file .+ to be asked for it\n$"
            )

    def test_no_core(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        device = self.device(self.service())
        sleeper = subprocess.Popen(["sleep", "60"], preexec_fn=limit, cwd=device.folder)
        sleeper.send_signal(signal.SIGABRT)
        control = os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT).si_code
        sleeper.wait()
        for path in device.folder.glob("core*"):
            path.unlink()
        device.start(preexec_fn=limit, cwd=device.folder)
        device.wait_state(device.send("hello")[0], "accepted")
        device.process.send_signal(signal.SIGABRT)
        code = os.waitid(os.P_PID, device.process.pid, os.WEXITED | os.WNOWAIT).si_code
        device.gone()
        self.assertEqual(code, os.CLD_KILLED)
        self.assertEqual(list(device.folder.glob("core*")), [])
        if control != os.CLD_DUMPED:
            self.figures("this machine writes no cores at all: shown only that none was written")


class Phones(Case):
    def test_log_shows_no_phone(self):
        service = self.service()
        phone = PHONES["anna"]
        service.rule("refuse", match={"recipient": phone}, details=f"{phone} is barred")
        device = self.device(service).start()
        device.send("hello", "oncall")
        device.ok("raise", "high-level")
        device.wait_ended()
        device.stop()
        for line in device.log.lines:
            for number in PHONES.values():
                self.assertNotIn(number, line)

    def test_no_phone_of_a_configuration_with_mistakes_is_in_the_log(self):
        device = self.device().start()
        written = "07700900123", "+44 7700 900124x"
        device.write_config(more="".join(f"[contact {n}]\nphone = {p}\n" for n, p in zip("xy", written)))
        device.hang_up()
        device.log.wait("not reloaded")
        device.stop()
        device.launch()
        self.assertEqual(device.gone(), 78)
        said = "\n".join(device.log.lines)
        self.assertIn("`07******123` is not a phone number", said)
        self.assertIn("`+44 **** ***124x` is not a phone number", said)
        self.assertEqual([p for p in written if p[-7:] in said], [])
        for phone in written:  # whoever sits before it sees what is meant
            self.assertIn(phone, device.run("check").err)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
