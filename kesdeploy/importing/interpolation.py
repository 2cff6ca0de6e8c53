"""Variables in a compose file, as compose puts values in their place (compose-spec, 12-interpolation.md)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORM = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?)([-+?])([^{}$]*))?\})")


def interpolated(tree: Any, known: Mapping[str, str]) -> Any:
    """The same with values and defaults in the place of variables; one without either stays as it is written."""
    if isinstance(tree, dict):
        return {name: interpolated(value, known) for name, value in tree.items()}
    if isinstance(tree, list):
        return [interpolated(item, known) for item in tree]
    return _FORM.sub(lambda found: _value(found, known), tree) if isinstance(tree, str) else tree


def _value(found: re.Match[str], known: Mapping[str, str]) -> str:
    dollar, plain, braced, colon, sign, word = found.groups()
    if dollar:
        return "$"
    value = known.get(plain or braced)
    there = bool(value) if colon else value is not None
    if sign == "+":
        return word if there else ""
    if there:
        return value or ""
    return word if sign == "-" else found[0]
