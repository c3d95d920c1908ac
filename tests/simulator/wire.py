# SPDX-License-Identifier: MIT
"""A small HTTP client over TLS that shows what is on the wire, for the self-test."""

import json
import socket
import ssl


def send_body(ids, to, sender="GLOBAL", text=None):
    messages = [
        {
            "internal_id": internal_id,
            "sender": sender,
            "recipient_phone": to[index % len(to)],
            "message_content": text or f"text {index}",
        }
        for index, internal_id in enumerate(ids)
    ]
    return json.dumps({"messages": messages}, separators=(",", ":")).encode()


def post(path, body, token="test-token", method="POST", kind="application/json"):
    body = body if isinstance(body, bytes) else body.encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
    ]
    if token is not None:
        lines.insert(2, f"Authorization: {token}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Answer:
    """raw: every byte. end: open (the connection goes on), closed (by TLS), cut (without), or reset."""

    def __init__(self):
        self.raw, self.end, self.status, self.headers, self.fields, self.body = b"", "open", None, [], {}, b""

    def json(self):
        return json.loads(self.body)


class Client:
    """TLS in memory over a plain socket, so that it is seen how TCP and TLS end, each by itself."""

    def __init__(self, port, ca_file, timeout=10):
        context = ssl.create_default_context(cafile=ca_file)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        try:
            self._run(self.tls.do_handshake)
        except BaseException:
            self.socket.close()
            raise

    def close(self):
        self.socket.close()

    def _run(self, step, *arguments):
        """Runs a step of TLS with its bytes. Raises EOFError where TCP ended and TLS did not."""
        while True:
            try:
                result = step(*arguments)
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                data = self.socket.recv(65536)
                if not data:
                    raise EOFError from None
                self.incoming.write(data)
            except ssl.SSLError:
                self._flush()
                raise

    def _flush(self):
        if self.outgoing.pending:
            self.socket.sendall(self.outgoing.read())

    def send(self, data):
        if data:
            self._run(self.tls.write, data)

    def receive(self):
        """What comes next; nothing at the proper end of TLS."""
        try:
            return self._run(self.tls.read, 65536)
        except ssl.SSLZeroReturnError:
            return b""

    def ask(self, request):
        """Sends a request and reads the answer up to its end, or to the connection's."""
        answer = Answer()
        try:
            self.send(request)
            while answer.end == "open" and not self._whole(answer):
                data = self.receive()
                answer.raw += data
                if not data:
                    answer.end = "closed"
        except EOFError:
            answer.end = "cut"
        except ConnectionError:
            answer.end = "reset"
        self._whole(answer)
        return answer

    @staticmethod
    def _whole(answer):
        """Takes apart what is there; whether that is a whole answer by its own framing."""
        head, found, rest = answer.raw.partition(b"\r\n\r\n")
        while found and head.startswith(b"HTTP/1.1 1"):
            head, found, rest = rest.partition(b"\r\n\r\n")
        if not found or not head.startswith(b"HTTP/1.1 "):
            return False
        lines = head.decode("latin-1").split("\r\n")
        answer.status = int(lines[0].split(" ")[1])
        answer.headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
        answer.fields = {name.lower(): value for name, value in answer.headers}
        answer.body = rest
        if "content-length" in answer.fields:
            return len(rest) == int(answer.fields["content-length"])
        if answer.fields.get("transfer-encoding") != "chunked":
            return False
        body = b""
        while True:
            size, found, rest = rest.partition(b"\r\n")
            if not found or len(rest) < int(size, 16) + 2:
                return False
            if int(size, 16) == 0:
                answer.body = body
                return True
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
