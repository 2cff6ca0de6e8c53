"""YAML the way the real server reads it: by declared type, with `${VAR}`, unknown fields ignored, line numbers kept.

PyYAML's loader would decide types by itself (`on` becomes True, `0123` an octal); its nodes still have the plain text.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from kesdeploy.sandbox.kes.flags import Fatal

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BINARY = "tag:yaml.org,2002:binary"
_VARIABLE = re.compile(r"\$\{(.*)\}", re.DOTALL)
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}
_OLD_TRUE = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"}
_OLD_FALSE = {"n", "N", "no", "No", "NO", "off", "Off", "OFF"}


def load(text: str) -> Node:
    """The document's root. Fatal with the parser's words when it is not YAML."""
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise Fatal(f"yaml: line {line}: {error.problem}") from error
    if root is None:
        raise Fatal("EOF")
    return Node(root)


@dataclass(frozen=True)
class Node:
    """One YAML value, or None where the file has none."""

    raw: Any

    @property
    def present(self) -> bool:
        return self.raw is not None and not self._null

    @property
    def _null(self) -> bool:
        return isinstance(self.raw, yaml.ScalarNode) and self.raw.tag == "tag:yaml.org,2002:null"

    def get(self, name: str) -> Node:
        return next((value for key, value in self.items() if key == name), Node(None))

    def items(self) -> Iterator[tuple[str, Node]]:
        """The fields of a mapping; keys that stand twice are an error."""
        if not self.present:
            return
        if not isinstance(self.raw, yaml.MappingNode):
            raise self._mismatch("map")
        seen: dict[str, int] = {}
        for key, value in self.raw.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                text = f'mapping key "{key.value}" already defined at line {seen[key.value]}'
                raise Fatal(f"yaml: unmarshal errors:\n  line {line}: {text}")
            seen[str(key.value)] = line
            if key.value == "<<":
                yield from Node(value).items()
            else:
                yield str(key.value), Node(value)

    def list(self) -> tuple[Node, ...]:
        if not self.present:
            return ()
        if not isinstance(self.raw, yaml.SequenceNode):
            raise self._mismatch("slice")
        return tuple(n for n in map(Node, self.raw.value) if n.present)

    def plain(self) -> str:
        """The text as written, without `${VAR}`."""
        if not self.present:
            return ""
        if not isinstance(self.raw, yaml.ScalarNode):
            raise self._mismatch("string")
        if self.raw.tag == _BINARY:
            return base64.b64decode(self.raw.value).decode()
        return str(self.raw.value)

    def text(self) -> str:
        """The text, or the variable that the whole text names. In `!!binary` the real server sees no variable."""
        written = self.plain()
        match = None if self.present and self.raw.tag == _BINARY else _VARIABLE.fullmatch(written.strip())
        if match is None:
            return written
        name = match[1].strip()
        if name not in os.environ:
            line = self.raw.start_mark.line + 1
            raise Fatal(f"kesconf: referenced env. variable '{name}' in line '{line}' not found")
        return os.environ[name]

    def boolean(self) -> bool:
        value = self.text()
        is_text = self.present and (bool(self.raw.style) or value != self.plain())
        if value in _OLD_TRUE or (value in _TRUE and not is_text):
            return True
        if not value or value in _OLD_FALSE or (value in _FALSE and not is_text):
            return False
        raise self._mismatch("bool", value)

    def seconds(self) -> float:
        """A Go duration (`1h2m3s`). A number without a unit is an error, 0 included."""
        value = self.text()
        if not value:
            return 0.0
        sign, body = (-1.0, value[1:]) if value.startswith("-") else (1.0, value.removeprefix("+"))
        parts = _DURATION.findall(body)
        if not parts or "".join(number + unit for number, unit in parts) != body:
            raise self._mismatch("time.Duration", value)
        return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)

    def _mismatch(self, wanted: str, value: str = "") -> Fatal:
        kind = self.raw.tag.rsplit(":", 1)[-1]
        shown = f"!!{kind} `{value}`" if value else f"!!{kind}"
        line = self.raw.start_mark.line + 1
        return Fatal(f"yaml: unmarshal errors:\n  line {line}: cannot unmarshal {shown} into {wanted}")
