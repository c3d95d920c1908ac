# SPDX-License-Identifier: MIT
"""A small HTTP client over TLS that shows what is on the wire, for the self-test."""

import json
import socket
import ssl


def send_body(ids, to, sender="GLOBAL", text=None):
    messages = [{"internal_id": internal_id, "sender": sender, "recipient_phone": to[index % len(to)],
                 "message_content": text or f"text {index}"} for index, internal_id in enumerate(ids)]
    return json.dumps({"messages": messages}, separators=(",", ":")).encode()


def post(path, body, token="test-token", method="POST", kind="application/json"):
    body = body if isinstance(body, bytes) else body.encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    if token is not None:
        lines.insert(2, f"Authorization: {token}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Answer:
    """raw: every byte received. end: open (the connection goes on), closed (by TLS), cut (without), or reset."""

    def __init__(self):
        self.raw, self.end, self.status, self.headers, self.fields, self.body = b"", "open", None, [], {}, b""

    def json(self):
        return json.loads(self.body)


class Client:
    def __init__(self, port, ca_file, timeout=10):
        context = ssl.create_default_context(cafile=ca_file)
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
        raw = socket.create_connection(("127.0.0.1", port), timeout)
        try:
            self.socket = context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)
        except BaseException:
            raw.close()
            raise

    def close(self):
        self.socket.close()

    def ask(self, request):
        """Sends a request and reads the answer up to its end, or to the connection's."""
        answer = Answer()
        try:
            self.socket.sendall(request)
            while answer.end == "open" and not self._whole(answer):
                data = self._receive()
                answer.raw += data
                if not data:
                    answer.end = "closed"
        except ssl.SSLError as error:
            if not isinstance(error, ssl.SSLEOFError) and error.reason != "UNEXPECTED_EOF_WHILE_READING":
                raise
            answer.end = "cut"
        except ConnectionResetError:
            answer.end = "reset"
        self._whole(answer)
        return answer

    def _receive(self):
        """What recv() gives, but waits below TLS, which hides a reset."""
        timeout = self.socket.gettimeout()
        while True:
            if not self.socket.pending():
                socket.socket.recv(self.socket, 1, socket.MSG_PEEK)
            self.socket.settimeout(0)
            try:
                return self.socket.recv(65536)
            except ssl.SSLWantReadError:
                pass  # a session ticket, or half a record
            finally:
                self.socket.settimeout(timeout)

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
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2:]
