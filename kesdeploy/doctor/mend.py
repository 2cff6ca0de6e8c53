"""The fixes that are safe: additions to Podman's configuration in one file of ours, which can be taken away again."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy.doctor.examination import examine
from kesdeploy.doctor.finding import Finding, Setting, Verdict
from kesdeploy.doctor.machine import drop_in
from kesdeploy.doctor.remedies import settings_text
from kesdeploy.errors import EngineError, StateError
from kesdeploy.files import write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_HEADER = "# Written by `kesdeploy doctor --fix`; `kesdeploy doctor --undo` removes it.\n\n"
_ROUNDS = 5


@dataclass(frozen=True)
class Change:
    """A file that is about to be written whole."""

    path: Path
    text: str


@dataclass(frozen=True)
class Mended:
    """What was found at the end, and what was written on the way (nothing, where nothing helped).

    `restart` is what the user has to restart before it counts; then nothing was looked at again.
    """

    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    restart: str = ""


def proposal(findings: Iterable[Finding], path: Path | None = None) -> Change | None:
    """What `mend` would write for these findings; None when it has no safe fix for any."""
    place = path or drop_in()
    found = [setting for finding in findings if finding.verdict is Verdict.FAIL for setting in finding.settings]
    have = _written(place)
    wanted = {(s.section, s.key): s for s in (*have, *found)}
    if not found or tuple(wanted.values()) == have:
        return None
    return Change(place, _HEADER + settings_text(tuple(wanted.values())))


def mend(
    findings: tuple[Finding, ...],
    *,
    allowed: Callable[[Change], bool],
    again: Callable[[], tuple[Finding, ...]] = examine,
    path: Path | None = None,
) -> Mended:
    """Write what helps, look again, and so on until it passes or nothing new comes up: one fault can hide another.

    `allowed` shows a change and says whether it may be made; `again` examines anew. What did not help is taken back.
    Raises EngineError when the file cannot be written.
    """
    place = path or drop_in()
    before = place.read_bytes() if place.exists() else None
    made: list[Change] = []
    for _ in range(_ROUNDS):
        change = proposal(findings, place)
        if change is None or not allowed(change):
            break
        _write(change.path, change.text.encode())
        made.append(change)
        if restart := next((finding.restart for finding in findings if finding.settings), ""):
            return Mended(findings, tuple(made), restart)
        findings = again()
    if made and any(finding.settings for finding in findings):
        _restore(place, before)
        made = []
    return Mended(findings, tuple(made))


def undo(path: Path | None = None) -> Path | None:
    """Take away what `mend` wrote; None when there was nothing. A running service keeps it until it is restarted."""
    place = path or drop_in()
    if not place.exists():
        return None
    _restore(place, None)
    return place


def _restore(place: Path, before: bytes | None) -> None:
    if before is None:
        place.unlink(missing_ok=True)
    else:
        _write(place, before)


def _written(place: Path) -> tuple[Setting, ...]:
    """What stands in our file now."""
    try:
        found = tomllib.loads(place.read_text())
    except (OSError, ValueError):
        return ()
    return tuple(Setting(section, key, _toml(value)) for section, keys in found.items() for key, value in keys.items())


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return f'"{value}"'


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, content, 0o644)
    except (OSError, StateError) as error:
        raise EngineError(f"{path} cannot be written", because=str(error), hint=f"ls -ld {path.parent}") from error
