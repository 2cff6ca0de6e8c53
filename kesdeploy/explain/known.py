"""Error texts that are known: `texts/*.yaml`, checked when they are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

# Who says more stands first: a general text is looked at last.
FILES: Final = ("kes", "vault", "minio", "images", "engine", "general")
PART: Final = re.compile(r"\{([a-z]+)\}")
DEPLOYMENT: Final = "n"
"""The part that stands for ` -n NAME`, or for nothing."""


@dataclass(frozen=True)
class Entry:
    """One text, and what it comes from.

    text: a regular expression; its named parts may stand in cause, sure and next, as `{part}`.
    sure: how to see that it is so; next: what to do; source: of the fact; seen: a real text.
    outer: it only wraps another error, which says more where it is known.
    remedy: what `doctor` can do about it (`doctor.remedies`).
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "str_min_length": 1}

    id: str
    about: str
    text: str
    cause: str
    sure: str
    next: str
    source: str
    seen: str
    outer: bool = False
    remedy: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.text)

    @property
    def general(self) -> bool:
        """Whether every program says it."""
        return self.id.startswith(("tls-", "system-"))


@cache
def entries() -> tuple[Entry, ...]:
    """All of them. ValueError, with its place, for a file that is wrong."""
    from pydantic import TypeAdapter

    found = TypeAdapter(tuple[Entry, ...]).validate_python([body for name in FILES for body in _bodies(name)])
    for entry in found:
        _check(entry)
    return found


def _bodies(name: str) -> list[dict[str, Any]]:
    import yaml

    text = Path(__file__).with_name("texts").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    file = yaml.load(text, Loader=loader)  # noqa: S506 - a safe one
    return [{"about": file["about"], **body} for body in file["entries"]]


def _check(entry: Entry) -> None:
    """Every part that is filled in is one of the text's."""
    there = {*entry.pattern.groupindex, DEPLOYMENT}
    for field in ("cause", "sure", "next"):
        if unknown := {*PART.findall(getattr(entry, field))} - there:
            raise ValueError(f"{entry.id}: {field} wants {', '.join(sorted(unknown))}, which its text does not have")
