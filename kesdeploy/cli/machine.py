"""doctor: this machine and its engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kesdeploy.cli import options as o
from kesdeploy.cli import views
from kesdeploy.cli.running import run

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.result import Result


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Apply what is safe and can be undone.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what --fix wrote.")] = False,
    report: o.Report = None,
    name: o.ThatDeployment = "",
    port_offset: o.PortOffset = None,
    engine: o.Engine = "auto",
    yes: o.Yes = False,
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Probe this machine: PASS, WARN or FAIL, each with the command that fixes it. Changes nothing without --fix."""

    def work(console: Console) -> Result:
        from kesdeploy.checkup import Where, checkup

        return checkup(console, Where(name, port_offset or 0, engine), fix=fix, undo=undo, yes=yes, report=report)

    run("doctor", work, views.examined, json=json, verbose=verbose)
