"""`kesdeploy doctor`: the examination, and what is mended after it was shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from kesdeploy import doctor, keystores, opening, topology
from kesdeploy.doctor import Change, Finding, Verdict
from kesdeploy.errors import Problem
from kesdeploy.opening import Wish
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.console import Console


@dataclass(frozen=True)
class Where:
    """The ports that are looked at: a deployment's own, or the usual ones, moved."""

    name: str = ""
    offset: int = 0

    def ports(self) -> tuple[tuple[int, ...], str]:
        """The ports, and the address they are published on."""
        if not self.name:
            return tuple(port + self.offset for port in doctor.DEFAULT_PORTS), "127.0.0.1"
        wish = Wish("doctor", self.name)
        spec = opening.load(wish, opening.existing(wish))
        published = topology.published(spec, keystores.of(spec))
        return tuple(port + self.offset for port in published.values()), spec.network.bind


def checkup(console: Console, where: Where, *, fix: bool, undo: bool, yes: bool) -> Result:
    """Every finding; exit code 7 when one of them is FAIL. `fix` writes only what was shown and agreed to."""
    if undo:
        gone = doctor.undo()
        return _result((), (f"removed {gone}" if gone else "there was nothing to take back",))
    ports, ip = where.ports()

    def examine() -> tuple[Finding, ...]:
        return doctor.examine(ports=ports, ip=ip)

    with console.step("look at this machine and its engine"):
        findings = examine()
    if not fix:
        return _result(findings, ())
    mended = doctor.mend(findings, allowed=lambda change: _agreed(console, change, yes=yes), again=examine)
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
