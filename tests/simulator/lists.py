# SPDX-License-Identifier: MIT
"""What an API key opens on the gateway: GET /streams/messages and /streams/incoming_messages, a page at a time.

Sent messages are those of the journal; answers of people are put in by reply() (`ctl.py DIR reply FROM TEXT`).
Names, filters and dates are those of public callers; nothing of it is documented.
"""

import datetime
import json
import re
import urllib.parse
import uuid

SENT, INCOMING = "/textpeak/streams/messages", "/textpeak/streams/incoming_messages"
LIST_PATHS = (SENT, INCOMING)
FORM = "%Y-%m-%d %H:%M:%S"
DATE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?")
DEFAULTS = {
    "word": "sent",
    "key": True,
    "newest_first": True,
    "after": 0,
    "shape": "items",
}


def utc():
    return datetime.datetime.now(datetime.timezone.utc)


class Lists:
    def __init__(self, journal, keys):
        self.journal = journal
        self.keys = set(keys)
        self.replies = []

    def key_ok(self, headers):
        values = [value for name, value in headers if name.lower() == "authorization"]
        return len(values) == 1 and values[0] in self.keys

    def reply(self, sender, text, to="447700900999", received_at=None):
        """Somebody has answered; returns the message_uuid of it."""
        name = str(uuid.uuid5(uuid.NAMESPACE_OID, f"reply {len(self.replies)} {sender} {text}"))
        self.replies.append(
            {
                "message_uuid": name,
                "received_at": received_at or utc().strftime(FORM),
                "source_number": sender,
                "destination_number": to,
                "contact_name": None,
                "country_iso": "GB",
                "text": text,
                "length": len(text),
                "conversation": {"id": "c-1"},
                "stream": {"id": 7, "name": "sms"},
            }
        )
        return name

    def sent(self, options):
        oldest = utc() - datetime.timedelta(seconds=options["after"])
        for copy in self.journal.messages():
            time = datetime.datetime.fromisoformat(copy["time"])
            if time > oldest:
                continue  # it is not in the list yet
            yield {
                "type": "sms",
                "message_uuid": str(copy["uuid"]),
                "external_key": copy["internal_id"] if options["key"] else None,
                "sent_at": time.strftime(FORM),
                "delivered_at": None,
                "status": options["word"],
                "source_name": copy["sender"],
                "destination_number": copy["recipient"],
                "country_code": "44",
                "cost": "0.05",
                "channel": "sms",
                "content": {"type": "text", "text": copy["text"]},
                "conversation_uuid": None,
                "stream": {"id": 7, "name": "sms"},
                "message_length": len(copy["text"]),
            }

    def serve(self, path, query, options):
        """(status, content) of a page."""
        asked = {name: values[0] for name, values in urllib.parse.parse_qs(query, keep_blank_values=True).items()}
        for name in ("startDate", "endDate"):
            if not DATE.fullmatch(asked.get(name, "2026-01-01")):
                return 422, {"message": f"{name} is not a date"}
        try:
            page, size = int(asked.get("page", 1)), int(asked.get("itemsPerPage", 30))
        except ValueError:
            page = size = 0
        if page < 1 or not 1 <= size <= 100:
            return 422, {"message": "itemsPerPage is from 1 to 100, page from 1"}
        options = {**DEFAULTS, **options}
        if path == SENT:
            time, number, found = "sent_at", "destination_number", list(self.sent(options))
        else:
            time, number, found = "received_at", "source_number", list(self.replies)
        found = [
            item
            for item in found
            if item[time] >= asked.get("startDate", "")
            and item[time] <= asked.get("endDate", "9")
            and asked.get("phone") in (None, item[number])
        ]
        found.sort(key=lambda item: item[time], reverse=options["newest_first"])
        items = found[(page - 1) * size : page * size]
        shapes = {
            "items": {"items": items, "total": len(found)},
            "total_items": {"items": items, "total_items": len(found)},
            "data": {"data": items},
            "array": items,
            "body": {"items": json.loads(json.dumps(items).replace('"text"', '"body"')), "total": len(found)},
            "none": {"hello": "world"},
        }
        return 200, shapes[options["shape"]]
