"""What a terminal shows after some output: just the sequences that the console writes."""

from __future__ import annotations

import io
import re

_TOKEN = re.compile(r"\033\[(?P<number>\d*)(?:;\d+)*(?P<letter>[A-Za-z])|(?P<text>[^\033\n\r]+)|(?P<control>[\n\r])")


class Tty(io.StringIO):
    """A stream that says it is a terminal (of 80 columns, because nobody can ask it)."""

    encoding = "utf-8"

    def isatty(self):
        return True


class Ascii(io.StringIO):
    encoding = "ascii"


def screen(output):
    """The lines on the screen, colours left out; an unknown sequence is an error."""
    lines, row = [""], 0
    for token in _TOKEN.finditer(output):
        if text := token["text"]:
            lines[row] += text
        elif token["control"] == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif token["letter"] == "A":
            row -= int(token["number"] or 1)
            assert row >= 0, "above the screen"
        elif token["letter"] == "J" and token["number"] == "":
            lines[row:] = [""]
        elif token["letter"] == "J":
            lines, row = [""], 0
        elif token["letter"] not in ("m", "H", None):
            raise AssertionError(token[0])
    return [line for line in lines if line]
