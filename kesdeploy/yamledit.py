"""Other values in a YAML text, and every other character of it as people wrote it.

PyYAML tells where in the text each part stands: what differs is cut out there, and what is new is put in.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

from kesdeploy.errors import SpecError
from kesdeploy.yamltext import parse, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def says(text: str, tree: Mapping[str, Any]) -> bool:
    """Whether the text means exactly this."""
    try:
        return _same(parse(text, where=""), tree)
    except SpecError:
        return False


def edited(text: str, tree: Mapping[str, Any]) -> str:
    """A text that means `tree`, as near to the one that is there as can be; a new one where that is not possible.

    What is not in `tree` any more goes, with the comment right above it.
    """
    if says(text, tree):
        return text
    try:
        changed = _Text(text).edited(tree)
    except (yaml.YAMLError, SpecError, LookupError, ValueError, RecursionError):
        return write(tree)
    # Anchors, and what stands twice: the meaning goes before the looks.
    return changed if says(changed, tree) else write(tree)


class _Edit(NamedTuple):
    """`text` takes the place of what stands from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class _Text:
    text: str

    def edited(self, tree: Mapping[str, Any]) -> str:
        """Raises ValueError, among others, where it is not to be kept."""
        root = yaml.compose(self.text, Loader=yaml.SafeLoader)
        if root is None:
            return self.text[: self._end_of(-1)] + self._newline + write(tree) if self.text.strip() else write(tree)
        there = parse(self.text, where="")
        if not (isinstance(root, MappingNode) and _is_block(root) and _share(there, tree)):
            raise ValueError("nothing of it stays")
        out, at = [], 0
        for edit in sorted(self._mapping(root, there, tree), key=lambda edit: edit[:2]):
            out += [self.text[at : edit.start], edit.text]
            at = edit.end
        return "".join((*out, self.text[at:]))

    # --- what differs, from the whole to its parts

    def _value(self, key: Node, node: Node, there: Any, wanted: Any) -> Iterator[_Edit]:
        stays = _is_block(node) and _share(there, wanted)
        if stays and isinstance(node, MappingNode):
            yield from self._mapping(node, there, wanted)
        elif stays and isinstance(node, SequenceNode):
            yield from self._items(node, there, wanted)
        elif _is_block(node) or "\n" in self.text[node.start_mark.index : node.end_mark.index]:
            start = key.start_mark
            text = _block({key.value: wanted}, start.column).strip("\n")
            yield _Edit(start.index, self._end_of(_last_line(key, node)), text[start.column :])
        else:
            yield self._in_line(node, wanted)

    def _mapping(self, node: MappingNode, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[_Edit]:
        entries = {key.value: (key, value) for key, value in node.value}
        for name, (key, value) in entries.items():
            if name not in wanted:
                yield self._cut(key, value)
            elif not _same(there[name], wanted[name]):
                yield from self._value(key, value, there[name], wanted[name])
        first = node.value[0][0].start_mark
        behind = None
        for name, new in wanted.items():
            if name in entries:
                behind = _last_line(*entries[name]) + 1
                continue
            text = _block({name: new}, first.column)
            if behind is None:
                # A list's dash may stand before its first key.
                yield _Edit(first.index, first.index, self._ended(text[first.column :]) + " " * first.column)
            else:
                yield self._insert(behind, text)

    def _items(self, node: SequenceNode, there: list[Any], wanted: list[Any]) -> Iterator[_Edit]:
        """Items are known by their `name`, or else by what they are."""
        children = dict(zip(map(_name, there), zip(there, node.value, strict=True), strict=True))
        names = list(map(_name, wanted))
        stay = [name for name in children if name in names]
        if len(children) < len(there) or [name for name in names if name in children] != stay:
            raise ValueError("an item is there twice, or has another place")
        for item in (child for name, (_, child) in children.items() if name not in stay):
            yield self._cut(item, item)
        behind = self._above(children[stay[0]][1].start_mark.line)
        for name, new in zip(names, wanted, strict=True):
            if name not in children:
                yield self._insert(behind, _block([new], node.start_mark.column))
                continue
            old, item = children[name]
            behind = _last_line(item, item) + 1
            if not _same(old, new):
                yield from self._mapping(item, old, new) if _is_block(item) else [self._in_line(item, new)]

    # --- lines

    @cached_property
    def _lines(self) -> list[str]:
        # As PyYAML counts them.
        return re.split(r"(?<=\n)|(?<=\r)(?!\n)|(?<=[\x85\u2028\u2029])", self.text)

    def _offset(self, line: int) -> int:
        return sum(map(len, self._lines[:line]))

    def _end_of(self, line: int) -> int:
        """Where the line ends, without what ends it."""
        line %= len(self._lines)
        return self._offset(line) + len(self._lines[line].rstrip("\r\n"))

    def _above(self, line: int) -> int:
        """The first line of the comment right above it; the line itself where that begins the text."""
        first = line
        while first and self._lines[first - 1].lstrip().startswith("#"):
            first -= 1
        return first or line

    def _cut(self, key: Node, value: Node) -> _Edit:
        return _Edit(self._offset(self._above(key.start_mark.line)), self._offset(_last_line(key, value) + 1), "")

    def _insert(self, line: int, text: str) -> _Edit:
        """Before this line, or at the end."""
        at = self._offset(line)
        lacks = at == len(self.text) and not self.text.endswith(("\n", "\r"))
        return _Edit(at, at, self._ended(f"\n{text}" if lacks else text))

    def _in_line(self, node: Node, wanted: Any) -> _Edit:
        start = node.start_mark.index
        space = "" if self.text[start - 1 : start].isspace() or not start else " "
        return _Edit(start, node.end_mark.index, space + _flow(wanted))

    def _ended(self, text: str) -> str:
        return text.replace("\n", self._newline)

    @property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"


def _same(one: Any, other: Any) -> bool:
    # As JSON: in Python, 1 is True.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _is_block(node: Node) -> bool:
    return isinstance(node, (MappingNode, SequenceNode)) and not node.flow_style


def _last_line(key: Node, value: Node) -> int:
    """Of what it says: for PyYAML, a block reaches up to what comes next, with the comments between."""
    if _is_block(value) and value.value:
        last = value.value[-1]
        return _last_line(*last) if isinstance(last, tuple) else _last_line(last, last)
    end = value.end_mark
    # A text of many lines ends where the next line begins.
    over = end.column == 0 and end.line > value.start_mark.line
    return max(int(key.end_mark.line), int(end.line) - over)


def _share(there: Any, wanted: Any) -> bool:
    """Whether a part of it stays."""
    if isinstance(there, list) and isinstance(wanted, list):
        return not {*map(_name, there)}.isdisjoint(map(_name, wanted))
    return isinstance(there, dict) and isinstance(wanted, dict) and not there.keys().isdisjoint(wanted)


def _name(item: Any) -> str:
    named = isinstance(item, dict) and isinstance(item.get("name"), str)
    return json.dumps([item["name"]] if named else item, sort_keys=True)


def _block(value: Any, column: int) -> str:
    text = write({"x": value}).removeprefix("x:\n") if isinstance(value, list) else write(value)
    return re.sub(r"^(?=.)", " " * column, text, flags=re.MULTILINE)


def _flow(value: Any) -> str:
    """On one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9)
    return text.removesuffix("...\n").rstrip("\n")
