"""`kesdeploy doctor`: the examination, and what is mended after it was shown."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from kesdeploy import doctor
from kesdeploy.doctor import Change, Finding, Verdict
from kesdeploy.errors import Problem
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.console import Console


def checkup(console: Console, *, fix: bool, undo: bool, yes: bool) -> Result:
    """Every finding; exit code 7 when one of them is FAIL. `fix` writes only what was shown and agreed to."""
    if undo:
        gone = doctor.undo()
        return _result((), (f"removed {gone}" if gone else "there was nothing to take back",))
    with console.step("look at this machine and its engine"):
        findings = doctor.examine()
    if not fix:
        return _result(findings, ())
    mended = doctor.mend(findings, allowed=lambda change: _agreed(console, change, yes=yes))
    done = tuple(f"wrote {change.path}" for change in mended.changes)
    # A service that runs already has read its configuration: only its restart lets one look again.
    again = (f"now type: {mended.restart}; then: kesdeploy doctor",) if mended.restart else ()
    return _result(mended.findings, (*done, *again))


def _agreed(console: Console, change: Change, *, yes: bool) -> bool:
    """Show what would be written, and have it confirmed."""
    console.note(f"{change.path} would become:")
    for line in change.text.splitlines():
        console.note(f"  {line}")
    return yes or (console.interactive and console.confirm("Write it?", default=True))


def _result(findings: tuple[Finding, ...], done: tuple[str, ...]) -> Result:
    failed = tuple(Problem(f.name, f.evidence, f.fix) for f in findings if f.verdict is Verdict.FAIL)
    data = {"findings": [asdict(finding) for finding in findings], "done": list(done)}
    return Result("doctor", data, ok=not failed, problems=failed, exit_code=7 if failed else 0)
