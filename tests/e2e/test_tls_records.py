# SPDX-License-Identifier: MIT
"""Answers in records of every size, dripping and silent servers, and others than TLS, over Python's TLS.

An answer is cut into two records behind every STRIDE-th byte.
"""
import contextlib
import os
import time
import unittest

from rows import Client, Row, Runner, Seen, fill
from scripted import HINTS, NOT_YES, Scripted, answer, idle, say, with_chunks, yes

STRIDE = int(os.environ.get("STRIDE", "97"))


def split_at(data, sizes):
    pieces, at = [], 0
    while at < len(data):
        size = next(sizes)
        pieces.append(data[at : at + size])
        at += size
    return pieces


def always(size):
    while True:
        yield size


def full_record(body):
    """An answer that fills a record of TLS to its last byte."""
    fields = {"X-Fill": "x" * 1000}
    text = yes(body)
    room = 16384 - len(answer(text, {**fields, "Content-Length": 10000}))
    return answer(text + b" " * room, fields)


RECORDS = [
    *(
        Row(
            f"records of {size} byte{'s' if size > 1 else ''}",
            "accepted",
            say(lambda b, s=size: split_at(answer(yes(b)), always(s))),
        )
        for size in (1, 2, 3, 5, 7, 16, 64, 255, 256, 257)
    ),
    Row("records of 1 byte, chunked", "accepted", say(lambda b: split_at(with_chunks(b, size=1), always(1)))),
    Row("one record of 16,384 bytes", "accepted", say(full_record)),
    Row(
        "records of 1 byte, TLS 1.2",
        "accepted",
        say(lambda b: split_at(answer(yes(b)), always(1)), tls="1.2"),
    ),
    # A yes is cut in two at every byte, by turns.
    *(
        Row(
            f"the answer in two records, cut behind {at}",
            "accepted",
            say(lambda b, n=at: [answer(yes(b))[:n], answer(yes(b))[n:]]),
        )
        for at in range(1, 240, STRIDE)
    ),
]

# ---- slow ones, and ends of patience -----------------------------------------------------------------------


def slow_server(pieces_of, seconds, then=idle):
    def script(channel, body):
        for piece in pieces_of(body):
            channel.sendall(piece)
            time.sleep(seconds)
        then(channel)

    return Scripted(script)


def slowly(pieces_of, seconds):
    return lambda row: row.send(slow_server(pieces_of, seconds))


def silent_before(raw):
    """Takes the connection and says nothing to the handshake."""
    raw.settimeout(None)
    idle(raw)
    raise OSError("gone")


def noise_before(data):
    def write(raw):
        raw.sendall(data)
        idle(raw)
        raise OSError("gone")

    return write


def many_tickets(count):
    def shape(context):
        context.num_tickets = count

    return lambda row: row.send(
        Scripted(lambda c, b: (c.sendall(answer(yes(b))), idle(c))[1], tls="1.3", shape=shape)
    )


def a_minute(row):
    """There would be time enough for the whole answer: what ends it is that too little comes in ten seconds."""
    peer = slow_server(lambda b: split_at(answer(yes(b)), always(1)), 1)
    with peer, contextlib.closing(Client(row.library, peer, stream={"timeout": "60s"})) as client:
        client.start()
        identifier = client.send("slow", "anna", "--class", "info")[0]
        said = client.log.wait("stream sms backing off")
        state = client.message(identifier)["state"]
    return Seen(state, said.partition("backing off: ")[2])


SLOW = [
    Row(
        "one byte a second, with a minute's time",
        "unknown: ^the answer of localhost comes too slowly",
        a_minute,
        unread=None,
        waits=True,
    ),
    Row(
        "one byte a second",
        "unknown: comes too slowly",
        slowly(lambda b: split_at(answer(yes(b)), always(1)), 1),
        waits=True,
    ),
    Row(
        "the head, then one byte a second",
        "unknown: comes too slowly",
        slowly(lambda b: [answer(yes(b))[:120], *split_at(answer(yes(b))[120:], always(1))], 1),
        waits=True,
    ),
    Row(
        "silence behind the request",
        "unknown: no byte of the answer",
        say(lambda b: b"", **NOT_YES),
        waits=True,
    ),
    Row(
        "half an answer, then silence",
        "unknown: comes too slowly",
        say(lambda b: answer(yes(b))[:-10]),
        waits=True,
    ),
    Row(
        "103 again and again, twice a second",
        "unknown: interim|comes too slowly",
        slowly(lambda b: [HINTS] * 30, 0.5),
        waits=True,
    ),
    Row(
        "silence instead of a handshake",
        "not sent: handshake",
        lambda row: row.send(Scripted(None, before=silent_before)),
        unread=True,
        waits=True,
    ),
    Row(
        "HTTP without TLS",
        "not sent: not TLS",
        lambda row: row.send(
            Scripted(None, before=noise_before(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
        ),
        unread=True,
    ),
    Row(
        "an SSH server",
        "not sent: not TLS",
        lambda row: row.send(Scripted(None, before=noise_before(b"SSH-2.0-OpenSSH_9.2p1\r\n"))),
        unread=True,
    ),
    Row(
        "a mail server",
        "not sent: not TLS",
        lambda row: row.send(Scripted(None, before=noise_before(b"220 mail.test ESMTP ready\r\n"))),
        unread=True,
    ),
    Row(
        "zeros for ever",
        "not sent: not TLS",
        lambda row: row.send(Scripted(None, before=noise_before(bytes(1 << 20)))),
        unread=True,
    ),
    Row("300 tickets", "accepted", many_tickets(300), ("3.6",)),
]


fill(globals(), "Records", RECORDS)
fill(globals(), "Slow", SLOW)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
