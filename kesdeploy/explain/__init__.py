"""Error texts of KES, MinIO, Vault, their clients and engines: what they mean, and what to type next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from kesdeploy.blanking import blanked
from kesdeploy.explain.known import DEPLOYMENT, PART, Entry, entries

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Answer", "Entry", "advice", "answers", "clearer", "entries", "named", "of_line", "remedy"]

_COLOURS: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
# Go's log quotes what it repeats.
_QUOTED: Final = (('\\"', '"'), ("\\n", " "), ("\\t", " "))
_LONGEST_LINE: Final = 4000
_SHOWN: Final = 300
# What may stand in a command that somebody copies.
_PLAIN: Final = re.compile(r"[\w@%+=:,./*-]+|\0")
_UNTOLD: Final = "\0"
# What was not told leaves no empty parentheses behind.
_HOLE: Final = re.compile(r" *\((?:[^()\0]*:)?[ \0]*\0[ \0]*\)|:? *\0")


@dataclass(frozen=True)
class Answer:
    """What one text means. `line` is where it stands, without secrets; `lines` is how often."""

    id: str
    about: str
    line: str
    cause: str
    sure: str
    next: str
    source: str
    lines: int = 1


def answers(lines: Iterable[str], name: str = "") -> tuple[Answer, ...]:
    """What is known of these lines: the most specific first, each text once.

    name: the deployment that commands are to be about.
    """
    found: dict[str, list[Answer]] = {}
    for line in blanked("\n".join(lines)).splitlines():
        for answer in of_line(line, name):
            found.setdefault(answer.id, []).append(answer)
    counted = [_counted(same) for same in found.values()]
    return tuple(sorted(counted, key=lambda answer: named(answer.id).general))


def _counted(same: list[Answer]) -> Answer:
    first = same[0]
    return Answer(**{**first.__dict__, "lines": len(same)})


@lru_cache(maxsize=512)
def of_line(line: str, name: str = "") -> tuple[Answer, ...]:
    """The same of one line, innermost cause first; `line` is not searched for secrets again where it has none."""
    text = _readable(blanked(line))
    hits = [(entry, match) for entry in entries() if (match := entry.pattern.search(text))]
    best = _most_specific(hits)
    # Go wraps errors from the left: what stands last was there first.
    return tuple(_answer(entry, match, name) for entry, match in sorted(best, key=lambda hit: -hit[1].start()))


def advice(text: str, name: str = "") -> Answer | None:
    """The most specific answer to an error's text; None when nothing of it is known."""
    return next(iter(answers(text.splitlines(), name) or of_line(text, name)), None)


def clearer(words: str, hint: str, name: str = "") -> tuple[str, str]:
    """An error's cause and hint, as they are; where the cause is known, with what it means and what to do about it."""
    found = advice(words, name)
    if not found:
        return words, hint
    return f"{found.line}. That means: {found.cause}", f"{found.next}; {hint}" if hint else found.next


def remedy(words: str) -> str:
    """The name of what `doctor` can do about an engine's error; empty where there is nothing."""
    text = _readable(words)
    return next((entry.remedy for entry in entries() if entry.remedy and entry.pattern.search(text)), "")


def named(identifier: str) -> Entry:
    """The entry of that id. KeyError when there is none."""
    return {entry.id: entry for entry in entries()}[identifier]


def _readable(line: str) -> str:
    line = _COLOURS.sub("", line)[:_LONGEST_LINE]
    for quoted, plain in _QUOTED:
        line = line.replace(quoted, plain)
    return " ".join(_CONTROLS.sub(" ", line).split())


_Hit = tuple[Entry, re.Match[str]]


def _most_specific(hits: list[_Hit]) -> list[_Hit]:
    """Without those that another one has within itself, or that only wrap another one."""
    inner = [hit for hit in hits if not hit[0].outer] or hits
    return [hit for at, hit in enumerate(inner) if not any(_within(inner, at, other) for other in range(len(inner)))]


def _within(hits: list[_Hit], at: int, other: int) -> bool:
    if at == other:
        return False
    (start, end), (first, last) = hits[at][1].span(), hits[other][1].span()
    # Of two that match the same, the first in the files.
    return first <= start and end <= last and ((start, end) != (first, last) or other < at)


def _answer(entry: Entry, match: re.Match[str], name: str) -> Answer:
    return Answer(
        entry.id,
        entry.about,
        _around(match),
        _filled(entry.cause, match, name, command=False),
        _filled(entry.sure, match, name, command=True),
        _filled(entry.next, match, name, command=True),
        entry.source,
    )


def _around(match: re.Match[str]) -> str:
    """The line, or what of a long one is around the match."""
    line, start = match.string, match.start()
    if len(line) <= _SHOWN:
        return line
    begin = 0 if match.end() <= _SHOWN else start
    end = begin + _SHOWN
    return f"{'…' if begin else ''}{line[begin:end]}{'…' if end < len(line) else ''}"


def _filled(text: str, match: re.Match[str], name: str, *, command: bool) -> str:
    def part(place: re.Match[str]) -> str:
        if place[1] == DEPLOYMENT:
            return f" -n {name}" if name else ""
        value = match[place[1]] or _UNTOLD
        return value if not command or _PLAIN.fullmatch(value) else place[1].upper()

    return _HOLE.sub("", " ".join(PART.sub(part, text).split()))
