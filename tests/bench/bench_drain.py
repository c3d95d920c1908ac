#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Row 15: a queue that filled while the network was away, drained over 100 ms of round trip, the queue's syncs on;
and once more with one message a request, as `request_body` has it; beside curl called once for each message. What a
message takes, measured in the same run, as a ratio.

The service is simulated, behind a relay that holds every byte 50 ms in each direction, and the first ones of a
connection 100 ms more: TCP's own handshake. What takes longer is measured over fewer messages: each takes as long as
the one before.

    bench_drain.py [MESSAGES]      10,000 unless told otherwise; about two minutes
"""
import asyncio
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from device import CERTS, Device, Simulator, TOKEN, make_certificates, wait_until  # noqa: E402

ONE_WAY_S = 0.05
PHONES_EACH = 32  # of one command
CURLS = 20
ONES = 300  # messages in requests of their own
GOAL, GOAL_OF_ONES = 50, 3  # times as fast as curl
FORM = (
    '{"messages":[{"internal_id":"{{internal_id}}","sender":"GLOBAL","recipient_phone":"{{recipient}}",'
    '"message_content":"{{text}}"}]}'
)
MESSAGE = (
    '{"messages":[{"internal_id":"curl-%d","sender":"GLOBAL","recipient_phone":"447700900123",'
    '"message_content":"sump level high"}]}'
)


class FarAway(threading.Thread):
    """A relay to a port of this machine, ONE_WAY_S away."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.to, self.port, self.ready = port, 0, threading.Event()

    def __enter__(self):
        self.start()
        self.ready.wait()
        return self

    def __exit__(self, *_):
        pass  # it ends with this program

    def run(self):
        self.loop = asyncio.new_event_loop()
        server = self.loop.run_until_complete(asyncio.start_server(self.relay, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()

    async def relay(self, reader, writer):
        there = await asyncio.open_connection("127.0.0.1", self.to)
        await asyncio.sleep(2 * ONE_WAY_S)
        await asyncio.gather(self.carry(reader, there[1]), self.carry(there[0], writer))

    async def carry(self, reader, writer):
        def arrive(data):
            if not writer.is_closing():
                writer.write(data) if data else writer.close()

        try:
            while data := await reader.read(65536):
                self.loop.call_later(ONE_WAY_S, arrive, data)
        except ConnectionError:
            pass
        self.loop.call_later(ONE_WAY_S, arrive, b"")


def seconds_of_curl(url, ca_file, body):
    began = time.monotonic()
    for number in range(CURLS):
        command = ["curl", "-sS", "--fail", "--cacert", ca_file, "-H", f"Authorization: {TOKEN}", "-H"]
        command += ["Content-Type: application/json", "--data", MESSAGE % number, "-o", "/dev/null", url + "/simple_send/"]
        subprocess.run(command, check=True)
    return (time.monotonic() - began) / CURLS


def seconds_of_tocsin(service, url, messages, **stream):
    """What waits is on the medium before; the clock runs from the start of the daemon to the last yes."""
    device = Device(service, url=url, device={"queue_size": "16M"}, stream={"timeout": "30s", **stream})
    try:
        for first in range(0, messages, PHONES_EACH):
            some = range(first, min(first + PHONES_EACH, messages))
            device.send("sump level high", ",".join(f"+4477009{n % 100:05}" for n in some))
        before = service.report()["distinct"]
        began = time.monotonic()
        device.start()
        wait_until(lambda: service.report()["distinct"] - before == messages, "every message at the service", 3600)
        return (time.monotonic() - began) / messages
    finally:
        device.close()


def main():
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    if not (CERTS / "ca.pem").exists():
        make_certificates(str(CERTS))
    with tempfile.TemporaryDirectory() as folder, Simulator(folder, str(CERTS), tokens=(TOKEN,)) as service:
        with FarAway(service.port) as far:
            url = f"https://localhost:{far.port}"
            curl = seconds_of_curl(url, service.ca_file, MESSAGE)
            batches = seconds_of_tocsin(service, url, messages)
            form = pathlib.Path(folder) / "form.json"
            form.write_text(FORM)
            ones = seconds_of_tocsin(service, url, min(ONES, messages), request_body=form)
    print(f"\nrow 15, {messages:,} messages that waited, drained over {ONE_WAY_S * 2000:.0f} ms of round trip")
    print(f"  {'curl, once for each':44}{curl * 1000:8.1f} ms a message")
    for who, each, goal in (("tocsin", batches, GOAL), ("tocsin, one message a request", ones, GOAL_OF_ONES)):
        print(f"  {who:44}{each * 1000:8.1f} ms a message, {curl / each:.1f} x, goal {goal}")
        if curl / each < goal:
            print(f"not at its goal: row 15, {who}: {curl / each:.1f} x curl, goal {goal}")


if __name__ == "__main__":
    main()
