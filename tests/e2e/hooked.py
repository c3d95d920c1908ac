# SPDX-License-Identifier: MIT
"""A device that the service can call, and who calls it."""
import pathlib
import socket

from device import PHONES, free_port
from medium import MediumCase

from webhook import FORMS, call  # noqa: F401  (of tests/simulator)

SECRET = "wh-5ecret-0123456789abcdef"
HEADER = "X-Webhook-Secret"


class HookCase(MediumCase):
    def hooked(self, service=None, more="", listen=None, secret=SECRET, state=None, preexec_fn=None, keys="", **config):
        """A running device that takes webhooks; `keys`: more of [webhook]."""
        self.port = free_port()
        device = self.device(service or self.service(), state=state, **config)
        secret_file = device.folder / "hook.secret"
        secret_file.write_text(secret + "\n")
        secret_file.chmod(0o600)
        device.secrets.append(secret)
        hook = f"[webhook]\nlisten = {listen or '127.0.0.1'}:{self.port}\npath = /streams\n"
        hook += f"header = {HEADER}\nsecret_file = {secret_file}\n" + keys
        config.setdefault("alarm", {"text": "{device}: sump level high, {code}", "class": "warning"})
        device.write_config(more=hook + more, **config)
        self.url = f"http://{(listen or '127.0.0.1').strip('[]')}:{self.port}/streams"
        return device.start(preexec_fn=preexec_fn)

    def call(self, form="json", headers=None, url=None, **values):
        return call(url or self.url, values, form, {HEADER: SECRET} if headers is None else headers)

    def answers(self, text, phone="anna", form="json"):
        status, body = self.call(form, **{"from": PHONES[phone], "text": text})
        self.assertEqual((status, body), (200, b""))

    def alarm(self, device, name="high-level"):
        return next((a for a in device.status()["alarms"] if a["name"] == name), None)

    def raised(self, device):
        device.ok("raise", "high-level")
        return self.alarm(device)["code"]

    def texts_to(self, service, phone):
        return [m["text"] for m in service.messages() if m["recipient"] == PHONES[phone]]

    def raw(self, request, wait=True):
        """What the device answers to these bytes, to the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as channel:
            channel.sendall(request)
            answer = b""
            while wait and (data := channel.recv(4096)):
                answer += data
            return answer

    def memory_kib(self, device):
        # Of its own, whoever else runs the same program.
        rollup = pathlib.Path(f"/proc/{device.process.pid}/smaps_rollup").read_text()
        return int(next(line for line in rollup.splitlines() if line.startswith("Private_Dirty:")).split()[1])
