"""rotate-certs: certificates that run out, or should be others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kesdeploy.cli import options as o
from kesdeploy.cli import views
from kesdeploy.cli.running import run

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.result import Result


def add_to(app: typer.Typer) -> None:
    app.command("rotate-certs")(rotate_certs)


def rotate_certs(
    name: o.Name = "",
    if_expiring: Annotated[
        str, typer.Option("--if-expiring", help="Only those that end within this time, as in 30d.", show_default=False)
    ] = "",
    new_key: Annotated[bool, typer.Option("--new-key", help="With new private keys too.")] = False,
    ca: Annotated[bool, typer.Option("--ca", help="A new CA as well; restarts MinIO once.")] = False,
    yes: o.Yes = False,
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """New certificates for KES, MinIO and a managed Vault, while everything runs. No request fails.

    Examples: kesdeploy rotate-certs
              kesdeploy rotate-certs --if-expiring 30d
              kesdeploy rotate-certs --ca
    """

    def work(console: Console) -> Result:
        from kesdeploy.asking import confirm_ca
        from kesdeploy.opening import Wish
        from kesdeploy.rotation import rotate_ca, rotate_certs

        wish = Wish("rotate-certs", name, timeout=o.seconds(timeout))
        wish = replace(wish, new_keys=new_key or ca)
        if not ca:
            return rotate_certs(wish, console, within=o.days(if_expiring) if if_expiring else None)
        confirm_ca(wish, console, yes=yes)
        return rotate_ca(wish, console)

    run("rotate-certs", work, views.rotated, json=json, verbose=verbose)
