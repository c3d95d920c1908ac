# SPDX-License-Identifier: MIT
"""Answers as servers, proxies and broken ones give them, over Python's TLS, and what the program makes of them.

A server that said yes plainly is believed; anything that may have been a yes and is not whole is unknown; nothing
else is guessed. What a test's server wrote counts as a yes only where that is said.
"""
import gzip
import unittest

from rows import Client, Row, Runner, Seen, fill
from scripted import (
    BARE,
    CHUNKED,
    HINTS,
    NOT_YES,
    Scripted,
    answer,
    chunked,
    end_bare,
    end_plainly,
    framed,
    say,
    with_chunks,
    yes,
)


ENDS = [
    Row("Content-Length, then close_notify", "accepted", say(lambda b: answer(yes(b)), end_plainly)),
    Row("Content-Length, then no close_notify", "accepted", say(lambda b: answer(yes(b)), end_bare)),
    Row(
        "Content-Length, too long, then close_notify",
        "unknown: complete|ended",
        say(lambda b: answer(yes(b), {"Content-Length": len(yes(b)) + 1}), end_plainly),
    ),
    Row(
        "Content-Length, too long, then no close_notify",
        "unknown: broke|complete|ended",
        say(lambda b: answer(yes(b), {"Content-Length": len(yes(b)) + 1}), end_bare),
    ),
    Row("chunked, then close_notify", "accepted", say(with_chunks, end_plainly)),
    Row("chunked, then no close_notify", "accepted", say(with_chunks, end_bare)),
    Row(
        "chunked, last chunk missing, then close_notify",
        "unknown: complete|ended",
        say(lambda b: with_chunks(b, last=b""), end_plainly),
    ),
    Row(
        "chunked, last chunk missing, then no close_notify",
        "unknown: broke|complete|ended",
        say(lambda b: with_chunks(b, last=b""), end_bare),
    ),
    Row(
        "close-delimited, then close_notify", "accepted", say(lambda b: framed(b, BARE, yes(b)), end_plainly)
    ),
    Row(
        "close-delimited, then no close_notify",
        "unknown: broke|close_notify|complete",
        say(lambda b: framed(b, BARE, yes(b)), end_bare),
    ),
    Row(
        "HTTP/1.0, Content-Length",
        "accepted",
        say(lambda b: answer(yes(b), status=b"HTTP/1.0 200 OK"), end_plainly),
    ),
    Row(
        "HTTP/1.0, close-delimited, then close_notify",
        "accepted",
        say(lambda b: framed(b, BARE, yes(b), b"HTTP/1.0 200 OK"), end_plainly),
    ),
    Row(
        "HTTP/1.0, close-delimited, then no close_notify",
        "unknown: broke|close_notify|complete",
        say(lambda b: framed(b, BARE, yes(b), b"HTTP/1.0 200 OK"), end_bare),
    ),
    Row(
        "HTTP/1.0, chunked",
        "unknown: HTTP/1.0",
        say(lambda b: framed(b, CHUNKED, chunked(yes(b)), b"HTTP/1.0 200 OK"), end_plainly),
    ),
    Row("nothing, then close_notify", "unknown", say(lambda b: b"", end_plainly)),
    Row("nothing, then no close_notify", "unknown", say(lambda b: b"", end_bare)),
]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

