"""The command line: flags -> one call of deploy -> console. Alone in exiting.

One module a family of commands; everything slow to import is imported inside of a command's body.
"""

from __future__ import annotations

import sys
from inspect import cleandoc

import typer

from kesdeploy.cli import (
    access,
    autostart,
    buckets,
    certificates,
    certs,
    credentials,
    explaining,
    images,
    imports,
    inspect,
    keys,
    lifecycle,
    logs,
    machine,
)
from kesdeploy.cli.lean import lean
from kesdeploy.cli.refusing import Refused, refused

HELP = """A working, proven MinIO with server-side encryption (MinIO + KES + a KMS), on Podman or Docker.

\b
Try it:      kesdeploy up --kms fs
For real:    kesdeploy up --kms vault
Then:        kesdeploy status; eval "$(kesdeploy env)"
"""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    # Rich's help costs 50 ms at every start, and its tracebacks could show a secret in a local variable.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for family in (
    lifecycle,
    imports,
    inspect,
    logs,
    explaining,
    keys,
    buckets,
    certificates,
    certs,
    credentials,
    access,
    images,
    autostart,
    machine,
):
    family.add_to(app)


def _keep_examples(family: typer.Typer) -> None:
    """Examples are there to be copied: they keep their lines, as every paragraph does after a backspace."""
    for command in family.registered_commands:
        command.help = cleandoc(command.callback.__doc__ or "").replace("\n\nExample", "\n\n\b\nExample")
    for group in family.registered_groups:
        if group.typer_instance:
            _keep_examples(group.typer_instance)


_keep_examples(app)


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from kesdeploy import __version__

        typer.echo(f"kesdeploy {__version__}")
        raise typer.Exit


def main() -> None:
    """The whole program. Exits as the contract says."""
    try:
        code = lean(app, sys.argv[1:])(prog_name="kesdeploy", standalone_mode=False)
    except (Refused, typer.Abort) as error:
        code = refused(error)
    sys.exit(code)
