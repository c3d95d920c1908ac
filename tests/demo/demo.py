#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tocsin at work on this machine, against the simulated service over real TLS.

    make demo                          the story, told and checked; exit status 0 only if it was so
    python3 tests/demo/demo.py --stay  service and daemon keep running, with the commands to try

An alarm becomes a message. Then the service goes away, two more alarms are raised, the daemon is killed with SIGKILL,
both come back, and every message arrives exactly once. Every line that begins with "$ " was run as it stands there.
"""
import argparse
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from phone import draw

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "simulator"))
from harness import CommandFailed, Simulator  # noqa: E402

PROGRAM = pathlib.Path(os.environ.get("TOCSIN") or ROOT / "build" / "native" / "tocsin").absolute()
TOKEN = "demo-Vq3x8Zt0Lw"
PATIENCE_S = 20  # how long anything may take until the demo has failed
OUTAGE_S, DEAD_S = 3, 2  # long enough to be seen in the times; nothing depends on it
PR_SET_PDEATHSIG = 1

CONFIGURATION = """\
[device]
name    = boiler-room-7
state   = {folder}/state
control = {folder}/control

[stream sms]
type       = marketing
base_url   = {url}
token_file = {folder}/sms.token
sender     = GLOBAL
ca_file    = {ca_file}
retry_min  = 1s
retry_max  = 2s

[contact anna]
phone = +44 7700 900123

[contact ben]
phone = +44 7700 900456

[group oncall]
members = anna, ben

[alarm high-level]
to         = anna
text       = {{device}}: sump level high since {{time}}
clear_text = {{device}}: sump level normal again after {{duration}}

[alarm mains]
to   = ben
text = {{device}}: mains power lost at {{time}}, on battery

[alarm door]
to         = anna
text       = {{device}}: cabinet door open since {{time}}
clear_text = {{device}}: cabinet door closed after {{duration}}
"""


class DemoFailed(Exception):
    pass


def expect(truth, otherwise):
    if not truth:
        raise DemoFailed(otherwise)


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        expect(time.monotonic() < deadline, f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.05)


class Screen:
    """Plain text; a little colour on a terminal that wants it."""

    def __init__(self):
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM", "dumb") != "dumb"

    def _in(self, code, text):
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def say(self, text=""):
        print(text, flush=True)

    def title(self, text):
        self.say("\n" + self._in("1;36", f"== {text}"))

    def command(self, text):
        self.say(self._in("1", f"$ {text}"))

    def good(self, text):
        self.say(self._in("32", text))

    def phone(self, copy):
        self.say("\n" + draw(copy["recipient"], copy["sender"], copy["time"], copy["text"]))


class Site:
    """A folder with everything, the simulated service, and the device's daemon."""

    def __init__(self, screen):
        self.screen = screen
        base = None if len(tempfile.gettempdir()) < 60 else "/tmp"  # the path of a socket has at most 107 bytes
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-demo-", dir=base))
        self.service = None
        self.daemon = None
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "tocsin").symlink_to(PROGRAM)
        ctl = self.folder / "bin" / "service-ctl"
        ctl.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/simulator/ctl.py" "{self.folder}/service" "$@"\n')
        ctl.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{self.folder}/bin:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "TOCSIN_CONFIG": str(self.folder / "tocsin.conf"),
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.daemon is not None:
            self.daemon.kill()  # of one that has ended already it knows
            self.daemon.wait()
        if self.service is not None:
            self.service.__exit__()
        shutil.rmtree(self.folder)

    def open(self):
        self.service = Simulator(self.folder / "service", tokens=(TOKEN,)).start()

    def configure(self):
        text = CONFIGURATION.format(folder=self.folder, url=self.service.url, ca_file=self.service.ca_file)
        (self.folder / "tocsin.conf").write_text(text)

    def run(self, command, typed="", show=True):
        """Runs a shell command, shows it with what it says, and returns its standard output."""
        if show:
            self.screen.command(command)
        done = subprocess.run(["sh", "-c", command], env=self.environment, input=typed, text=True, cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE_S)
        if show and done.stdout + done.stderr:
            self.screen.say((done.stdout + done.stderr).rstrip())
        expect(done.returncode == 0, f"`{command}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def queue(self):
        return [json.loads(line) for line in self.run("tocsin queue list --json", show=False).splitlines()]

    def running(self):
        return json.loads(self.run("tocsin status --json", show=False))["running"]

    def start_daemon(self):
        command = "tocsin run 2>>tocsin.log &"
        self.screen.command(command)
        libc = ctypes.CDLL(None)  # should this script be killed, the daemon ends with it
        # The shell's `&` is Popen, so that the daemon's end is known here.
        self.daemon = subprocess.Popen(["sh", "-c", "exec " + command.rstrip("& ")], env=self.environment,
                                       cwd=self.folder, stdin=subprocess.DEVNULL, start_new_session=True,
                                       preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM))
        wait_until(lambda: self.daemon.poll() is not None or self.running(), "the daemon runs")
        expect(self.daemon.poll() is None, "the daemon ended at once")

    def kill_daemon(self):
        daemon, self.daemon = self.daemon, None
        self.run(f"kill -KILL {daemon.pid}")
        expect(daemon.wait(PATIENCE_S) == -signal.SIGKILL, "the daemon ended before it was killed")
        wait_until(lambda: not processes_of_session(daemon.pid), "every process of the daemon is gone")

    def log(self):
        file = self.folder / "tocsin.log"
        return file.read_text(errors="replace") if file.exists() else ""


