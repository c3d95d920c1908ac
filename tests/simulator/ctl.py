#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Commands to a running simulator.

  ctl.py DIR rule ACTION [PARAMETER=VALUE]... [--count N] [--skip N] [--p P] [--seed N]
             [--recipient PHONE] [--text PART] [--path PATH] [--at-least MESSAGES]
  ctl.py DIR rules | clear [NUMBER] | actions
  ctl.py DIR report [--expect FILE] [--most COPIES] [--json]
  ctl.py DIR messages | reset | token TOKEN... | key KEY... | reply FROM TEXT... | hold [stall|refuse] [--drop] | resume | close | ping
  ctl.py DIR wait N [SECONDS]

report exits with 1 if a message of FILE (ids or texts, one a line) was lost, or one was accepted more than
COPIES times; wait exits with 1 if N distinct messages were not accepted in time.
"""

import argparse
import json
import sys

from harness import CommandFailed, command
from scenarios import ACTIONS, REQUIRED


def value(text):
    """A VALUE is JSON where it can be read so, else plain text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_rule(words):
    parser = argparse.ArgumentParser(prog="ctl.py DIR rule", epilog="ctl.py actions lists the actions with their parameters")
    parser.add_argument("action")
    parser.add_argument("parameters", nargs="*")
    for name, kind in (("count", int), ("skip", int), ("p", float), ("seed", int)):
        parser.add_argument("--" + name, type=kind)
    for name, kind in (("recipient", str), ("text", str), ("path", str), ("at-least", int)):
        parser.add_argument("--" + name, type=kind)
    options = parser.parse_intermixed_args(words)
    rule = {"do": options.action}
    for word in options.parameters:
        name, equals, text = word.partition("=")
        if not equals:
            parser.error(f"not PARAMETER=VALUE: {word}")
        rule[name] = value(text)
    rule.update(
        {
            key: getattr(options, key)
            for key in ("count", "skip", "p", "seed")
            if getattr(options, key) is not None
        }
    )
    match = {
        key: getattr(options, key)
        for key in ("recipient", "text", "path", "at_least")
        if getattr(options, key) is not None
    }
    return {**rule, "match": match} if match else rule


def print_actions():
    for name, (slot, parameters, text) in ACTIONS.items():
        known = " ".join(
            key if default is REQUIRED else f"{key}={json.dumps(default)}"
            for key, default in parameters.items()
        )
        print(f"{name} {known}".rstrip() + f"\n    [{slot}] {text}")


def report(directory, words):
    parser = argparse.ArgumentParser(prog="ctl.py DIR report")
    parser.add_argument("--expect")
    parser.add_argument("--most", type=int)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    expect = None
    if options.expect:
        with open(options.expect, encoding="utf-8") as file:
            expect = [line.rstrip("\r\n") for line in file if line.strip()]
    result = command(directory, "report", expect=expect)["report"]
    copies = max(result["max_copies"], result["max_copies_on_a_phone"])
    status = 1 if result.get("lost") or (options.most is not None and copies > options.most) else 0
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        for internal_id, message in result.pop("messages").items():
            print(
                f"{message['copies']} x {internal_id} to {message['recipient']}: {message['text']} "
                f"[{', '.join(message['answers'])}]"
            )
        for line in result.pop("lost", ()):
            print(f"LOST {line}")
        for failure in result.pop("handshakes_failed"):
            print(f"handshake failed on connection {failure['connection']}: {failure['reason']}")
        print(" ".join(f"{key}={number}" for key, number in result.items()))
    return status


# What stands behind each command that has no parser of its own.
USES = {
    **dict.fromkeys(("rules", "messages", "reset", "resume", "close", "ping"), ""),
    "clear": "[NUMBER]", "token": "TOKEN...", "key": "KEY...", "reply": "FROM TEXT...", "wait": "N [SECONDS]",
    "hold": "[stall|refuse] [--drop]",
}


class WrongUse(Exception):
    pass


def number(text, kind=int):
    try:
        return kind(text)
    except ValueError:
        raise WrongUse(f"{text} is no number") from None


def check_use(name, rest):
    if name not in USES:
        raise WrongUse(f"there is no command {name}: {', '.join(sorted([*USES, 'rule', 'report', 'actions']))}")
    uses = USES[name].split()
    least = sum(not use.startswith("[") for use in uses)
    if len(rest) < least or (len(rest) > len(uses) and "..." not in USES[name]):
        raise WrongUse(f"write ctl.py DIR {name} {USES[name]}".rstrip())


def main(words):
    if words == ["actions"] or words[1:] == ["actions"]:
        return print_actions()
    if not {"-h", "--help", "help"}.isdisjoint(words[:2]):
        return print(__doc__.strip())
    if len(words) < 2:
        raise WrongUse("write ctl.py DIR COMMAND, DIR as simulator.py has it; ctl.py --help lists the commands")
    directory, name, rest = words[0], words[1], words[2:]
    if name == "report":
        return report(directory, rest)
    if name != "rule":
        check_use(name, rest)
    if name == "rule":
        answer = command(directory, "rule", rule=parse_rule(rest))
    elif name == "clear":
        answer = command(directory, "clear", rule=number(rest[0]) if rest else None)
    elif name == "token":
        answer = command(directory, "token", tokens=rest)
    elif name == "key":
        answer = command(directory, "key", keys=rest)
    elif name == "reply":
        answer = command(directory, "reply", **{"from": rest[0]}, text=" ".join(rest[1:]))
    elif name == "hold":
        how = [word for word in rest if word != "--drop"]
        answer = command(directory, "hold", how=how[0] if how else "stall", drop="--drop" in rest)
    elif name == "wait":
        seconds = number(rest[1], float) if len(rest) > 1 else 30
        answer = command(directory, "wait", seconds + 10, distinct=number(rest[0]), seconds=seconds)
    else:
        answer = command(directory, name)
    rows = answer.get("messages", answer.get("rules"))
    for row in [answer] if rows is None else rows:
        print(json.dumps(row, ensure_ascii=False))
    return 0 if answer.get("reached", True) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except WrongUse as error:
        print(f"ctl.py: {error}", file=sys.stderr)
        sys.exit(64)
    except OSError as error:
        sys.exit(f"ctl.py: {error.filename or ''}: {error.strerror}")
    except (CommandFailed, ValueError) as error:
        sys.exit(f"ctl.py: {error}")
