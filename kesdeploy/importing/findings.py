"""What was found in somebody's files: settings for a spec, secrets beside them, and what has to be said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Remark:
    """One thing about what was read.

    level: broken (it does not work as it stands), changed (kesdeploy does it otherwise), open (the user has to say).
    """

    level: Literal["broken", "changed", "open"]
    where: str
    what: str
    why: str


@dataclass(frozen=True)
class Found:
    """settings: spec path -> value. secrets: name in `secrets/` -> value."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    remarks: tuple[Remark, ...] = ()
    likely: Mapping[str, Any] = field(default_factory=dict)
    """Settings that count where nobody else says them."""


def merged(parts: Iterable[Found]) -> Found:
    """All of them as one; the first says what counts, and another word is remarked."""
    parts = list(parts)
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    remarks: dict[Remark, None] = {}
    for part in parts:
        remarks |= dict.fromkeys(part.remarks)
        for path, value in part.settings.items():
            if settings.setdefault(path, value) != value:
                remarks[_twice(path, f"{settings[path]!r} in one place, {value!r} in another")] = None
        for name, value in part.secrets.items():
            if secrets.setdefault(name, value) != value:
                remarks[_twice(name, "two values in two places")] = None
    likely = {path: value for part in reversed(parts) for path, value in part.likely.items()}
    return Found({**likely, **settings}, secrets, tuple(remarks))


def _twice(where: str, what: str) -> Remark:
    return Remark("open", where, what, "the first is taken")