HTTP = [
    Row(
        "gzip", "unknown: encoded", say(lambda b: answer(gzip.compress(yes(b)), {"Content-Encoding": "gzip"}))
    ),
    Row("gzip that is not said", "unknown", say(lambda b: answer(gzip.compress(yes(b))))),
    Row(
        "gzip that unpacks to 1 GB",
        "unknown: encoded",
        say(lambda b: answer(gzip.compress(b" " * (1 << 24)), {"Content-Encoding": "gzip"})),
    ),
    Row(
        "Transfer-Encoding: gzip, chunked",
        "unknown: Transfer-Encoding",
        say(
            lambda b: framed(
                b, {**CHUNKED, "Transfer-Encoding": "gzip, chunked"}, chunked(gzip.compress(yes(b)))
            )
        ),
    ),
    Row("100 Continue first", "accepted", say(lambda b: CONTINUE + answer(yes(b)))),
    Row("103 Early Hints first", "accepted", say(lambda b: HINTS + answer(yes(b)))),
    Row(
        "100 and 103 first, each in a record",
        "accepted",
        say(lambda b: [CONTINUE, HINTS, HINTS, answer(yes(b))]),
    ),
    Row("1,000 times 103 first", "unknown: interim", say(lambda b: HINTS * 1000 + answer(yes(b)))),
    Row(
        "101 Switching Protocols",
        "unknown: 101",
        say(lambda b: b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + answer(yes(b))),
    ),
    Row("204 without a body", "unknown", say(lambda b: b"HTTP/1.1 204 No Content\r\n\r\n", **NOT_YES)),
    Row(
        "Content-Length beside chunked",
        "unknown: Content-Length",
        say(lambda b: framed(b, {**CHUNKED, "Content-Length": 10}, chunked(yes(b)))),
    ),
    Row(
        "two Content-Lengths that differ",
        "unknown: Content-Length",
        say(lambda b: answer(yes(b), {"content-length": len(yes(b)) + 5})),
    ),
    *(
        Row(
            f"Content-Length {value!r}",
            "unknown: Content-Length|long",
            say(lambda b, v=value: answer(yes(b), {"Content-Length": v})),
        )
        for value in ("+250", "-1", "0x100", "99999999999999999999999999", "250, 250, 251", "")
    ),
    Row("a folded line", "unknown: fold", say(lambda b: answer(yes(b), {"X-Folded": "a\r\n  b"}))),
    Row("a zero byte in a field", "unknown: byte", say(lambda b: answer(yes(b), {"X-Zero": "a\0b"}))),
    Row("a line end without CR", "unknown", say(lambda b: answer(yes(b)).replace(b"\r\n", b"\n"))),
    Row("a blank before the colon", "unknown: field name", say(lambda b: answer(yes(b), {"X-Blank ": "a"}))),
    Row(
        "a head of 1 MB",
        "unknown: head",
        say(lambda b: answer(yes(b), {f"X-{n}": "x" * 100 for n in range(10000)})),
    ),
    Row("a body of 1 MB", "unknown: long", say(lambda b: answer(yes(b) + b" " * (1 << 20)))),
    Row(
        "chunk sizes with extensions, a trailer behind",
        "accepted",
        say(
            lambda b: framed(
                b,
                CHUNKED,
                chunked(yes(b), last=b"0;x=y\r\nX-Trailer: 1\r\n\r\n").replace(
                    b"\r\n", b";name=value\r\n", 1
                ),
            )
        ),
    ),
    Row(
        "a chunk longer than its size",
        "unknown: chunk",
        say(lambda b: framed(b, CHUNKED, b"5\r\nabcdefgh\r\n0\r\n\r\n")),
    ),
    Row("HTTP/2", "unknown", say(lambda b: b"\0\0\x12\4\0\0\0\0\0" + bytes(40))),
    Row(
        "the answer for somebody else",
        "unknown",
        say(lambda b: answer(yes(b).replace(b'"internal_id": "', b'"internal_id": "x')), **NOT_YES),
    ),
    *(
        Row(
            f"{code} to the same host",
            "held or later or unknown",
            say(
                lambda b, c=code: answer(b"", {"Location": "/elsewhere/"}, b"HTTP/1.1 %d Moved" % c),
                end_plainly,
                **NOT_YES,
            ),
            unread=None,
        )
        for code in (301, 302, 303)
    ),
    Row(
        "408 before the request, and the end",
        "later or not sent or unknown",
        lambda row: row.send(
            Scripted(
                None,
                greeting=answer(b"", status=b"HTTP/1.1 408 Request Timeout", fields={"Connection": "close"}),
            )
        ),
        unread=None,
    ),
]


