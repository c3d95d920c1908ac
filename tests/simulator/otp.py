# SPDX-License-Identifier: MIT
"""One-time codes: /otp/auth/ and /otp/verify/. Only the keys of the first body were ever seen; the answers, and the whole
of the second, are likely forms.

A code is a message in the journal whose text is the code, so that a test, or a person, can read it there.
"""
import random
import uuid

AUTH, VERIFY = "/otp/auth/", "/otp/verify/"
OTP_PATHS = (AUTH, VERIFY)
DIGITS = 5
MOST_FAILURES = 3


class Codes:
    def __init__(self, journal):
        self.journal = journal
        self.failures = {}  # number of a copy -> how often its code was not met; MOST_FAILURES: it is over

    @staticmethod
    def problems(path, content):
        keys = ["recipient_phone"] + (["code"] if path == VERIFY else [])
        found = [([key], "field required", "value_error.missing") for key in keys if key not in content]
        found += [
            ([key], "str type expected", "type_error.str")
            for key in (*keys, "sender")
            if not isinstance(content.get(key, ""), str)
        ]
        variables = content.get("template_variables", {})
        if not isinstance(variables, dict):
            found.append((["template_variables"], "value is not a valid dict", "type_error.dict"))
        elif not isinstance(variables.get("code", ""), str):
            found.append((["template_variables", "code"], "str type expected", "type_error.str"))
        return [(["body", *where], text, kind) for where, text, kind in found]

    def send(self, content, where):
        """The copy that went to the phone, and the answer."""
        code = content.get("template_variables", {}).get("code")
        message = {
            "internal_id": f"otp-{where['connection']}-{where['request']}",
            "recipient_phone": content["recipient_phone"],
            "message_content": code or "".join(random.SystemRandom().choices("0123456789", k=DIGITS)),
            "path": AUTH,
        }
        if "sender" in content:
            message["sender"] = content["sender"]
        copy = self.journal.accept(
            message, lambda c: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{c['internal_id']}/{c['n']}")), where
        )
        return copy, {"status": True, "message_uuid": copy["uuid"]}

    def verify(self, content):
        """The answer; the newest code of a phone counts, once."""
        sent = [
            copy
            for copy in self.journal.copies
            if copy.get("path") == AUTH and copy["recipient"] == content["recipient_phone"]
        ]
        if not sent or self.failures.get(sent[-1]["n"], 0) >= MOST_FAILURES:
            return {"status": False, "message": "No code is waiting for this phone"}
        number = sent[-1]["n"]
        if sent[-1]["text"] == content["code"]:
            self.failures[number] = MOST_FAILURES
            return {"status": True}
        self.failures[number] = self.failures.get(number, 0) + 1
        return {"status": False, "message": "Wrong code"}
