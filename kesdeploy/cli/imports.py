"""import: somebody's KES and MinIO as a spec."""

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


def add_to(app: typer.Typer) -> None:
    app.command("import")(import_)


def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files, or a folder that holds them.")],
    name: o.Name = "",
    out: Annotated[Path, typer.Option("--out", help="Where to write the spec.")] = Path("kesdeploy.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Read a KES configuration, MinIO env file, compose file or podman commands; say what is wrong; write a spec.

    Nothing is started, and nothing of theirs is changed.

    Examples: kesdeploy import kes-config.yaml minio.env
              kesdeploy import compose.yaml --out mine.yaml
    """

    def work(console: Console) -> Result:  # noqa: ARG001
        from kesdeploy.asking import import_files

        return import_files(files, out, name, force=force)

    run("import", work, views.imported, json=json, verbose=verbose)
