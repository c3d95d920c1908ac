# SPDX-License-Identifier: MIT
"""Servers that must be refused: nobody who is not verified may read a byte of a request. Rows as in rows.py."""
import unittest

from device import CERTS, make_certificates
from more_certificates import made, make_more
from peers import GnuTls, OpenSsl
from proxies import Nginx
from rows import Row, Runner, fill, to, versions

WEAK = "ALL:@SECLEVEL=0"

FLAWS = {
    "expired": "expired on",
    "future": "not valid before",
    "wronghost": "it is for other.test",
    "unknownca": "not signed by a CA in",
    "selfsigned": "self-signed",
    "nochain": "whole chain",
}
NO_COMMON = "refused the handshake|alert|no common|closed|TLS"

BAD = versions(
    lambda v, libraries: [
        row
        for cert, words in FLAWS.items()
        for row in (
            Row(
                f"nginx, TLS {v}, certificate {cert}",
                f"not sent: {words}",
                to(lambda c=cert: Nginx(f"{c} {v}")),
                libraries,
                unread=True,
            ),
            Row(
                f"s_server, TLS {v}, certificate {cert}",
                f"not sent: {words}",
                to(lambda c=cert: OpenSsl(f"-tls1_{v[2]}", cert=c)),
                libraries,
                unread=True,
            ),
            Row(
                f"gnutls-serv, TLS {v}, certificate {cert}",
                f"not sent: {words}",
                to(lambda c=cert: GnuTls(f"NORMAL:-VERS-ALL:+VERS-TLS{v}", cert=c)),
                libraries,
                unread=True,
            ),
        )
    ]
    + [
        Row(
            f"nginx, TLS {v}, only a group nobody asked for",
            f"not sent: {NO_COMMON}" if v == "1.3" else "accepted or not sent",
            to(lambda: Nginx(f"P-521 {v}")),
            libraries,
        ),
    ]
) + [
    Row(
        "s_server, TLS 1.1 only",
        f"not sent: {NO_COMMON}",
        to(lambda: OpenSsl("-tls1_1", "-cipher", WEAK, cert="rsa")),
        unread=True,
    ),
    Row(
        "s_server, TLS 1.0 only",
        f"not sent: {NO_COMMON}",
        to(lambda: OpenSsl("-tls1", "-cipher", WEAK, cert="rsa")),
        unread=True,
    ),
    Row(
        "s_server, TLS 1.3 only, to a client without it",
        f"not sent: {NO_COMMON}",
        to(lambda: OpenSsl("-tls1_3")),
        ("2.28",),
        unread=True,
    ),
    *(
        Row(
            f"s_server, {cipher}",
            f"not sent: {NO_COMMON}",
            to(lambda c=cipher, o=option: OpenSsl("-tls1_2", "-cipher", f"{c}:@SECLEVEL=0", *o, cert="rsa")),
            unread=True,
        )
        for cipher, option in (("ADH-AES128-SHA", ()), ("NULL-SHA256", ()), ("AECDH-AES128-SHA", ()))
    ),
    Row(
        "s_server, certificate for another use",
        "not sent: not made for a server",
        to(lambda: OpenSsl(cert=made("clientonly"))),
        unread=True,
    ),
    Row(
        "s_server, an address that is written as a name",
        "not sent: it is for the name 127.0.0.1, not for 127.0.0.1",
        lambda row: row.send(OpenSsl(cert=made("addressname")), host="127.0.0.1"),
        unread=True,
    ),
    Row(
        "s_server, RSA with 1024 bits",
        "not sent: weak",
        to(lambda: OpenSsl("-cipher", "DEFAULT:@SECLEVEL=0", cert=made("rsa1024"))),
        unread=True,
    ),
    Row(
        "s_server, signed with SHA-1",
        "not sent: weak|unknown kind",
        to(lambda: OpenSsl("-cipher", "DEFAULT:@SECLEVEL=0", cert=made("sha1"))),
        unread=True,
    ),
    Row(
        "s_server, a leaf that signs as if it were a CA",
        "not sent: not signed by",
        to(lambda: OpenSsl(cert=made("leafasca"))),
        unread=True,
    ),
    Row(
        "s_server, a name that ends in a zero byte",
        "not sent: it is for",
        to(lambda: OpenSsl(cert=made("zeroname"))),
        unread=True,
    ),
    Row(
        "s_server, a wildcard for the whole of a top level",
        "not sent: it is for",
        to(lambda: OpenSsl(cert=made("widewild"))),
        unread=True,
    ),
    Row("s_server, a chain of 6 KB", "accepted", to(lambda: OpenSsl(cert=made("chain6k")))),
    Row(
        "s_server, a chain of 12 KB",
        "accepted",
        to(lambda: OpenSsl(cert=made("chain12k"))),
    ),
    Row("s_server, a chain of 50 KB", "not sent: larger than 16 KB", to(lambda: OpenSsl(cert=made("chain50k"))), unread=True),
    Row(
        "s_server, one certificate of 50 KB",
        "not sent: larger than 16 KB",
        to(lambda: OpenSsl(cert=made("big50k"))),
        unread=True,
    ),
]


fill(globals(), "Bad", BAD)


if __name__ == "__main__":
    make_certificates(str(CERTS))
    make_more()
    unittest.main(testRunner=Runner)
