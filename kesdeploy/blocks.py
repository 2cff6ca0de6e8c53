"""What a view is made of, and how it becomes lines: text, tables, marked items."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kesdeploy.terminal import Mark, Style, Terminal, columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Text:
    """A paragraph, wrapped where the terminal ends."""

    text: str
    style: Style = ""


@dataclass(frozen=True)
class Lines:
    """Lines as they are: commands to copy, addresses, files. Never wrapped."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Painted:
    """One line in several styles. Never wrapped."""

    parts: Sequence[tuple[str, Style]]


@dataclass(frozen=True)
class Item:
    """A marked line (✓ ✗ ! •) and what belongs to it, indented."""

    mark: Mark
    text: str
    below: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """Aligned columns. Words that say a state (ok, SEALED, FAILED, …) are coloured. Without headers: pairs or lists."""

    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]


Block: TypeAlias = Text | Lines | Painted | Item | Table

GAP: Final = "  "
_NARROWEST_PROSE = 20
_GOOD = "ok pass yes running ready healthy create created unsealed"
_MIND = "warn sandbox stopped starting paused replace reload changed unknown"
_BAD = "failed fail sealed unreachable missing denied unhealthy expired exited dead delete error"
_WORDS: Final[dict[str, Style]] = {
    **dict.fromkeys(_GOOD.split(), "green"),
    **dict.fromkeys(_MIND.split(), "yellow"),
    **dict.fromkeys(_BAD.split(), "red"),
    **dict.fromkeys(("keep", "unchanged", "-"), "dim"),
}


def lines_of(blocks: Iterable[Block], terminal: Terminal) -> list[str]:
    """The blocks as painted lines, one empty line between tables and what stands next to them."""
    lines: list[str] = []
    before: Block | None = None
    for block in blocks:
        if before is not None and Table in (type(before), type(block)):
            lines.append("")
        lines += _lines(block, terminal)
        before = block
    return lines


def _lines(block: Block, terminal: Terminal) -> list[str]:
    match block:
        case Text():
            return [terminal.paint(line, block.style) for line in wrapped(block.text, terminal.width)]
        case Lines():
            return [line for text in block.lines for line in text.split("\n")]
        case Painted():
            return ["".join(terminal.paint(text, style) for text, style in block.parts)]
        case Item():
            return [f"{terminal.mark(block.mark)} {block.text}", *(f"{GAP}{line}" for line in block.below)]
        case Table():
            return _table(block, terminal)


def wrapped(text: str, width: int | None) -> list[str]:
    """The paragraphs of a text, none wider than `width`; a word is never broken (it may be a path to copy)."""
    paragraphs = text.split("\n")
    if width is None:
        return paragraphs
    wrap = textwrap.TextWrapper(max(width, _NARROWEST_PROSE), break_long_words=False, break_on_hyphens=False)
    return [line for paragraph in paragraphs for line in wrap.wrap(paragraph) or [""]]


def _table(table: Table, terminal: Terminal) -> list[str]:
    rows = [[terminal.encodable(cell_text(cell)) for cell in row] for row in table.rows]
    headers = [header.upper() for header in table.headers]
    widths = _widths([headers, *rows] if headers else rows)
    if terminal.width is not None and not _squeeze(widths, terminal.width):
        return _records(headers, rows, terminal)
    lines = [terminal.paint(_joined(headers, widths), "bold")] if headers else []
    for row in rows:
        lines += _row(row, widths, terminal)
    return lines


def cell_text(cell: Any) -> str:
    """A value as a person writes it."""
    match cell:
        case None | "":
            return "-"
        case bool():
            return "yes" if cell else "no"
        case list() | tuple():
            return ", ".join(map(cell_text, cell)) or "-"
        case _:
            return " ".join(str(cell).split())


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    count = max((len(row) for row in rows), default=0)
    return [max(columns(row[i]) for row in rows if i < len(row)) for i in range(count)]


def _squeeze(widths: list[int], available: int) -> bool:
    """Make the widest column as narrow as the terminal asks for; False when that leaves too little to read."""
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - available
    if excess <= 0:
        return True
    widest = widths.index(max(widths))
    widths[widest] -= excess
    return widths[widest] >= _NARROWEST_PROSE


def _row(cells: Sequence[str], widths: Sequence[int], terminal: Terminal) -> list[str]:
    """One row: several lines where a cell is wider than its column."""
    parts = [_broken(cell, width) for cell, width in zip(cells, widths, strict=False)]
    depth = max(map(len, parts), default=0)
    rows = [[part[i] if i < len(part) else "" for part in parts] for i in range(depth)]
    return [_joined(row, widths, terminal) for row in rows]


def _broken(cell: str, width: int) -> list[str]:
    return [cell] if columns(cell) <= width else textwrap.wrap(cell, width, break_on_hyphens=False)


def _joined(cells: Sequence[str], widths: Sequence[int], terminal: Terminal | None = None) -> str:
    padded = [(cell, " " * (width - columns(cell))) for cell, width in zip(cells, widths, strict=False)]
    painted = [(tinted(cell, terminal) if terminal else cell) + blank for cell, blank in padded]
    return GAP.join(painted).rstrip()


def _records(headers: Sequence[str], rows: Sequence[Sequence[str]], terminal: Terminal) -> list[str]:
    """A table that is too wide, one value a line: nothing is cut, and all of it can be copied."""
    names = [f"{header.lower()}:" for header in headers] or [""] * max(map(len, rows), default=0)
    width = max(map(columns, names), default=0)
    lines: list[str] = []
    for row in rows:
        lines += [""] if lines and headers else []
        lines += [
            _joined((name, cell), (width, columns(cell)), terminal).strip()
            for name, cell in zip(names, row, strict=False)
        ]
    return lines


def tinted(cell: str, terminal: Terminal) -> str:
    """The cell, coloured when it is a word of state, or begins with one in capitals (`SEALED since …`)."""
    first = cell.split(" ", 1)[0]
    word = first if first.isupper() else cell
    style = _WORDS.get(word.rstrip(":,").lower(), "")
    return terminal.paint(word, style) + cell[len(word) :]
