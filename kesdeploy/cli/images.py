"""images list, load, save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kesdeploy.cli import options as o
from kesdeploy.cli import views
from kesdeploy.cli.running import run

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.result import Result

Archive = Annotated[Path, typer.Argument(help="The archive.")]


def add_to(app: typer.Typer) -> None:
    family = typer.Typer(
        help="Which images are here, and moving them to a machine without a registry.", no_args_is_help=True
    )
    for command in (load, save):
        family.command()(command)
    family.command("list")(list_)
    app.add_typer(family, name="images")


def list_(engine: o.Engine = "auto", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Every component: whether it is here, where it is looked for, and what is known against it."""

    def work(console: Console) -> Result:  # noqa: ARG001
        from kesdeploy import image_store

        return image_store.listed(engine)

    run("images list", work, views.images, json=json, verbose=verbose)


def load(archive: Archive, engine: o.Engine = "auto", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Load an archive that `podman save`, `docker save` or `kesdeploy images save` made."""

    def work(console: Console) -> Result:  # noqa: ARG001
        from kesdeploy import image_store

        return image_store.load(engine, archive)

    run("images load", work, views.moved, json=json, verbose=verbose)


def save(archive: Archive, engine: o.Engine = "auto", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Write what is here into one archive."""

    def work(console: Console) -> Result:  # noqa: ARG001
        from kesdeploy import image_store

        return image_store.save(engine, archive)

    run("images save", work, views.moved, json=json, verbose=verbose)
