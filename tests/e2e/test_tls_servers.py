# SPDX-License-Identifier: MIT
"""The real program, with both builds of TLS, against servers that are not of this project.

python3 tests/e2e/test_tls_servers.py -k first_share     one case; the table is printed at the end of every run
"""
import time
import unittest

from device import wait_until
from peers import GnuTls, OpenSsl
from proxies import Lighttpd, Nginx
from relay import HELLO_RETRY, Relay
from rows import NEW_ONLY, Client, Row, Runner, Seen, fill, to, versions

def new_keys_between(row):
    """On a kept connection, while nothing is on its way: what follows goes by another one, and nothing is in doubt."""
    with OpenSsl("-tls1_3", after=b"K\n") as peer:
        client = Client(row.library, peer)
        client.start()
        first = client.send(f"{row.name} first")[0]
        client.wait_state(first, "accepted")
        wait_until(lambda: not peer.after, "new keys are sent")
        time.sleep(0.5)
        second = client.wait_state(client.send(f"{row.name} second")[0], "accepted")
        seen = Seen(second["state"], f"attempts: {second['attempts']}", requests=2)
        connections = peer.got.count(b"CIPHER is")  # what s_server says of each
        if second["attempts"] != 1 or connections != 2:
            seen.trouble = f"{second['attempts']} attempts, {connections} connections"
        client.stop()
        client.close()
        return seen


# ---- good ones, and what they may ask for ------------------------------------------------------------------

PLAIN = versions(
    lambda v, libraries: [
        *(
            Row(f"nginx, TLS {v}, {cert}", "accepted", to(lambda c=cert: Nginx(f"{c} {v}")), libraries)
            for cert in ("ec", "rsa", "chain")
        ),
        *(
            Row(
                f"s_server, TLS {v}, {cert}",
                "accepted",
                to(lambda c=cert: OpenSsl(f"-tls1_{v[2]}", cert=c)),
                libraries,
            )
            for cert in ("ec", "rsa", "chain")
        ),
        *(
            Row(
                f"lighttpd {name}, TLS {v}",
                "accepted",
                to(lambda m=module: Lighttpd(m, ("MinProtocol", f"TLSv{v}"), ("MaxProtocol", f"TLSv{v}"))),
                libraries,
            )
            for name, module in (("GnuTLS", "gnutls"), ("NSS", "nss"), ("wolfSSL", "wolfssl"))
        ),
        *(
            Row(
                f"gnutls-serv, TLS {v}, {cert}, gives back what it got",
                "unknown: status line",
                to(lambda c=cert: GnuTls(f"NORMAL:-VERS-ALL:+VERS-TLS{v}", "--disable-client-cert", cert=c)),
                libraries,
            )
            for cert in ("ec", "rsa")
        ),
        Row(
            f"gnutls-serv, TLS {v}, asks for a client certificate",
            "unknown: status line",
            to(lambda: GnuTls(f"NORMAL:-VERS-ALL:+VERS-TLS{v}")),
            libraries,
        ),
        Row(
            f"gnutls-serv, TLS {v}, requires a client certificate",
            "not sent or unknown",
            to(lambda: GnuTls(f"NORMAL:-VERS-ALL:+VERS-TLS{v}", "--require-client-cert")),
            libraries,
        ),
        Row(
            f"nginx, TLS {v}, asks for a client certificate",
            "accepted",
            to(lambda: Nginx(f"client asked {v}")),
            libraries,
        ),
        Row(
            f"nginx, TLS {v}, requires a client certificate",
            "later",
            to(lambda: Nginx(f"client required {v}")),
            libraries,
        ),
        Row(
            f"s_server, TLS {v}, asks for a client certificate",
            "accepted",
            to(lambda: OpenSsl(f"-tls1_{v[2]}", "-verify", "1")),
            libraries,
        ),
        Row(
            f"s_server, TLS {v}, requires a client certificate",
            "not sent" if v == "1.2" else "not sent or unknown",
            to(lambda: OpenSsl(f"-tls1_{v[2]}", "-Verify", "1")),
            libraries,
            unread=True,
        ),
        Row(
            f"nginx, TLS {v}, groups without the first share",
            "accepted",
            lambda row, v=v: retried(row, Nginx(f"P-384 {v}"), v),
            libraries,
        ),
        Row(
            f"s_server, TLS {v}, groups without the first share",
            "accepted",
            lambda row, v=v: retried(row, OpenSsl(f"-tls1_{v[2]}", "-groups", "P-384"), v),
            libraries,
        ),
    ]
) + [
    Row("nginx, TLS 1.2 or 1.3, ec", "accepted", to(lambda: Nginx("any"))),
    Row("nginx, TLS 1.2 or 1.3, rsa", "accepted", to(lambda: Nginx("rsa any"))),
    Row(
        "nginx, TLS 1.2 only, rsa, its own choice of signature",
        "accepted",
        to(lambda: Nginx("rsa 1.2 own choice")),
    ),
    Row(
        "s_server, TLS 1.2 only, rsa, PSS only: not offered there",
        "not sent: refused the handshake",
        to(lambda: OpenSsl("-tls1_2", "-sigalgs", "rsa_pss_rsae_sha256", cert="rsa")),
    ),
    Row(
        "s_server, TLS 1.2 only, rsa, PKCS1 only",
        "accepted",
        to(lambda: OpenSsl("-tls1_2", "-sigalgs", "rsa_pkcs1_sha256", cert="rsa")),
    ),
    Row("nginx that would rather speak HTTP/2", "accepted", to(lambda: Nginx("h2 as well"))),
    Row("nginx that packs with gzip", "accepted", to(lambda: Nginx("gzip"))),
    Row(
        "nginx, records of 1 KB, answer passed on as it comes", "accepted", to(lambda: Nginx("small buffers"))
    ),
    Row("nginx whose service is gone: 502", "unknown: 502", to(lambda: Nginx("backend gone"))),
    *(
        Row(f"nginx, {name}", "accepted", to(lambda n=name: Nginx(f"cipher {n}")))
        for name in (
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305",
        )
    ),
    *(
        Row(
            f"s_server, {name}",
            "accepted",
            to(lambda n=name: OpenSsl("-tls1_3", "-ciphersuites", n)),
            NEW_ONLY,
        )
        for name in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
    ),
    *(
        Row(f"s_server, {more[0]} {more[1]}", "accepted", to(lambda m=more: OpenSsl(*m)))
        for more in (("-max_send_frag", "1024"), ("-max_send_frag", "4096"), ("-max_send_frag", "16384"))
    ),
    # Its handshake messages are in pieces then, which 2.28 does not put together.
    *(
        Row(f"s_server, {more[0]} {more[1]}", expected, to(lambda m=more: OpenSsl(*m)), (library,))
        for more in (("-max_send_frag", "512"), ("-max_send_frag", "600"), ("-split_send_frag", "512"))
        for library, expected in (("3.6", "accepted"), ("2.28", "not sent: "))
    ),
    Row("s_server, no tickets", "accepted", to(lambda: OpenSsl("-no_ticket"))),
    Row(
        "s_server, no encrypt-then-mac",
        "accepted",
        to(lambda: OpenSsl("-tls1_2", "-no_etm")),
    ),
    Row(
        "s_server, asks for renegotiation before it answers",
        "unknown: alert",
        to(lambda: OpenSsl("-tls1_2", first=b"r\n")),
    ),
    # Mbed TLS has no KeyUpdate.
    Row(
        "s_server, new keys before it answers",
        "unknown: new keys",
        to(lambda: OpenSsl("-tls1_3", first=b"K\n")),
        NEW_ONLY,
    ),
    Row("s_server, new keys while nothing is on its way", "accepted", new_keys_between, NEW_ONLY, unread=None),
    Row("s_server, 20 tickets", "accepted", to(lambda: OpenSsl("-num_tickets", "20")), NEW_ONLY),
]


