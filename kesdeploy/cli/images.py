"""images list, pull, save, load, mirror, acknowledge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kesdeploy.cli import image_views as views
from kesdeploy.cli import options as o
from kesdeploy.cli.running import run

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.result import Result

Archive = Annotated[Path, typer.Argument(help="The archive.")]
Components = Annotated[
    list[str] | None,
    typer.Argument(metavar="[COMPONENT]...", help="kes, minio, mc, openbao, vault (default: what is needed)."),
]
Some = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="COMPONENT", help="Only this one. Repeatable.", show_default=False),
]


def add_to(app: typer.Typer) -> None:
    family = typer.Typer(
        help="The images of KES, MinIO and the rest: what is here, what is wrong with it, and moving them.",
        no_args_is_help=True,
    )
    family.command("list")(list_)
    for command in (pull, save, load, mirror, acknowledge):
        family.command()(command)
    app.add_typer(family, name="images")


def list_(name: o.Name = "", engine: o.Engine = "auto", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Every component: who asks for which image, whether it is here and the published one, and known advisories."""

    def work(console: Console) -> Result:  # noqa: ARG001
        from kesdeploy import image_store

        return image_store.listed(engine, name)

    run("images list", work, views.listed, json=json, verbose=verbose)


def pull(
    components: Components = None,
    name: o.Name = "",
    again: Annotated[bool, typer.Option("--again", help="Also what is here.")] = False,
    engine: o.Engine = "auto",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Bring what is missing, from the first source that has it.

    Example: KESDEPLOY_IMAGE_MINIO=registry.example/minio:TAG kesdeploy images pull minio
    """

    def work(console: Console) -> Result:
        from kesdeploy import image_store

        return image_store.pull(engine, name, components or (), console, again=again)

    run("images pull", work, views.pulled, json=json, verbose=verbose)


def save(
    archive: Archive,
    only: Some = None,
    name: o.Name = "",
    engine: o.Engine = "auto",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Write all that a deployment needs into one archive, with sums, for a machine without a registry."""

    def work(console: Console) -> Result:
        from kesdeploy import image_archive

        return image_archive.save(engine, name, archive, only or (), console)

    run("images save", work, views.saved, json=json, verbose=verbose)


def load(archive: Archive, engine: o.Engine = "auto", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Load an archive that `kesdeploy images save`, `podman save` or `docker save` made; sums are checked first."""

    def work(console: Console) -> Result:
        from kesdeploy import image_archive

        return image_archive.load(engine, archive, console)

    run("images load", work, views.loaded, json=json, verbose=verbose)


def mirror(
    registry: Annotated[str, typer.Argument(help="Where to, as in registry.example:5000/team.")],
    components: Components = None,
    name: o.Name = "",
    engine: o.Engine = "auto",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Push what is here to a registry of your own, with the engine's login; says how others use it."""

    def work(console: Console) -> Result:
        from kesdeploy import image_mirror

        return image_mirror.mirror(engine, name, registry, components or (), console)

    run("images mirror", work, views.mirrored, json=json, verbose=verbose)


def acknowledge(name: o.Name = "", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Record that you know the advisories against what a deployment runs: `up` says no more of them."""

    def work(console: Console) -> Result:
        from kesdeploy import image_store

        return image_store.acknowledge(name, console)

    run("images acknowledge", work, views.acknowledged, json=json, verbose=verbose)
