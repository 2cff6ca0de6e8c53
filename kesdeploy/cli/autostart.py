"""autostart enable, disable, status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kesdeploy.cli import autostart_views as views
from kesdeploy.cli import options as o
from kesdeploy.cli.running import run

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.result import Result


def add_to(app: typer.Typer) -> None:
    family = typer.Typer(help="Start at boot: a systemd unit that runs `kesdeploy start`.", no_args_is_help=True)
    for command in (enable, disable, status):
        family.command()(command)
    app.add_typer(family, name="autostart")


def enable(name: o.Name = "", dry_run: o.DryRun = False, json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Write the unit, enable it, and run it once, as at boot.

    As root a unit of the system; otherwise one of your own, with lingering, so that it needs no login.

    Example: kesdeploy autostart enable --dry-run
    """

    def work(console: Console) -> Result:
        from kesdeploy import autostart
        from kesdeploy.opening import Wish

        return autostart.enable(Wish("autostart enable", name), console, dry_run=dry_run)

    run("autostart enable", work, views.foreseen if dry_run else views.enabled, json=json, verbose=verbose)


def disable(name: o.Name = "", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Take the unit away; what runs goes on."""

    def work(console: Console) -> Result:
        from kesdeploy import autostart
        from kesdeploy.opening import Wish

        return autostart.disable(Wish("autostart disable", name), console)

    run("autostart disable", work, views.disabled, json=json, verbose=verbose)


def status(name: o.Name = "", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Whether it starts at boot, and would work."""

    def work(console: Console) -> Result:  # noqa: ARG001
        from kesdeploy import autostart
        from kesdeploy.opening import Wish

        return autostart.status(Wish("autostart status", name))

    run("autostart status", work, views.told, json=json, verbose=verbose)