def retried(row, peer, version):
    """The server asks for another key share than the first one offered."""
    relay = Relay(peer)
    seen = row.send(relay)
    asked = HELLO_RETRY in bytes(relay.passed["s2c"])
    if asked != (version == "1.3"):
        seen.trouble = f"HelloRetryRequest: {asked}"
    return seen


# ---- tickets: two messages, two connections ----------------------------------------------------------------


def twice(row, site, resumed, rotate=False):
    """nginx closes after each answer; what its log says of the second connection is what counts."""
    peer = Nginx(site, own=rotate)
    client = Client(row.library, peer)
    client.start()
    texts = [f"{row.name} {row.library} {word}" for word in ("first", "second")]
    for text in texts:
        if rotate and text is texts[1]:
            peer.process.reload()
        identifier = client.send(text)[0]
        client.wait_state(identifier, "accepted")
    wait_until(lambda: all(map(peer.log, texts)), "nginx notes both")  # behind the answer
    first, second = [peer.log(text)[0] for text in texts]
    client.stop()
    client.close()
    was = [r["reused"] == "r" for r in (first, second)]
    seen = Seen("accepted", f"resumed: {was[1]}", requests=2)
    if not all(map(peer.said_yes, texts)):
        seen.trouble = "the server never said yes"
    elif was != [False, resumed]:
        seen.trouble = f"resumed: {was}"
    return seen


TICKETS = versions(
    lambda v, libraries: [
        Row(
            f"nginx, TLS {v}, tickets",
            "accepted: resumed: True",
            lambda row: twice(row, f"tickets on {v}", True),
            libraries,
            unread=None,
        ),
        Row(
            f"nginx, TLS {v}, key of the tickets changed between",
            "accepted: resumed: False",
            lambda row: twice(row, f"rotated {v}", False, rotate=True),
            libraries,
            unread=None,
        ),
    ]
) + [
    Row(
        "nginx, tickets off",
        "accepted: resumed: False",
        lambda row: twice(row, "tickets off", False),
        unread=None,
    ),
    Row(
        "nginx, TLS 1.2, sessions by number",
        "accepted: resumed: True",
        lambda row: twice(row, "session ids 1.2", True),
        unread=None,
    ),
]

fill(globals(), "Plain", PLAIN)
fill(globals(), "Tickets", TICKETS)


if __name__ == "__main__":
    unittest.main(testRunner=Runner)
