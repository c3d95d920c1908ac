# SPDX-License-Identifier: MIT
"""Calls a device as the service's webhooks do, in any of the forms that it may choose.

    python3 tests/simulator/webhook.py http://127.0.0.1:8080/streams incoming --as json \\
        --header 'X-Webhook-Secret: 0123456789abcdef' from=447700900123 text='ACK K7QP'
    python3 tests/simulator/webhook.py URL delivery --as query message_uuid=... internal_id=... status=delivered

Prints the status of the answer. The names of the values are not documented: these are the likeliest ones.
"""

import argparse
import http.client
import json
import ssl
import sys
import urllib.parse

FORMS = ("query", "form", "json")
LIKELY = {
    "incoming": {"message_uuid": "7a1f0d6e-43a4-4b27-9d5b-0d5f5c1b2a3c", "received_at": "2026-11-22 08:00:00"},
    "delivery": {"delivered_at": "2026-11-22 08:00:00"},
}


def call(url, values, form="json", headers=None, timeout=10, trust=None):
    """One call; returns (status, body) of the answer. https: by `trust`, an ssl.SSLContext."""
    place = urllib.parse.urlsplit(url)
    target, body, headers = place.path or "/", None, dict(headers or {})
    encoded = urllib.parse.urlencode(values) if form != "json" else ""
    if form == "query":
        target += "?" + encoded
    elif form == "form":
        body, headers["Content-Type"] = encoded, "application/x-www-form-urlencoded"
    else:
        body, headers["Content-Type"] = json.dumps(values), "application/json"
    if place.scheme == "https":
        channel = http.client.HTTPSConnection(place.hostname, place.port, timeout=timeout, context=trust)
    else:
        channel = http.client.HTTPConnection(place.hostname, place.port, timeout=timeout)
    try:
        channel.request("GET" if form == "query" else "POST", target, body, headers)
        answer = channel.getresponse()
        return answer.status, answer.read()
    finally:
        channel.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("kind", choices=sorted(LIKELY))
    parser.add_argument("--as", dest="form", choices=FORMS, default="json")
    parser.add_argument("--header", action="append", default=[], metavar="NAME: VALUE")
    parser.add_argument("--ca", metavar="FILE", help="whom to believe with https; without it the system's authorities")
    parser.add_argument("values", nargs="*", metavar="NAME=VALUE")
    words = parser.parse_intermixed_args()
    place = urllib.parse.urlsplit(words.url)
    if place.scheme not in ("http", "https") or not place.hostname:
        parser.error(f"{words.url}: write http://ADDRESS:PORT/PATH, as [webhook] has them (https with its cert_file)")
    for what, between, written in (("NAME=VALUE", "=", words.values), ("--header 'NAME: VALUE'", ":", words.header)):
        if wrong := next((one for one in written if between not in one), None):
            parser.error(f"{wrong}: write {what}")
    values = dict(LIKELY[words.kind], **dict(value.split("=", 1) for value in words.values))
    headers = {name.strip(): value.strip() for name, value in (h.split(":", 1) for h in words.header)}
    try:
        status, _ = call(words.url, values, words.form, headers, trust=ssl.create_default_context(cafile=words.ca))
    except OSError as error:
        sys.exit(f"webhook.py: {words.url} cannot be called: {error}")
    print(status)
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
