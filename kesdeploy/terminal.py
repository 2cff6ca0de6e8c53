"""One output stream and what it can show: colour, a live region, more than ASCII, how wide it is.

The console and its parts write through this; nothing else does.
"""

from __future__ import annotations

import io
import os
import unicodedata
from typing import TYPE_CHECKING, Final, Literal, TextIO

from kesdeploy.errors import KesdeployError, in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

Mark = Literal["ok", "failed", "warn", "note"]
Style = Literal["", "bold", "dim", "red", "green", "yellow", "cyan"]

_CODES: Final[Mapping[str, str]] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_MARKS: Final[Mapping[str, tuple[str, str, Style]]] = {
    "ok": ("✓", "ok", "green"),
    "failed": ("✗", "FAILED", "red"),
    "warn": ("!", "!", "yellow"),
    "note": ("•", "*", "dim"),
}
# What an old terminal or LANG=C can show instead.
_PLAIN: Final = str.maketrans(
    {
        "✓": "ok",
        "✗": "FAILED",
        "•": "*",
        "…": "...",
        "\N{EN DASH}": "-",
        "—": "-",
        "·": "-",
        "→": "->",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "“": '"',
        "”": '"',
    }
)
# A server's words must not be able to drive the terminal. Line ends and tabs stay.
_CONTROLS: Final = {c: f"\\x{c:02x}" for c in (*range(0x20), *range(0x7F, 0xA0)) if chr(c) not in "\n\t"}
_TYPICAL_WIDTH = 80


class Terminal:
    """A text stream. NO_COLOR (https://no-color.org), TERM=dumb and a missing TTY are respected.

    vital: a full disk behind it is an error; otherwise (talk) it only falls silent.
    """

    def __init__(self, stream: TextIO | None, *, vital: bool = True) -> None:
        # None: the shell closed it (`>&-`).
        self._stream: TextIO = io.StringIO() if stream is None else stream
        dumb = os.environ.get("TERM", "") in ("", "dumb")
        self.tty: Final = self._stream.isatty()
        self.live: Final = self.tty and not dumb
        self.colour: Final = self.live and not os.environ.get("NO_COLOR")
        self._encoding: Final = getattr(self._stream, "encoding", None) or "utf-8"
        self.unicode: Final = _can_show("✓✗•…⠋", self._encoding)
        self.gone = False
        self._vital: Final = vital

    @property
    def width(self) -> int | None:
        """Columns now, or None where lines may be as long as they are (a file, a pipe)."""
        return self._size()[0] if self.tty else None

    @property
    def height(self) -> int:
        return self._size()[1]

    def _size(self) -> tuple[int, int]:
        try:
            columns, lines = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return _TYPICAL_WIDTH, 24
        # A pseudo-terminal that nobody sized says 0.
        return columns or _TYPICAL_WIDTH, lines or 24

    def paint(self, text: str, style: Style) -> str:
        return f"\033[{_CODES[style]}m{text}\033[0m" if style and self.colour and text else text

    def mark(self, mark: Mark) -> str:
        fancy, plain, style = _MARKS[mark]
        return self.paint(fancy if self.unicode else plain, style)

    def write(self, text: str) -> bool:
        """Write and flush. False once nobody reads any more (`| head`); KesdeployError when a disk is full."""
        if self.gone:
            return False
        try:
            self._stream.write(self.encodable(text))
            self._stream.flush()
        except (BrokenPipeError, ValueError):  # ValueError: closed meanwhile
            self._give_up()
        except OSError as error:
            self._give_up()
            if self._vital:
                raise KesdeployError("cannot write the output", because=in_words(error)) from error
        return not self.gone

    def encodable(self, text: str) -> str:
        """The text in what the stream's encoding has; the rest is spelled out."""
        plain = text if self.unicode else text.translate(_PLAIN)
        return plain.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def _give_up(self) -> None:
        """Point the stream at nothing, so that Python's own flush at exit has nothing to complain about."""
        self.gone = True
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            pass


def defused(text: str) -> str:
    """The text without control characters (they are spelled out), so that it can only be read."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def columns(text: str) -> int:
    """How many columns the text takes: wide (East Asian) characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns_of(char) for char in text)


def fit(text: str, width: int, ellipsis: str = "…") -> str:
    """The text, cut with an ellipsis where it is wider than `width` columns."""
    if columns(text) <= width:
        return text
    kept = text
    while kept and columns(kept) + len(ellipsis) > width:
        kept = kept[:-1]
    return kept + ellipsis


def _columns_of(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _can_show(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True
