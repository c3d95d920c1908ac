# SPDX-License-Identifier: MIT
"""The control socket DIR/control: one JSON object a line in, one JSON object a line out."""

import json
import os
import socket
import threading


class Control:
    def __init__(self, server, rules, journal, service):
        self.server, self.rules, self.journal, self.service = server, rules, journal, service
        self.listener = socket.socket(socket.AF_UNIX)
        if os.path.lexists("control"):
            os.unlink("control")  # of a service that was killed; the lock says that it is gone
        self.listener.bind("control")  # relative to DIR, where the program stands: a socket path is short
        self.listener.listen(32)

    def run(self):
        while True:
            try:
                channel = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(channel,), daemon=True).start()

    def serve(self, channel):
        try:
            with channel, channel.makefile("rwb") as lines:
                for line in lines:
                    lines.write(json.dumps(self.answer(line)).encode() + b"\n")
                    lines.flush()
        except OSError:
            pass

    def answer(self, line):
        try:
            request = json.loads(line)
            name = request["command"]
            if name not in self.COMMANDS:
                raise ValueError(f"no such command: {name}; there are {', '.join(sorted(self.COMMANDS))}")
            return {"ok": True, **(self.COMMANDS[name](self, request) or {})}
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            return {"ok": False, "error": f"{error}" if isinstance(error, ValueError) else repr(error)}

    def rule(self, request):
        return {"rule": self.rules.add(request["rule"])}

    def clear(self, request):
        self.rules.remove(request.get("rule"))

    def report(self, request):
        return {"report": self.journal.report(request.get("expect"))}

    def reset(self, _):
        """Forgets everything, the rules too, and empties the journals."""
        self.rules.remove()
        self.service.lists.replies.clear()
        self.journal.reset()

    def wait(self, request):
        goals = {key: request.get(key, 0) for key in ("distinct", "copies", "requests")}
        return {"reached": self.journal.wait(request.get("seconds", 30), **goals)}

    def token(self, request):
        self.service.tokens = set(request["tokens"])

    def key(self, request):
        self.service.lists.keys = set(request["keys"])

    def reply(self, request):
        more = {name: request[name] for name in ("to", "received_at") if request.get(name)}
        return {"message_uuid": self.service.lists.reply(request["from"], request["text"], **more)}

    def hold(self, request):
        how = request.get("how", "stall")
        if how not in ("stall", "refuse"):
            raise ValueError("hold: stall (connections wait) or refuse (the port is closed)")
        self.server.hold(how)
        if request.get("drop"):
            self.server.close_connections()

    COMMANDS = {
        "ping": lambda self, _: {"port": self.server.port},
        "rule": rule,
        "clear": clear,
        "report": report,
        "reset": reset,
        "wait": wait,
        "token": token,
        "key": key,
        "reply": reply,
        "hold": hold,
        "rules": lambda self, _: {"rules": self.rules.list()},
        "messages": lambda self, _: {"messages": self.journal.messages()},
        "resume": lambda self, _: self.server.hold(None),
        "close": lambda self, _: {"closed": self.server.close_connections()},
    }
