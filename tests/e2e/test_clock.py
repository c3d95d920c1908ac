# SPDX-License-Identifier: MIT
"""A device whose clock was never set, or runs in another century: what it believes, what it says, and that it goes
on."""
import datetime
import pathlib
import subprocess
import tempfile
import unittest

from device import Case, Runner, free_port, wait_until
from webhook import call  # of tests/simulator

# The wall clock of the program and its children: the right one and the seconds in the file.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long shift(void) {
  long by = 0;
  FILE* file = fopen(getenv("CLOCK_SHIFT"), "r");
  if (file != NULL) {
    if (fscanf(file, "%ld", &by) != 1) by = 0;
    fclose(file);
  }
  return by;
}
int clock_gettime(clockid_t clock, struct timespec* at) {
  int (*real)(clockid_t, struct timespec*) = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, at);
  if (clock == CLOCK_REALTIME) at->tv_sec += shift();
  return result;
}
"""
UTC = datetime.timezone.utc
NOW = datetime.datetime.now(UTC)


class Clock(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="tocsin-clock-")
        where = pathlib.Path(cls.folder.name)
        cls.library, cls.shift = where / "clock.so", where / "shift"
        (where / "clock.c").write_text(SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", cls.library, where / "clock.c", "-ldl"], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def set_clock(self, to):
        """By its file, which is there whole: a running daemon looks all the time."""
        new = self.shift.with_suffix(".new")
        new.write_text(str(int((to - datetime.datetime.now(UTC)).total_seconds())))
        new.rename(self.shift)

    def start(self, device, to):
        self.set_clock(to)
        program = ["env", f"LD_PRELOAD={self.library}", f"CLOCK_SHIFT={self.shift}"]
        return device.start(program=program)

    def judged_as_of(self, device):
        """The day after `judged as of` in status, or None while the clock counts as set."""
        out = device.ok("status").out
        return out.split("judged as of ")[1][:10] if "judged as of " in out else None

    def test_never_set_is_no_reason_not_to_send(self):
        service = self.service()
        device = self.start(self.device(service), datetime.datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
        self.assertIsNone(device.status()["time"])
        built = self.judged_as_of(device)
        self.assertIn("NOT set (set it or enable NTP)", device.ok("status").out)
        [identifier] = device.send("from 1970")
        device.wait_state(identifier, "accepted")
        said = device.log.wait("the clock is wrong (1970-01-01 ")
        self.assertIn(f"the service says {NOW:%Y-%m-}", said)
        self.assertIn("set it or enable NTP", said)
        self.assertLess(built, self.judged_as_of(device))
        self.assertTrue(self.judged_as_of(device).startswith(f"{NOW:%Y-%m-}"))
        # Somebody sets it.
        self.set_clock(datetime.datetime.now(UTC))
        self.assertIsNone(self.judged_as_of(device))
        self.assertIsNotNone(device.status()["time"])

    def test_words_name_the_clock_when_it_is_the_reason(self):
        service = self.service(cert="future")
        device = self.start(self.device(service), datetime.datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
        device.send("waits")
        said = device.log.wait("certificate of")
        self.assertIn("the clock is wrong (1970-01-01), set it or enable NTP: it is not valid before 2037-01-01", said)
        self.assertIn("the clock is wrong (1970-01-01)", device.stream()["reason"])
        self.assertEqual(service.requests(), [])
        # One that has expired has, whatever the clock says.
        service.cert = "expired"
        service.restart()
        self.assertIn("it expired on 2020-02-01", device.log.wait("expired on"))
        self.assertEqual(service.requests(), [])

    def test_the_last_accepted_message_says_how_late_it_is(self):
        service = self.service()
        device = self.start(self.device(service), NOW)
        device.wait_state(device.send("first")[0], "accepted")
        device.stop()
        service.stop()
        device = self.start(device, datetime.datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
        self.assertTrue(self.judged_as_of(device).startswith(f"{NOW:%Y-%m-}"))

    def test_codes_are_asked_for_by_the_same_time(self):
        """Of a service whose certificate is younger than the program: by what is on record, or the daemon knows."""
        service = self.service(cert="young")
        device = self.device(service)
        codes = f"type = otp\nbase_url = {device.url}\ntoken_file = {device.token_file}\nca_file = {device.ca_file}\n"
        device.write_config(more=f"[stream codes]\n{codes}")
        shim = ["env", f"LD_PRELOAD={self.library}", f"CLOCK_SHIFT={self.shift}"]
        self.set_clock(datetime.datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
        self.one_line(device.run("otp", "send", "anna", program=shim), 69, "the clock is wrong (1970-01-01)")
        self.start(device, datetime.datetime(2034, 6, 1, tzinfo=UTC))
        device.wait_state(device.send("first")[0], "accepted")
        device.stop()
        self.set_clock(datetime.datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
        device.ok("otp", "send", "anna", program=shim)  # nobody else is there
        self.start(device, datetime.datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
        elsewhere = {"state": device.folder / "nothing is here"}
        device.write_config(device=elsewhere, more=f"[stream codes]\n{codes}")
        device.ok("otp", "send", "anna", program=shim)  # asks the daemon
        device.stop()
        self.one_line(device.run("otp", "send", "anna", program=shim), 69, "the clock is wrong (1970-01-01)")

    def test_a_clock_that_ran_too_fast_leaves_nothing_behind(self):
        service = self.service()
        device = self.start(self.device(service), datetime.datetime(2099, 1, 1, 12, tzinfo=UTC))
        [identifier] = device.send("from 2099")
        self.assertIn(
            "expired on 2035-12-31 (this device's clock says 2099-01-01): the server needs a new one, or the clock is",
            device.log.wait("certificate of"),
        )
        self.assertEqual(service.requests(), [])
        self.set_clock(datetime.datetime.now(UTC))
        device.wait_state(identifier, "accepted")
        self.assertIsNone(self.judged_as_of(device))
        device.stop()
        device = self.start(device, datetime.datetime.now(UTC))
        self.assertIsNone(self.judged_as_of(device))
        device.wait_state(device.send("second")[0], "accepted")

    def test_a_clock_that_is_set_wrong_meanwhile_leaves_nothing_behind(self):
        """On a connection that is kept nobody looks at the certificate again, and a webhook comes without one."""
        port = free_port()
        hook = f"[webhook]\nlisten = 127.0.0.1:{port}\n"
        service = self.service()
        service.rule("delivery", shape="none", count=1)
        device = self.device(service, stream={"status_for": "1h"}, more=hook)
        self.start(device, datetime.datetime.now(UTC))
        [asked_for] = device.send("first")
        device.wait_state(asked_for, "accepted")
        self.set_clock(datetime.datetime(2099, 1, 1, 12, tzinfo=UTC))
        [identifier] = device.send("second")
        device.wait_state(identifier, "accepted")
        call(f"http://127.0.0.1:{port}/", {"internal_id": identifier, "status": "delivered"})
        self.assertEqual(device.message(identifier)["state"], "delivered")
        self.assertIsNone(device.message(identifier)["ended_at"])
        self.assertIsNone(device.wait_state(asked_for, "delivered")["ended_at"])
        device.stop()
        self.start(device, datetime.datetime.now(UTC))
        self.assertIsNone(self.judged_as_of(device))
        device.wait_state(device.send("third")[0], "accepted")

    def test_a_record_of_a_fast_clock_is_taken_back_by_the_service(self):
        service = self.service()
        # Certificates still last.
        device = self.start(self.device(service), datetime.datetime(2034, 1, 1, 12, tzinfo=UTC))
        device.wait_state(device.send("from 2034")[0], "accepted")
        device.stop()
        device = self.start(device, datetime.datetime.now(UTC))
        self.assertEqual(self.judged_as_of(device), "2034-01-01")
        device.wait_state(device.send("second")[0], "accepted")
        wait_until(lambda: self.judged_as_of(device) is None, "the clock is believed again")

    def test_a_service_whose_clock_was_ahead_takes_that_back(self):
        service = self.service()
        service.rule("headers", set={"Date": "Sun, 01 Jan 2034 00:00:00 GMT"}, count=1)
        device = self.start(self.device(service), datetime.datetime.now(UTC))
        device.wait_state(device.send("first")[0], "accepted")
        wait_until(lambda: self.judged_as_of(device) == "2034-01-01", "the service is believed")
        device.wait_state(device.send("second")[0], "accepted")
        wait_until(lambda: self.judged_as_of(device) is None, "the clock is believed again")

    def test_a_service_that_is_in_another_century_is_not_believed(self):
        service = self.service()
        service.rule("headers", set={"Date": "Fri, 01 Jan 2055 00:00:00 GMT"})
        device = self.start(self.device(service), datetime.datetime.now(UTC))
        device.wait_state(device.send("first")[0], "accepted")
        device.wait_state(device.send("second")[0], "accepted")
        self.assertIsNone(self.judged_as_of(device))


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