# ---- other places: the token goes to none but the one that was configured ----------------------------------


def redirected(row, place, status=307, times=1):
    """The first `times` requests are sent elsewhere; `place` may name {port} and {other}, of another server."""

    def script(channel, body):
        here = len(peer.bodies) <= times
        to = place.format(port=peer.port, other=other.port, n=len(peer.bodies))
        moved = answer(b"", {"Location": to}, b"HTTP/1.1 %d Moved" % status)
        channel.sendall(moved if here else answer(yes(body)))
        return True

    peer = Scripted(script)
    with Scripted(lambda channel, body: channel.sendall(answer(yes(body)))) as other:
        seen = row.send(peer)
    if other.connections:
        seen.trouble = "the other server was spoken to"
    return seen


NOT_TAKEN = "held or later or unknown"

ELSEWHERE = [
    *(
        Row(
            f"{status} to another path",
            "accepted",
            lambda row, s=status: redirected(row, "/v2/send/?n={n}", s),
        )
        for status in (307, 308)
    ),
    Row(
        "307 to another path, with the whole address",
        "accepted",
        lambda row: redirected(row, "https://localhost:{port}/v2/"),
    ),
    Row("302 to another path", NOT_TAKEN, lambda row: redirected(row, "/v2/", 302)),
    Row("307 twice", NOT_TAKEN, lambda row: redirected(row, "/v2/{n}/", times=2)),
    Row("307 to another port", NOT_TAKEN, lambda row: redirected(row, "https://localhost:{other}/v2/")),
    Row("307 to another name", NOT_TAKEN, lambda row: redirected(row, "https://127.0.0.1:{port}/v2/")),
    Row(
        "307 to another server, without a scheme",
        NOT_TAKEN,
        lambda row: redirected(row, "//localhost:{other}/v2/"),
    ),
    Row("307 to plain http", NOT_TAKEN, lambda row: redirected(row, "http://localhost:{port}/v2/")),
    Row(
        "307 with a user in it",
        NOT_TAKEN,
        lambda row: redirected(row, "https://localhost:{port}@localhost:{other}/v2/"),
    ),
]

# ---- what comes behind an answer ---------------------------------------------------------------------------


def rubbish(row, behind):
    """Two messages of one daemon: what came behind the first answer must not be taken for the second one's."""
    yeses = []

    def script(channel, body):
        first = not yeses
        yeses.append(body)
        channel.sendall(answer(yes(body)) + (behind(body) if first else b""))
        return True

    peer = Scripted(script)
    with peer:
        client = Client(row.library, peer)
        client.start()
        for text in ("first", "second"):
            client.wait_state(client.send(text)[0], "accepted")
        client.stop()
        client.close()
    seen = Seen("accepted", f"{peer.connections} connections", requests=len(peer.bodies))
    if len(peer.bodies) != 2:
        seen.trouble = f"{len(peer.bodies)} requests"
    return seen


BEHIND = [
    Row(
        "nothing behind the answer",
        "accepted: 1 connections",
        lambda row: rubbish(row, lambda b: b""),
        unread=None,
    ),
    Row(
        "another yes behind the answer",
        "accepted: 2 connections",
        lambda row: rubbish(row, lambda b: answer(yes(b))),
        unread=None,
    ),
    Row(
        "a line end behind the answer",
        "accepted: 2 connections",
        lambda row: rubbish(row, lambda b: b"\r\n"),
        unread=None,
    ),
    Row(
        "noise behind the answer",
        "accepted: 2 connections",
        lambda row: rubbish(row, lambda b: bytes(range(256))),
        unread=None,
    ),
]


for title, rows in (
    ("Ends", ENDS),
    ("Http", HTTP),
    ("Elsewhere", ELSEWHERE),
    ("Behind", BEHIND),
):
    fill(globals(), title, rows)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
