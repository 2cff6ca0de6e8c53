"""rotate-credentials: keys and passwords that should be others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from kesdeploy.cli import options as o
from kesdeploy.cli import views
from kesdeploy.cli.piped import STDIN, line
from kesdeploy.cli.running import run
from kesdeploy.errors import UsageError

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.opening import Wish
    from kesdeploy.recredential import Chosen
    from kesdeploy.result import Result

ROOT = "--root-password"


class _OptionalValue(TyperCommand):
    """`--root-password` also alone, which Typer has no words for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        pairs = zip(args, [*args[1:], "--"], strict=False)
        alone = [arg == ROOT and value.startswith("-") and value != STDIN for arg, value in pairs]
        return super().parse_args(ctx, [f"{arg}=" if bare else arg for arg, bare in zip(args, alone, strict=True)])


def add_to(app: typer.Typer) -> None:
    app.command("rotate-credentials", cls=_OptionalValue)(rotate_credentials)


def rotate_credentials(
    name: o.Name = "",
    all_: Annotated[bool, typer.Option("--all", help="All that kesdeploy can renew.")] = False,
    kes: Annotated[bool, typer.Option("--kes", help="MinIO's identity in KES.")] = False,
    operator: Annotated[bool, typer.Option("--operator", help="kesdeploy's own identity in KES.")] = False,
    root_password: Annotated[
        str | None,
        typer.Option(
            ROOT,
            metavar="[@FILE|env:NAME|-]",
            help="MinIO's root password: a generated one, or the one that is there.",
            show_default=False,
        ),
    ] = None,
    vault: Annotated[bool, typer.Option("--vault", help="The secret id that KES logs in to Vault with.")] = False,
    yes: o.Yes = False,
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """New credentials, while everything runs; the old ones are refused afterwards.

    What has to be restarted for it is said before. Clients with the default retries of an SDK lose no request.

    Examples: kesdeploy rotate-credentials --all
              kesdeploy rotate-credentials --kes
              kesdeploy rotate-credentials --root-password
              kesdeploy rotate-credentials --root-password @new-password
    """

    def work(console: Console) -> Result:
        from kesdeploy.asking import confirm_restarts
        from kesdeploy.opening import Wish
        from kesdeploy.recredential import Chosen, rotate_credentials

        wish = Wish("rotate-credentials", name, timeout=o.seconds(timeout))
        if root_password == STDIN:
            wish = replace(wish, secrets={"root-password": line()})
        names = tuple(name for name, wanted in (("minio", kes), ("operator", operator)) if wanted)
        chosen = Chosen(names, root_password is not None, _source(root_password), vault)
        chosen = _all(wish, chosen) if all_ else chosen
        if chosen == Chosen():
            hint = "--all, or some of: --kes --operator --root-password --vault"
            raise UsageError("rotate-credentials: which?", hint=hint)
        _refuse_password(wish, chosen)
        confirm_restarts(wish, console, chosen, yes=yes)
        return rotate_credentials(wish, console, chosen)

    run("rotate-credentials", work, views.renewed, json=json, verbose=verbose)


def _source(text: str | None) -> str:
    """Where the password is read; empty for a generated or a piped one."""
    from kesdeploy.sources import secret_source

    if not text or text == STDIN:
        return ""
    try:
        return secret_source(text)
    except ValueError:
        raise UsageError(
            f"{ROOT} takes @FILE, env:NAME or -, never the password itself",
            because="others on this machine can read a command line",
            hint=f"{ROOT} alone generates one",
        ) from None


def _refuse_password(wish: Wish, chosen: Chosen) -> None:
    """Raises UsageError for one that cannot be read or used, before anything is said of restarts."""
    from kesdeploy import given

    name = ROOT.removeprefix("--")
    if name in wish.secrets:
        given.check(name, wish.secrets[name])
    elif chosen.source:
        given.read(name, chosen.source)


def _all(wish: Wish, chosen: Chosen) -> Chosen:
    from kesdeploy import opening
    from kesdeploy.recredential import everything

    return everything(opening.load(wish, opening.existing(wish)), chosen)
