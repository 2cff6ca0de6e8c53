"""The fixes that are commands: run after they were shown, written down with what takes them back, and taken back."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.doctor.finding import Finding, Step, Verdict
from kesdeploy.errors import EngineError, StateError
from kesdeploy.files import write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SECONDS = 120


def journal() -> Path:
    """Where the steps that were taken are written down (XDG base directories)."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "kesdeploy" / "doctor.json"


def take(findings: Iterable[Finding], *, allowed: Callable[[Step], bool], path: Path | None = None) -> tuple[Step, ...]:
    """Run the steps of what does not pass; those that were run. EngineError for one that fails.

    Each is written down before it is run: taking back what was not done does no harm.
    """
    place = path or journal()
    wanted = [step for finding in findings if finding.verdict is not Verdict.PASS for step in finding.steps]
    done: list[Step] = []
    for step in dict.fromkeys(wanted):
        if allowed(step):
            _keep(place, tuple(dict.fromkeys((*_kept(place), step))))
            _run(step.do, undo=step.undo)
            done.append(step)
    return tuple(done)


def take_back(path: Path | None = None) -> tuple[Step, ...]:
    """Undo every step that was written down, the last one first; none is left. EngineError for one that fails."""
    place = path or journal()
    undone: list[Step] = []
    for step in reversed(_kept(place)):
        _run(step.undo)
        undone.append(step)
        _keep(place, tuple(kept for kept in _kept(place) if kept != step))
    return tuple(undone)


def _run(argv: tuple[str, ...], undo: tuple[str, ...] = ()) -> None:
    what = f"{' '.join(argv)} failed"
    hint = f"{' '.join(argv)}; to take it back: {' '.join(undo)}" if undo else " ".join(argv)
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(what, because=str(error), hint=hint) from error
    if done.returncode:
        because = (done.stderr or done.stdout).strip()[-400:] or f"exit code {done.returncode}"
        raise EngineError(what, because=because, hint=hint)


def _kept(place: Path) -> tuple[Step, ...]:
    try:
        return tuple(Step(tuple(entry["do"]), tuple(entry["undo"])) for entry in json.loads(place.read_text()))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{place} cannot be read", because=str(error), hint=f"cat {place}; rm {place}") from error


def _keep(place: Path, steps: tuple[Step, ...]) -> None:
    try:
        if not steps:
            place.unlink(missing_ok=True)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([{"do": step.do, "undo": step.undo} for step in steps], indent=2)
        write_private(place, f"{text}\n".encode())
    except (OSError, StateError) as error:
        raise EngineError(f"{place} cannot be written", because=str(error), hint=f"ls -ld {place.parent}") from error
