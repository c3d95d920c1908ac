# SPDX-License-Identifier: MIT
"""The bytes of an answer, framed as the recorded ones are: Date, chunks, and the fields of the front end."""

import datetime
import random

from service import REASONS


def frame(answer, kind, chunk, keep, extra=None, remove=()):
    """KIND: chunked (in pieces of CHUNK bytes, 0: in one), length or close. KEEP: what Connection says."""
    body = answer.body
    moment = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = [("Date", moment)] + answer.headers
    if kind == "chunked":
        headers.append(("Transfer-Encoding", "chunked"))
        size = chunk or max(1, len(body))
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    elif kind == "length":
        headers.append(("Content-Length", str(len(body))))
    headers += [
        ("Connection", "keep-alive" if keep else "close"),
        ("CF-Cache-Status", "DYNAMIC"),
        ("Server", "cloudflare"),
        ("CF-RAY", f"{random.getrandbits(64):016x}-LHR"),
        ("alt-svc", 'h3=":443"; ma=86400'),
    ]
    gone = {name.lower() for name in remove} | {name.lower() for name in extra or {}}
    headers = [(name, value) for name, value in headers if name.lower() not in gone] + list(
        (extra or {}).items()
    )
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
