# SPDX-License-Identifier: MIT
"""The heap, trapped in the running daemon: in the static builds, whose Mbed TLS is ours, malloc and its like are never
called after the start, whatever happens; with Debian's Mbed TLS by nobody but its libraries.

    make tls36 && make TOOLCHAIN=musl && python3 tests/e2e/test_malloc.py     x86-64, as root or where `unshare -r` works
"""
import collections
import os
import platform
import re
import socket
import sys
import unittest

import test_certificates
from device import ROOT, TOCSIN, Case, Runner
from malloc_trap import Trap, address_of, write
from proxies import Nginx
from proxy import Proxy

PROGRAMS = {
    "2.28": os.environ.get("TOCSIN_TLS28", str(ROOT / "build" / "musl" / "tocsin")),
    "3.6": os.environ.get("TOCSIN_TLS36", str(ROOT / "build" / "tls36" / "musl" / "tocsin")),
}
LOGIN = "gateway:pr0xy-5ecret-9x"
TAKES = r"^(malloc|calloc|realloc)(@.*)?$"


class Malloc(Case):
    def device_with(self, library, service=None, **config):
        program = PROGRAMS[library]
        self.assertTrue(os.path.exists(program), f"{program} is not there: make tls36, make TOOLCHAIN=musl")
        device = self.device(service, **config)
        device.command = lambda *words, program=(): [*program, PROGRAMS[library], "-c", str(device.config), *words]
        return device

    def story(self, library):
        good, odd = self.service(), self.service(cert="expired")
        proxy = Proxy(login=LOGIN)
        self.addCleanup(proxy.close)
        tickets = Nginx("tickets on 1.2" if library == "2.28" else "tickets on 1.3")
        device = self.device_with(library)
        login = device.folder / "proxy.login"
        login.write_text(LOGIN + "\n")
        login.chmod(0o600)
        crl = test_certificates.Narrowed.revocation_list(self, device.folder, "20351231000000Z", "rsa")
        stream = device.sections().partition("[stream sms]\n")[2].partition("\n\n")[0]

        def another(name, url, *more):
            lines = [line for line in stream.splitlines() if not line.startswith("base_url")]
            return "\n".join([f"[stream {name}]", *lines, f"base_url = {url}", *more]) + "\n\n"

        more = (
            another("tickets", f"https://localhost:{tickets.port}")
            + another("odd", odd.url, "pin_sha256 = " + test_certificates.Narrowed.pin(self, "ca"), f"crl_file = {crl}")
            + another("proxied", good.url, f"proxy = {proxy.address}", f"proxy_auth_file = {login}")
        )
        device.url = good.url
        device.write_config(more=more)
        device.start()
        self.assertEqual(good.requests(), [], "nothing was sent before the traps were set")
        # Its successor believes to be in 1970.
        daemon = device.process.pid
        trap = Trap(PROGRAMS[library], daemon, behind=1_790_000_000)

        def accepted(text, *options):
            for identifier in device.send(text, "anna", *options):
                device.wait_state(identifier, "accepted")

        # Handshakes in full, kept connections, batches, a proxy, sessions that are resumed.
        accepted("by itself")
        accepted("on the kept connection", "--class", "critical")
        device.wait_state(device.send("to all of them", "oncall")[-1], "accepted")
        accepted("through the proxy", "--stream", "proxied")
        for n in range(4):
            accepted(f"resumed {n}", "--stream", "tickets")
        self.assertEqual([r["reused"] for r in tickets.log("resumed ")][-3:], 3 * ["r"])

        # Certificates that are refused.
        device.send("until it is right", "anna", "--stream", "odd", "--class", "critical")
        for cert, words in test_certificates.BAD.items():
            odd.cert = cert
            seen = len(device.log.lines)
            odd.restart()
            device.log.wait(words, after=seen)
        odd.cert = "rsa"
        odd.restart()
        device.log.wait("it is revoked")
        odd.cert = "ec"
        odd.restart()
        self.assertTrue(odd.wait(distinct=1))

        # Answers that say something else, and none.
        for rule in (
            {"do": "status", "code": 503, "retry_after": 1},
            {"do": "garbage", "kind": "http"},
            {"do": "garbage", "kind": "body"},
            {"do": "garbage", "kind": "json"},
            {"do": "html"},
            {"do": "drop", "at": "accepted"},
            {"do": "drop", "at": "head", "how": "reset"},
            {"do": "drop", "at": "answer", "bytes": 100, "how": "notify"},
        ):
            good.rule(count=1, **rule)
            accepted(f"beside {rule['do']}", "--class", "critical")
        good.stop()
        device.send("while nobody is there", "anna", "--class", "critical")
        device.log.wait("onnection refused")
        proxy.login = "gateway:another"
        device.send("the proxy does not let through", "anna", "--stream", "proxied")
        device.log.wait("proxy")
        proxy.login = LOGIN
        good.start()
        device.ok("token", "set", "proxied", "-", stdin=device.token_file.read_text())  # it was held
        device.wait_ended()

        # Commands, noise at their socket, and a state that goes away.
        self.commands(device)
        device.state.rename(device.folder / "away")
        self.assertEqual(device.run("send", "--to", "anna", "in memory").exit, 74)
        device.queue()
        device.log.wait("the medium works again")  # with files made anew
        device.wait_ended()

        # SIGHUP: with mistakes, then right; from then on the clock is not set.
        device.write_text("[device]\nname = \n")
        device.hang_up()
        device.log.wait("not reloaded")
        device.write_config(more=more)
        seen = len(device.log.lines)
        device.hang_up()
        device.log.wait("running as", after=seen)
        self.assertIsNone(device.status()["time"])
        accepted("from 1970")
        device.log.wait("the clock is wrong (1970-0")
        for n in range(2):
            accepted(f"resumed in 1970 {n}", "--stream", "tickets")
        odd.cert = "future"
        odd.restart()
        device.send("never", "anna", "--stream", "odd", "--class", "critical")
        said = device.log.wait("it is not valid before 2037", after=seen)
        self.assertIn("the clock is wrong (1970-0", said)
        self.commands(device)
        self.assertEqual(device.stop(), 0)

        calls = collections.Counter(call for call in trap.end() if call.pid == daemon)
        self.assertEqual(calls, {}, "functions of the heap were called in the daemon's process")
        self.assertEqual(trap.programs, 1)
        # That the traps see what there is to see: a process that looks a name up does call calloc().
        others = collections.Counter((c.function, c.caller) for c in trap.calls)
        self.assertGreater(others["calloc", "tocsin:getaddrinfo"], 3, others)
        self.figures(
            f"0 calls in the daemon's process, SIGHUP and second start included; {sum(others.values())} in the"
            " processes that look names up"
        )

    def commands(self, device):
        device.ok("raise", "high-level")
        device.ok("clear", "high-level")
        for words in (["status"], ["queue", "list"]):
            device.ok(*words)
            device.ok(*words, "--json")
        [identifier] = device.send("shown")
        device.ok("queue", "show", identifier)
        for change in ("retry", "drop"):
            device.run("queue", change, identifier)
        device.ok("queue", "purge")
        device.ok("token", "set", "sms", "-", stdin=device.token_file.read_text())
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
            channel.connect(str(device.folder / "control"))
            channel.send(b"noise")
            channel.recv(1000)

    def test_none_after_start_with_2_28(self):
        self.story("2.28")

    def test_none_after_start_with_3_6(self):
        self.story("3.6")

    def test_the_traps_see_a_library_that_is_turned_to_the_heap(self):
        """The fault is planted into the running program: Mbed TLS is told to take the C library's functions."""
        program = PROGRAMS["3.6"]
        device = self.device_with("3.6", self.service(), stream={"timeout": "60s"}).start()
        daemon = device.process.pid
        for pointer, function in (("mbedtls_calloc_func", "calloc"), ("mbedtls_free_func", "tocsin_no_free")):
            write(daemon, address_of(program, pointer), address_of(program, function).to_bytes(8, "little"))
        trap = Trap(program, daemon)
        device.wait_state(device.send("from the heap")[0], "accepted")
        device.kill()
        callers = collections.Counter(c.caller for c in trap.end() if c.pid == daemon)
        self.assertGreater(callers["tocsin:mbedtls_mpi_grow"], 1000, callers)
        self.figures(f"{sum(callers.values())} calls seen, from {dict(callers.most_common(3))}")

    def test_debians_library_alone_takes_from_the_heap(self):
        device = self.device(self.service(), stream={"timeout": "60s"}).start()
        daemon = device.process.pid
        trap = Trap(TOCSIN, daemon, heap=TAKES)
        for n in range(2):
            device.wait_state(device.send(f"with Debian's library {n}")[0], "accepted")
        self.commands(device)
        self.assertEqual(device.stop(), 0)
        libraries = collections.Counter(c.caller.split(".so")[0].split(":")[0] for c in trap.end() if c.pid == daemon)
        self.assertGreater(libraries["libmbedcrypto"], 1000, libraries)
        self.assertLessEqual(set(libraries), {"libmbedtls", "libmbedx509", "libmbedcrypto", "libc"}, libraries)
        self.assertLessEqual(libraries["libc"], 5, "of tzset(), once, for the dates of a certificate")
        self.figures(f"{sum(libraries.values())} calls: {dict(libraries)}; from our own objects: 0")


if __name__ == "__main__":
    if platform.machine() != "x86_64":
        sys.exit("the traps are for x86-64 only")
    if os.geteuid() != 0:  # whoever may not trace a program that keeps its memory to itself
        os.execvp("unshare", ["unshare", "-r", *sys.orig_argv])
    unittest.main(testRunner=Runner)
