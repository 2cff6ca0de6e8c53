"""`kesdeploy doctor`: the examination, and what is mended after it was shown."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from kesdeploy import doctor, keystores, opening, topology
from kesdeploy.doctor import Change, Finding, Step, Verdict
from kesdeploy.engines.choose import KINDS
from kesdeploy.errors import Problem, SpecError, StateError, UsageError
from kesdeploy.home import Home
from kesdeploy.opening import Wish
from kesdeploy.result import Result
from kesdeploy.state import StateFile

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.console import Console

ENGINES = ("auto", *KINDS)


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

    def chosen(self) -> str:
        """The engine that was asked for, else the deployment's own. UsageError for one that there is none of."""
        if self.engine not in ENGINES:
            raise UsageError(f"no engine {self.engine!r}", hint=f"--engine {', '.join(ENGINES)}")
        if not self.name or self.engine != "auto":
            return self.engine
        with suppress(StateError):
            return StateFile.open(Home.of(self.name)).value.engine or self.engine
        return self.engine

    def ports_as_far_as_known(self) -> tuple[tuple[int, ...], str]:
        """`ports` for a report, which is written about a spec that cannot be read, too."""
        try:
            return self.ports()
        except SpecError:
            return replace(self, name="").ports()


def checkup(
    console: Console,
    where: Where,
    *,
    fix: bool = False,
    undo: bool = False,
    yes: bool = False,
    report: Path | None = None,
) -> Result:
    """Every finding; exit code 7 when one of them is FAIL. `fix` writes only what was shown and agreed to.

    report: an archive of everything for a bug report, see `bundle`.
    """
    if undo:
        return _taken_back()
    _refuse_report(report, fix=fix)
    engine = where.chosen()
    ports, ip = where.ports() if not report else where.ports_as_far_as_known()

    def examine() -> tuple[Finding, ...]:
        return doctor.examine(engine, ports=ports, ip=ip, name=where.name)

    with console.step("look at this machine and its engine"):
        findings = examine()
    if report:
        return _reported(console, replace(where, engine=engine), findings, report)
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


def _refuse_report(report: Path | None, *, fix: bool) -> None:
    if report and fix:
        raise UsageError("--report tells how it is, and --fix changes it", hint="one after the other")
    if report and report.exists():
        raise UsageError(f"{report} is there already", hint=f"another name, or: rm {report}")


def _reported(console: Console, where: Where, findings: tuple[Finding, ...], report: Path) -> Result:
    from kesdeploy import bundle

    with console.step("gather the report, without secrets"):
        inside = bundle.write(report, [asdict(finding) for finding in findings], where.name, where.engine)
    told = (f"wrote {report}: {len(inside)} files, without secrets", f"look through it first: tar xzf {report}")
    return _result(findings, told)


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
