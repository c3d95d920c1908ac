# SPDX-License-Identifier: MIT
"""Requests whose form the real service shows in its portal only: one message, taken by a body that tocsin's
`request_body` has, places and all. What differs in anything but its places is refused as the framework does.
"""

import json
import re

PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class Form:
    def __init__(self, path):
        with open(path, encoding="utf-8-sig") as file:
            self.body = json.load(file)

    def read(self, content):
        """(what stands in the places, problems) of a body."""
        values, problems = {}, []
        self._compare(self.body, content, ["body"], values, problems)
        return values, problems

    def _compare(self, want, got, where, values, problems):
        def wrong(where, text, kind):
            problems.append((where, text, kind))

        if isinstance(want, dict):
            if not isinstance(got, dict):
                return wrong(where, "value is not a valid dict", "type_error.dict")
            for key in want:
                if key not in got:
                    wrong([*where, key], "field required", "value_error.missing")
                else:
                    self._compare(want[key], got[key], [*where, key], values, problems)
            for key in got:
                if key not in want:
                    wrong([*where, key], "extra fields not permitted", "value_error.extra")
        elif isinstance(want, list):
            if not isinstance(got, list):
                return wrong(where, "value is not a valid list", "type_error.list")
            if len(got) != len(want):
                return wrong(where, f"ensure this value has {len(want)} items", "value_error.list")
            for index, item in enumerate(want):
                self._compare(item, got[index], [*where, index], values, problems)
        elif isinstance(want, str) and PLACE.search(want):
            if not isinstance(got, str):
                return wrong(where, "str type expected", "type_error.str")
            parts = PLACE.split(want)  # text, name, text, name, ..., text
            pattern = "".join("(.*)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
            found = re.fullmatch(pattern, got, re.DOTALL)
            if not found:
                return wrong(where, "unexpected value", "value_error.const")
            for name, value in zip(parts[1::2], found.groups()):
                if values.setdefault(name, value) != value:
                    wrong(where, "unexpected value", "value_error.const")
        elif type(want) is not type(got) or want != got:
            wrong(where, "unexpected value", "value_error.const")
        return None

    def gives_id(self, value=None):
        """Whether the body has an id that an answer can give back: under the name internal_id."""
        value = self.body if value is None else value
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        return isinstance(value, dict) and "internal_id" in value or any(self.gives_id(i) for i in inner if i is not None)

    def message(self, content, where):
        """The message of a body without problems. WHERE is {"connection": n, "request": n}."""
        values, _ = self.read(content)
        alarm = " ".join(filter(None, (values.get("alarm"), values.get("state"))))
        message = {
            "internal_id": values.get("internal_id", f"form-{where['connection']}-{where['request']}"),
            "nameless": not self.gives_id(),
            "recipient_phone": values.get("recipient", ""),
            "message_content": values.get("text", alarm),
        }
        return {**message, "sender": values["sender"]} if "sender" in values else message