def processes_of_session(session):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # gone meanwhile
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def set_up(site):
    site.screen.title("The service: CommPeak's Streams API, simulated on this machine, over real TLS")
    site.open()
    site.screen.say(f"It listens at {site.service.url}; its certificates were made a moment ago.")

    site.screen.title("The device: what a technician writes and types")
    site.configure()
    site.screen.say(f"PATH has tocsin; TOCSIN_CONFIG is {site.folder}/tocsin.conf")
    site.run("cat tocsin.conf")
    site.screen.say("\nThe token comes from a clipboard, with a blank before it and a Windows line end behind it:")
    site.run("tocsin token set sms", typed=f" {TOKEN}\r\n")
    site.run("tocsin check")
    site.start_daemon()


def arrived(site, count):
    expect(site.service.wait(distinct=count, timeout=PATIENCE_S),
           f"{count} messages at the service: not within {PATIENCE_S} s")
    return site.service.messages()


def pause(screen, seconds):
    screen.say(f"({seconds} s pass.)")
    time.sleep(seconds)


def raise_alarm(site, alarm):
    [identifier] = site.run(f"tocsin raise {alarm}").split()
    return identifier


def tell(site):
    screen = site.screen
    screen.title("An alarm")
    ids = [raise_alarm(site, "high-level")]
    began = time.monotonic()
    copies = arrived(site, 1)
    screen.say(f"At the service {1000 * (time.monotonic() - began):.0f} ms later. On the phone it reads:")
    screen.phone(copies[0])
    wait_until(lambda: {m["state"] for m in site.queue()} <= {"accepted", "delivered"}, "the message is accepted")

    screen.title("The service is gone, and two more alarms come")
    site.service.stop()
    screen.say("(The service is stopped: nobody listens there any more.)")
    ids += [raise_alarm(site, "mains"), raise_alarm(site, "door")]
    wait_until(lambda: [m["reason"] is not None for m in site.queue()] == [False, True, True],
               "the queue knows why they wait")
    pause(screen, OUTAGE_S)
    site.run("tocsin queue list")

    screen.title("Now the daemon is killed: SIGKILL, no goodbye")
    number = site.daemon.pid
    site.kill_daemon()
    site.run(f'test -d /proc/{number} || echo "no process {number}"')
    screen.say("Nothing runs any more, neither service nor daemon. What the files still hold:")
    site.run("tocsin status")
    expect(not site.running(), "status says that a daemon runs")
    site.run("tocsin queue list")
    waiting = [m["id"] for m in site.queue() if m["state"] == "queued"]
    pause(screen, DEAD_S)
    expect(waiting == ids[1:], f"these should wait: {ids[1:]}, these do: {waiting}")

    screen.title("Both are started again")
    site.service.start()
    screen.say("(The service listens again.)")
    site.start_daemon()
    copies = arrived(site, 3)
    wait_until(lambda: {m["state"] for m in site.queue()} <= {"accepted", "delivered"}, "all messages are accepted")
    site.run("tail -n 3 tocsin.log")
    screen.say("\nOn the phones:")
    for copy in copies[1:]:
        screen.phone(copy)
    return ids


