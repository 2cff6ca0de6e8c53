"""Bytes that a command is given, which may be secret: from a file, standard input or a variable, never as a word."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Any

from kesdeploy.errors import UsageError, in_words
from kesdeploy.given import head

STDIN = "-"
_OTHER_WAYS = "@FILE or env:NAME"
WAYS = "@FILE, env:NAME, or - for standard input"


def payload(source: str, what: str, *, most: int, longer: str = "") -> bytes:
    """The bytes at @FILE, env:NAME, or - for standard input. UsageError for anything else, which is not repeated.

    longer: what to do with more bytes than `most`.
    """
    if source == STDIN:
        found = _stdin(most + 1)
    elif source.startswith("@"):
        found = _file(source.removeprefix("@"), most + 1)
    elif source.startswith("env:"):
        found = os.environb.get(os.fsencode(source.removeprefix("env:")), b"")
    else:
        raise UsageError(
            f"the {what} itself does not belong on a command line, where others can read it",
            hint=WAYS,
        )
    if not found:
        raise UsageError(f"no {what} in {source}", because="there is nothing", hint=WAYS)
    if len(found) > most:
        hint = longer or f"is {source} the right one?"
        raise UsageError(f"the {what} is too long", because=f"more than {most} bytes", hint=hint)
    return found


def from_stdin(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A secret that is given as `-` is a line of standard input; the others stay."""
    piped = [path for path, value in given.items() if value == "-"]
    names = {"minio.root_password": "root-password"}
    secrets = {names.get(path, path.removeprefix("keystore.").replace(".", "-")): line() for path in piped}
    # A section that is there says that its secrets are, wherever they are kept.
    named = {path: None for path in piped if path.startswith("keystore.")}
    return {**{path: value for path, value in given.items() if path not in piped}, **named}, secrets


def line() -> str:
    """The next line of standard input, without its end. UsageError where there is none, or it is no text."""
    try:
        found = sys.stdin.readline() if sys.stdin else ""  # None: closed from the start
        found.encode()
    except (OSError, UnicodeError):
        raise UsageError("what standard input holds is no text in UTF-8", hint=WAYS) from None
    if not (text := found.rstrip("\r\n")):
        because, hint = "`-` reads a line of it", f"pipe a line in; or {_OTHER_WAYS}"
        raise UsageError("nothing on standard input", because=because, hint=hint)
    return text


def context(text: str) -> bytes:
    """What a ciphertext is bound to: a text, or the content of @FILE."""
    return payload(text, "context", most=100_000) if text.startswith("@") else os.fsencode(text)


def _file(path: str, most: int) -> bytes:
    try:
        return head(Path(path).expanduser(), most)
    except (OSError, ValueError, RuntimeError) as error:
        because = in_words(error)
        raise UsageError(f"cannot read {path[:200]!r}", because=because, hint=WAYS) from None


def _stdin(most: int) -> bytes:
    if sys.stdin is None:  # closed from the start
        return b""
    stream: IO[bytes] | None = getattr(sys.stdin, "buffer", None)
    return stream.read(most) if stream else sys.stdin.read(most).encode()
