# SPDX-License-Identifier: MIT
"""The Streams API as far as it is known: what a request is answered, and which messages that accepts.

Knows nothing of sockets. A request comes in as path, headers and body; an Answer goes out, to be framed.
"""

import gzip
import json
import os
import random
import re
import uuid

from lists import LIST_PATHS, Lists
from otp import AUTH, OTP_PATHS, Codes

RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recorded")
RECORDED_STATUS = {"success": 200, "rate_limit": 200, "not_authenticated": 403}
GATEWAY = "/textpeak"  # the 2026 gateway: its paths end without a slash, and it takes what the others do not
GATEWAY_SEND = GATEWAY + "/streams/simple_send"
PATHS = ("/simple_send/", "/messages_status/", "/event_send/", GATEWAY_SEND, *OTP_PATHS)
MOST_MESSAGES = 250
PHONE = re.compile(r"[1-9][0-9]{6,14}")
BAD_PHONE = "422: invalid phone structure: (0) Could not interpret numbers after plus-sign."
REASONS = {
    100: "Continue",
    103: "Early Hints",
    200: "OK",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Payload Too Large",
    422: "Unprocessable Entity",
    425: "Too Early",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
JSON = "application/json"
HTML = "text/html; charset=UTF-8"


class Answer:
    """An answer before framing, and what it means for the copies that were accepted with it."""

    def __init__(self, status, body, content_type=JSON):
        self.status = status
        self.body = body
        self.headers = [("Content-Type", content_type)]
        self.accepted = []  # copies, as the journal keeps them
        self.raw = False  # the body is sent alone, without any HTTP around it

    def told(self):
        """Numbers of the accepted copies that this answer plainly says were accepted."""
        coded = any(name.lower() == "content-encoding" for name, _ in self.headers)
        if self.status != 200 or self.raw or coded or len(self.body) > 16384:
            return set()
        try:
            content = json.loads(self.body)
            if "error_code" in content:
                return set()
            if content["status"] is True and "messages" not in content:
                return {copy["n"] for copy in self.accepted if copy["path"] == AUTH}
            entries = [(e.get("internal_id"), e["message_uuid"], e["error"]) for e in content["messages"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            return set()
        refused = {internal_id for internal_id, _, error in entries if error is not None}
        good = {
            (internal_id, name)
            for internal_id, name, error in entries
            if error is None and isinstance(name, str) and internal_id not in refused
        }
        names = lambda copy: (copy["internal_id"], None)  # noqa: E731 (one without an id names the only copy)
        return {copy["n"] for copy in self.accepted if any((name, copy["uuid"]) in good for name in names(copy))}


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def detail(status, text):
    return Answer(status, dump({"detail": text}))


def invalid(*problems):
    return Answer(
        422, dump({"detail": [{"loc": loc, "msg": msg, "type": kind} for loc, msg, kind in problems]})
    )


def recorded(name):
    with open(os.path.join(RECORDED, name + ".json"), "rb") as file:
        return Answer(RECORDED_STATUS[name], file.read())


def page(code):
    text = f"{code}: {REASONS.get(code, 'Unknown Error')}"
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en-US">',
        f"<head><title>sms.test | {text}</title></head>",
        "<body>",
        f"<h1>Error {text}</h1>",
        "<p>The web server reported an error.</p>",
        "</body>",
        "</html>",
        "",
    ]
    return Answer(code, "\n".join(lines).encode(), HTML)


class Service:
    def __init__(self, journal, tokens, default_sender=None, free_paths=(), forms=None, keys=("test-key",)):
        self.journal = journal
        self.forms = forms or {}  # path: Form
        self.free_paths = tuple(free_paths)  # any JSON object is one message there
        self.tokens = set(tokens)
        self.default_sender = default_sender
        self.codes = Codes(journal)
        self.lists = Lists(journal, keys)
        self.asked = {}  # how often messages_status named a uuid

    def token_ok(self, headers, path=None):
        if path in LIST_PATHS:
            return self.lists.key_ok(headers)
        values = [value for name, value in headers if name.lower() == "authorization"]
        return len(values) == 1 and values[0] in self.tokens

    # -- one request -----------------------------------------------------------------------------------------

    def messages_in(self, path, body):
        """What looks like messages in a body, for the rules; never raises."""
        try:
            content = json.loads(body)
            if path in self.forms:
                return [self.forms[path].message(content, {"connection": 0, "request": 0})]
            found = content.get("messages", content.get("recipients"))
            return [m for m in found if isinstance(m, dict)] if isinstance(found, list) else []
        except (ValueError, AttributeError):
            return []

    def respond(self, method, path, headers, body, plan, where, query=""):
        """The answer to a request that was read whole."""
        accepting = plan.value("outcome", "accept", True)
        if plan.action("ending") in ("drop", "silent") and plan.value("ending", "at") == "body":
            accepting = False
        if accepting:
            if path in LIST_PATHS:
                answer = self.listing(method, path, headers, query, plan)
            else:
                answer = self.refusal(method, path, headers, body) or self.serve(path, body, plan, where)
            if answer.status != 200 or plan.action("outcome") in (None, "accept", "rate_limit"):
                return self.finish(answer, plan)
        else:
            answer = None
        instead = self.instead(plan, answer)
        if instead is not answer and answer:
            instead.accepted = answer.accepted
        return self.finish(instead or Answer(0, b""), plan)

    def listing(self, method, path, headers, query, plan):
        if method != "GET":
            return detail(405, "Method Not Allowed")
        if not self.lists.key_ok(headers):
            return Answer(401, dump({"status": False, "message": "Not Authenticated: invalid token"}))
        if plan.action("outcome") == "rate_limit":
            return Answer(200, dump({"status": False, "error": "RATE_LIMIT"}))
        rule = plan.edit("listed")
        status, content = self.lists.serve(path, query, rule.parameters if rule else {})
        return Answer(status, dump(content))

    def refusal(self, method, path, headers, body):
        if path in self.free_paths or path in self.forms:
            pass
        elif path + "/" in PATHS:  # the gateway's have none: with one they are not found
            host = next((value for name, value in headers if name.lower() == "host"), "localhost")
            answer = Answer(307, b"", "text/plain")
            answer.headers = [("Location", f"https://{host}{path}/")]
            return answer
        elif path not in PATHS:
            return detail(404, "Not Found")
        if method != "POST":
            answer = detail(405, "Method Not Allowed")
            answer.headers.append(("Allow", "POST"))
            return answer
        if not self.token_ok(headers):
            return detail(403, "Not authenticated")
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        if kind.split(";")[0].strip().lower() != JSON:
            return invalid((["body"], "value is not a valid dict", "type_error.dict"))
        try:
            content = json.loads(body.decode("utf-8"))
        except UnicodeDecodeError:
            return Answer(400, dump({"detail": "There was an error parsing the body"}))
        except ValueError as error:
            return invalid((["body", getattr(error, "pos", 0)], str(error), "value_error.jsondecode"))
        problems = self.problems(path, content)
        return invalid(*problems) if problems else None

    def problems(self, path, content):
        if not isinstance(content, dict):
            return [(["body"], "value is not a valid dict", "type_error.dict")]
        if path in self.free_paths:
            return []
        if path in OTP_PATHS:
            return self.codes.problems(path, content)
        if path in self.forms:
            return self.forms[path].read(content)[1]
        if path == "/messages_status/":
            return self.list_problems(content, "message_uuids", str, "str")
        of_event = path == "/event_send/" and "messages" not in content
        if of_event:
            keys, name = ["internal_id", "recipient_phone"], "recipients"
        else:
            keys, name = ["internal_id", "recipient_phone", "message_content"], "messages"
        if path == GATEWAY_SEND:
            keys.remove("internal_id")
        if self.default_sender is None and not (path == GATEWAY_SEND and "sender" in content):
            keys.append("sender")
        found = self.list_problems(content, name, dict, "dict")
        if of_event:
            found += self.text_problems(content, ["event"], ["body"])
        if found:
            return found
        if not 0 < len(content[name]) <= MOST_MESSAGES:
            few = not content[name]
            text = f"ensure this value has at {'least 1' if few else f'most {MOST_MESSAGES}'} items"
            return [(["body", name], text, f"value_error.list.{'min' if few else 'max'}_items")]
        for index, message in enumerate(content[name]):
            where = ["body", name, index]
            found += self.text_problems(message, keys, where)
            if of_event:
                found += self.variable_problems(message, where)
        return found

    @staticmethod
    def text_problems(content, keys, where):
        missing = [([*where, key], "field required", "value_error.missing") for key in keys if key not in content]
        return missing + [
            ([*where, key], "str type expected", "type_error.str")
            for key in keys
            if key in content and not isinstance(content[key], str)
        ]

    def variable_problems(self, recipient, where):
        where = [*where, "template_variables"]
        if "template_variables" not in recipient:
            return [(where, "field required", "value_error.missing")]
        variables = recipient["template_variables"]
        if not isinstance(variables, dict):
            return [(where, "value is not a valid dict", "type_error.dict")]
        return self.text_problems(variables, variables.keys(), where)

    @staticmethod
    def list_problems(content, name, kind, kind_name):
        if name not in content:
            return [(["body", name], "field required", "value_error.missing")]
        if not isinstance(content[name], list):
            return [(["body", name], "value is not a valid list", "type_error.list")]
        return [
            (["body", name, index], f"{kind_name} type expected", f"type_error.{kind_name}")
            for index, item in enumerate(content[name])
            if not isinstance(item, kind)
        ]

    def serve(self, path, body, plan, where):
        content = json.loads(body)
        if path in OTP_PATHS:
            return self.one_time_code(path, content, plan, where)
        if path == "/messages_status/":
            return self.statuses(content["message_uuids"], plan)
        if path in self.free_paths:
            messages = [self.free_message(content)]
        elif path in self.forms:
            messages = [self.forms[path].message(content, where)]
        elif path == "/event_send/" and "messages" not in content:
            messages = [
                dict(r, message_content=json.dumps(r.get("template_variables", {}), ensure_ascii=False))
                for r in content["recipients"]
            ]
        else:
            messages = [{**self.common(path, content, where, n), **m} for n, m in enumerate(content["messages"])]
        return self.send([dict(m, path=path) for m in messages], plan, where)

    @staticmethod
    def common(path, content, where, number):
        """What the gateway adds to a message that does not say it."""
        if path != GATEWAY_SEND:
            return {}
        own = {"internal_id": f"gw-{where['connection']}-{where['request']}-{number}"}
        return {**own, "sender": content["sender"]} if "sender" in content else own

    @staticmethod
    def free_message(content):
        """One message from a body of unknown form: known keys at any depth, else the body as text."""
        found = {}
        waiting = [content]
        while waiting:
            value = waiting.pop(0)
            if isinstance(value, dict):
                for key, item in value.items():
                    if isinstance(item, str):
                        found.setdefault(key, item)
            waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        whole = json.dumps(content, ensure_ascii=False)
        text = next((found[key] for key in ("message_content", "text", "body") if key in found), whole)
        phone = next((found[key] for key in ("recipient_phone", "recipient", "to") if key in found), "")
        message = {
            "internal_id": found.get("internal_id", whole),
            "recipient_phone": phone,
            "message_content": text,
        }
        return {**message, "sender": found["sender"]} if "sender" in found else message

    def one_time_code(self, path, content, plan, where):
        if plan.action("outcome") == "rate_limit":
            return Answer(200, dump({"status": False, "message": "RATE_LIMIT"}))
        if not PHONE.fullmatch(content["recipient_phone"]):
            return Answer(200, dump({"status": False, "message": BAD_PHONE}))
        if path != AUTH:
            return Answer(200, dump(self.codes.verify(content)))
        copy, content = self.codes.send(content, where)
        answer = Answer(200, dump(content))
        answer.accepted = [copy]
        return answer

    def send(self, messages, plan, where):
        limited = plan.action("outcome") == "rate_limit"
        limit_to = plan.value("outcome", "recipients")
        omit_others = limited and plan.value("outcome", "omit_others")
        accept_others = plan.value("outcome", "accept_others")
        entries, accepted, good = [], [], True
        for index, message in enumerate(messages):
            edits = {rule.do: rule.parameters for rule in plan.edits_of(index)}
            entry = {"internal_id": message["internal_id"], "message_uuid": None, "error": None}
            if message.get("nameless"):
                del entry["internal_id"]
            named = message["recipient_phone"] in limit_to if limit_to else index in plan.outcome_indexes
            if limited and named:
                entry["error"] = "RATE_LIMIT"
                entries.append(entry)
                continue
            if limited and omit_others and not accept_others:
                continue
            problem = self.message_problem(message, edits.get("refuse"))
            if problem:
                entry.update(problem)
                entries.append(entry)
                good = False
                continue
            if not edits.get("omit", {}).get("accept", True):
                continue
            copy = self.journal.accept(message, lambda c: self.new_uuid(c, edits), where)
            accepted.append(copy)
            entry["message_uuid"] = copy["uuid"]
            if not omit_others:
                entries += self.edited(entry, edits)
        if plan.edit("swap"):
            entries.reverse()
        task = str(uuid.uuid5(uuid.NAMESPACE_OID, f"task {where['connection']}/{where['request']}"))
        answer = Answer(200, dump({"status": good, "task_id": task, "messages": entries}))
        answer.accepted = accepted
        return answer

    def message_problem(self, message, refuse):
        if refuse:
            return {"error": refuse["error"], "details": refuse["details"]}
        if not PHONE.fullmatch(message["recipient_phone"]):
            return {"details": BAD_PHONE}
        if message.get("sender", self.default_sender) == "NOTALLOWED":
            return {"details": f"{message['sender']} is not allowed sender"}
        return None

    @staticmethod
    def new_uuid(copy, edits):
        if edits.get("numeric_ids", {}).get("which") in ("both", "message_uuid"):
            return 7000000 + copy["n"]
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{copy['internal_id']}/{copy['n']}"))

    @staticmethod
    def edited(entry, edits):
        if "omit" in edits:
            return []
        if "empty_uuid" in edits:
            entry["message_uuid"] = ""
        if (
            edits.get("numeric_ids", {}).get("which") in ("both", "internal_id")
            and entry.get("internal_id", "").isdigit()
        ):
            entry["internal_id"] = int(entry["internal_id"])
        foreign = dict(entry, internal_id="someone-else-1")
        if "unknown_id" in edits:
            return [foreign, entry] if edits["unknown_id"]["extra"] else [foreign]
        if "twice" in edits:
            return [entry, dict(entry, message_uuid=None, error="0x1")]
        return [entry]

    def statuses(self, uuids, plan):
        """No answer of messages_status is documented; these are the forms that a client may have to read."""
        known = [u for u in uuids if self.journal.find(u)]
        if plan.action("outcome") == "rate_limit":
            return Answer(200, dump({"status": True, "messages": [{"message_uuid": u, "error": "RATE_LIMIT"} for u in known]}))
        rule = plan.edit("delivery")
        value = rule.parameters if rule else {"word": "delivered", "shape": "messages", "pending": 0, "details": None}
        words = {}
        for name in known:
            self.asked[name] = self.asked.get(name, 0) + 1
            words[name] = "sent" if self.asked[name] <= value["pending"] else value["word"]
        entries = [{"message_uuid": name, "status": word} for name, word in words.items()]
        if value["details"] is not None:
            entries = [{**entry, "details": value["details"]} for entry in entries]
        shapes = {
            "messages": {"status": True, "messages": entries},
            "array": entries,
            "items": {"items": entries, "total": len(entries)},
            "data": {"data": entries},
            "result": {"status": True, "result": entries},
            "statuses": {"statuses": [{"uuid": e["message_uuid"], "delivery_status": e["status"]} for e in entries]},
            "map": words,
            "nested": {"messages": {name: {"status": word} for name, word in words.items()}},
            "object": [{"id": name, "state": {"id": 4, "name": word}} for name, word in words.items()],
            "capitals": [{"messageUuid": name.upper(), "dlr": word} for name, word in words.items()],
            "none": {"status": True, "messages": []},
        }
        return Answer(200, dump(shapes[value["shape"]]))

    # -- what rules make of it -------------------------------------------------------------------------------

    @staticmethod
    def instead(plan, answer):
        """What the rule of the slot "outcome" wants; ANSWER is the plain one, if messages were accepted."""
        do = plan.action("outcome")
        value = lambda name: plan.value("outcome", name)  # noqa: E731
        if do == "recorded":
            return recorded(value("name"))
        if do == "html":
            return page(value("code"))
        if do == "garbage":
            result = Answer(200, random.Random(7).randbytes(300))
            if value("kind") == "json":
                whole = answer.body if answer else b'{"status":true,"messages":[]}'
                result.body = whole[: len(whole) // 2]
            result.raw = value("kind") == "http"
            return result
        if do == "status_false":
            content = json.loads(answer.body) if answer else {}
            content.update(status=False, error_code=value("error_code"), message=value("message"))
            return Answer(200, dump(content))
        if do == "status":
            code = value("code")
            body, kind = value("body"), value("content_type")
            if body is None:
                front = code >= 500
                body = f"error code: {code}" if front else {"detail": REASONS.get(code, "Error")}
                kind = kind or ("text/plain; charset=UTF-8" if front else JSON)
            body = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
            result = Answer(code, body.encode(), kind or JSON)
            if value("retry_after") is not None:
                result.headers.append(("Retry-After", str(value("retry_after"))))
            return result
        return answer

    @staticmethod
    def finish(answer, plan):
        huge = plan.edit("huge")
        if huge and answer.status == 200:
            try:
                content = json.loads(answer.body)
                content["padding"] = "x" * max(0, huge.parameters["size"] - len(answer.body) - 13)
                answer.body = dump(content)
            except (ValueError, TypeError):
                pass
        if plan.action("coding") == "gzip":
            answer.body = gzip.compress(answer.body, mtime=0)
            answer.headers.append(("Content-Encoding", "gzip"))
        return answer
