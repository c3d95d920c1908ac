#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A TLS server for one test: tls_server.py CERT KEY [tls1.2] [tls1.3] [broken] [late] [any] [weak] [port=N] [client=FILE]

Listens on port N or a free one of 127.0.0.1 (`any`: of every address), prints the port, and serves one connection
after another: sends back what it receives, reversed, line by line; after the line "resumed?", yes or no, after "who?"
the name in the client's certificate, which `client` demands, by the authorities of FILE. `broken` ends a connection
after its first line without close_notify; `late` sends the tickets of TLS 1.3 once a line came to its standard input,
and answers the CRC-32 of all that comes before "end"; `weak` shows certificates that OpenSSL finds too weak. Ends with
its standard input.
"""
import select
import socket
import ssl
import sys
import threading
import zlib


def serve_late(raw, context):
    """The client may send as soon as it has this side's part of the handshake; the tickets follow its own."""
    raw.setblocking(False)
    with context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False) as peer:
        told = False
        while True:
            try:
                peer.do_handshake()
                break
            except ssl.SSLWantReadError:
                if peer.cipher() and not told:
                    told = bool(sys.stdin.readline())
                select.select([peer], [], [])
        peer.setblocking(True)
        came = b""
        while not came.endswith(b"end\n"):
            came += peer.recv(16384)
        peer.sendall(b"%d\n" % zlib.crc32(came[:-4]))
        peer.recv(1)


def serve(listener, context, broken, late):
    while True:
        raw, _ = listener.accept()
        # An answer that waits for the client to acknowledge a ticket would be thrown away with a broken connection.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if late:
                return serve_late(raw, context)
            with context.wrap_socket(raw, server_side=True) as peer:
                line = b""
                while True:
                    byte = peer.recv(1)
                    if not byte:
                        break
                    line += byte
                    if byte == b"\n":
                        known = {
                            b"resumed?\n": lambda: b"yes" if peer.session_reused else b"no",
                            b"who?\n": lambda: peer.getpeercert()["subject"][0][0][1].encode(),
                        }
                        peer.sendall(known.get(line, lambda: line[-2::-1])() + b"\n")
                        if broken:
                            socket.close(peer.detach())
                            break
                        line = b""
        except (OSError, ValueError):
            raw.close()


def main():
    cert, key, *options = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if "weak" in options:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(cert, key)
    if "tls1.2" in options:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if "tls1.3" in options:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    for authorities in (option[7:] for option in options if option.startswith("client=")):
        context.load_verify_locations(authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    port = sum(int(option[5:]) for option in options if option.startswith("port="))
    listener = socket.create_server(("" if "any" in options else "127.0.0.1", port))
    print(listener.getsockname()[1], flush=True)
    if "late" in options:
        return serve(listener, context, False, True)
    threading.Thread(target=serve, args=(listener, context, "broken" in options, False), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
