# SPDX-License-Identifier: MIT
"""A message as it would read on the phone, drawn in plain ASCII."""
import textwrap
import unicodedata

WIDTH = 34  # characters of text on a line of the screen


def printable(text):
    """ASCII, one column a character: what a terminal without UTF-8 can show."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c if c == "\n" or " " <= c <= "~" else "?" for c in plain if not unicodedata.combining(c))


def draw(recipient, sender, time, text):
    lines = [row for line in printable(text).split("\n") for row in textwrap.wrap(line, WIDTH) or [""]]
    head = f"{printable(sender or 'SMS')[:WIDTH - 9]:{WIDTH - 9}} {time[11:16]}"
    rows = [head, "-" * WIDTH, *lines, ""]
    frame = [f"    .{'-' * 12}[  o  ]{'-' * (WIDTH - 17)}.  +{recipient}"]
    frame += [f"    | {row:{WIDTH}} |" for row in rows]
    frame += [f"    '{'-' * 13}[   ]{'-' * (WIDTH - 16)}'"]
    return "\n".join(frame)
