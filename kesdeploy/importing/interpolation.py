"""Variables of compose files, and of the `.env` beside them, as compose reads them.

Sources: compose-spec, 12-interpolation.md; the format of env files in Docker's documentation of compose.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORM = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?)([-+?])([^{}$]*))?\})")
# Depth of `${A:-${B:-…}}`.
_DEEPEST = 8
# A dollar that means itself.
_DOLLAR = "\0"
_NAME = r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][\w.-]*)[ \t]*[=:][ \t]*"
_QUOTED = r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)\""""
_LINE = re.compile(rf"^{_NAME}(?:(?:{_QUOTED})[ \t]*(?:#.*)?|(?P<plain>.*))$", re.MULTILINE | re.ASCII)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def interpolated(tree: Any, known: Mapping[str, str]) -> Any:
    """The same with values and defaults in the place of variables; one without either stays as it is written."""
    if isinstance(tree, dict):
        return {name: interpolated(value, known) for name, value in tree.items()}
    if isinstance(tree, list):
        return [interpolated(item, known) for item in tree]
    return _text(tree, known) if isinstance(tree, str) and "$" in tree else tree


def variables(text: str) -> dict[str, str]:
    """What a `.env` says: quotes and comments are taken off, and what stands above counts below."""
    found: dict[str, str] = {}
    for line in _LINE.finditer(text.removeprefix("\ufeff").replace("\r\n", "\n")):
        if line["single"] is not None:
            found[line["name"]] = line["single"]
        elif line["double"] is not None:
            value = re.sub(r"\\(.)", _unescaped, line["double"], flags=re.DOTALL)
            found[line["name"]] = _text(value, found)
        else:
            found[line["name"]] = _text(re.sub(r"(^|\s+)#.*", "", line["plain"]).strip(), found)
    return found


def _unescaped(found: re.Match[str]) -> str:
    return "$$" if found[1] == "$" else _ESCAPES.get(found[1], found[1])


def _text(text: str, known: Mapping[str, str]) -> str:
    text = text.replace("$$", _DOLLAR)
    for _ in range(_DEEPEST):
        # From the inside out.
        before, text = text, _FORM.sub(lambda found: _value(found, known), text)
        if text == before:
            break
    return text.replace(_DOLLAR, "$")


def _value(found: re.Match[str], known: Mapping[str, str]) -> str:
    plain, braced, colon, sign, word = found.groups()
    value = known.get(plain or braced)
    there = bool(value) if colon else value is not None
    if sign == "+":
        return word if there else ""
    if there:
        return (value or "").replace("$", _DOLLAR)
    return word if sign == "-" else found[0]
