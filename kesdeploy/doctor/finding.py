"""What a probe says, and what a fix consists of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    PASS = "PASS"  # noqa: S105
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Setting:
    """A line of containers.conf. `value` is TOML."""

    section: str
    key: str
    value: str


@dataclass(frozen=True)
class Step:
    """A command that is safe to run without being asked to think about it, and the one that takes it back."""

    do: tuple[str, ...]
    undo: tuple[str, ...]


@dataclass(frozen=True)
class Remedy:
    """What to type, how to take it back, and, where kesdeploy can do it itself, the settings that do it.

    `restart` is what has to be started again before settings count.
    """

    fix: str = ""
    undo: str = ""
    settings: tuple[Setting, ...] = ()
    restart: str = ""


@dataclass(frozen=True)
class Finding:
    """One probe's result. `fix` and `undo` are commands; `settings` (of `mend`) and `steps` are what --fix would do."""

    name: str
    verdict: Verdict
    evidence: str
    fix: str = ""
    undo: str = ""
    settings: tuple[Setting, ...] = ()
    restart: str = ""
    steps: tuple[Step, ...] = ()


def passed(name: str, evidence: str) -> Finding:
    return Finding(name, Verdict.PASS, evidence)


def failed(name: str, evidence: str, remedy: Remedy) -> Finding:
    return Finding(name, Verdict.FAIL, evidence, remedy.fix, remedy.undo, remedy.settings, remedy.restart)
