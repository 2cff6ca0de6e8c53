"""`kesdeploy doctor`: the examination, and what is mended after it was shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from kesdeploy import doctor, keystores, opening, topology
from kesdeploy.doctor import Change, Finding, Step, Verdict
from kesdeploy.errors import Problem
from kesdeploy.opening import Wish
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.console import Console


@dataclass(frozen=True)
class Where:
    """The ports that are looked at: a deployment's own, or the usual ones, moved; and the engine."""

    name: str = ""
    offset: int = 0
    engine: str = "auto"

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
        return _taken_back()
    ports, ip = where.ports()

    def examine() -> tuple[Finding, ...]:
        return doctor.examine(where.engine, ports=ports, ip=ip, name=where.name)

    with console.step("look at this machine and its engine"):
        findings = examine()
    if not fix:
        return _result(findings, ())
    mended = doctor.mend(findings, allowed=lambda change: _agreed(console, change, yes=yes), again=examine)
    taken = doctor.take(mended.findings, allowed=lambda step: _step_agreed(console, step, yes=yes))
    if taken:
        mended = replace(mended, findings=examine())
    done = tuple(f"wrote {change.path}" for change in mended.changes) + tuple(f"ran {_typed(s.do)}" for s in taken)
    # A service that runs already has read its configuration: only its restart lets one look again.
    again = (f"now type: {mended.restart}; then: kesdeploy doctor",) if mended.restart else ()
    return _result(mended.findings, (*done, *again))


def _taken_back() -> Result:
    gone, steps = doctor.undo(), doctor.take_back()
    done = (*((f"removed {gone}",) if gone else ()), *(f"ran {_typed(step.undo)}" for step in steps))
    return _result((), done or ("there was nothing to take back",))


def _step_agreed(console: Console, step: Step, *, yes: bool) -> bool:
    console.note(f"this would be run: {_typed(step.do)}")
    console.note(f"  and is taken back by `kesdeploy doctor --undo`: {_typed(step.undo)}")
    return yes or (console.interactive and console.confirm("Run it?", default=True))


def _typed(argv: tuple[str, ...]) -> str:
    return " ".join(argv)


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