def clock(rfc3339):
    return rfc3339[11:19]


def settle(site, ids):
    """The account, taken from the service's own report; what the device believes must be the same."""
    report, queue = site.service.report(expect=ids), {m["id"]: m for m in site.queue()}
    there = report["messages"]
    copies = {copy["internal_id"]: copy for copy in site.service.messages()}
    site.screen.title("The account, as the service reports it")
    site.screen.say(f"{'id':24} {'raised':>8} {'arrived':>8} {'copies':>6}  text")
    for identifier in ids:
        expect(identifier in there, f"{identifier} is not at the service")
        here, copy = queue[identifier], copies[identifier]
        site.screen.say(f"{identifier:24} {clock(here['queued_at'] or '-' * 19):>8} {clock(copy['time']):>8} "
                        f"{there[identifier]['copies']:>6}  {copy['text']}")
        for key, value in (("uuid", copy["uuid"]), ("to", copy["recipient"]), ("text", copy["text"])):
            expect(here[key] == value, f"{identifier}: {key} is {here[key]} here and {value} at the service")
    site.screen.say(f"\nalarms {len(ids)}   messages {report['distinct']}   copies {report['accepted']}   "
                    f"lost {len(report['lost'])}")
    expect(report["lost"] == [], f"lost: {report['lost']}")
    expect(sorted(there) == sorted(ids), f"the service has {sorted(there)}")
    expect(report["max_copies"] == 1 and report["accepted"] == len(ids), "something arrived more than once")


TO_TRY = """\
In another terminal:

  export PATH={folder}/bin:$PATH TOCSIN_CONFIG={folder}/tocsin.conf

  tocsin raise door                 an alarm; what arrives is shown here
  tocsin clear door                 its end
  tocsin send --to oncall --wait 10 Hello
  tocsin status
  tocsin queue list
  tocsin queue show 1
  tail -f {folder}/tocsin.log

  service-ctl hold refuse --drop    the service goes away
  service-ctl resume                and comes back
  service-ctl rule status code=524 accept=true --count 1
                                    it takes the next request, but says nothing one can use
  service-ctl token another-token   from now on the only valid one
  tocsin token set sms              type it, and what was held goes out
  service-ctl actions               what else can go wrong

Ctrl-C here ends both and removes everything.
"""


def stay(site):
    site.screen.title("Both run. Your turn")
    site.screen.say(TO_TRY.format(folder=site.folder))
    shown = 0
    while True:
        site.service.wait(copies=shown + 1, timeout=5)
        for copy in site.service.messages()[shown:]:
            site.screen.phone(copy)
            shown += 1
        expect(site.daemon.poll() is None, "the daemon has ended")


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    options = argparse.ArgumentParser(description="tocsin at work, against the simulated service on this machine.")
    options.add_argument("--stay", action="store_true", help="keep service and daemon running, to try things")
    given = options.parse_args()
    expect(PROGRAM.exists(), f"there is no {PROGRAM}: run `make` first")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    began = time.monotonic()
    screen = Screen()
    with Site(screen) as site:
        try:
            set_up(site)
            if given.stay:
                stay(site)
            settle(site, tell(site))
        except (DemoFailed, CommandFailed, subprocess.SubprocessError, ValueError):
            print(f"\nThe daemon's log:\n{site.log()}", file=sys.stderr, flush=True)
            raise
    screen.good(f"\nThree alarms, one outage, one kill -9: each message arrived exactly once. "
                f"It took {time.monotonic() - began:.1f} s.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (DemoFailed, CommandFailed, subprocess.SubprocessError, ValueError) as failure:
        print(f"demo FAILED: {failure}", file=sys.stderr)
        sys.exit(1)
