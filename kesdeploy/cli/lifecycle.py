"""init, up, plan, render, start, stop, down, destroy."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kesdeploy.cli import options as o
from kesdeploy.cli import views
from kesdeploy.cli.flags import Flags, takes_flags
from kesdeploy.cli.piped import from_stdin
from kesdeploy.cli.running import run

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.opening import Wish
    from kesdeploy.result import Result


def add_to(app: typer.Typer) -> None:
    for command in (init, up, plan, render, start, stop, down, destroy):
        app.command()(command)


def init(
    name: o.Name = "",
    kms: o.Kms = "",
    out: Annotated[Path, typer.Option("--out", help="Where to write the spec.")] = Path("kesdeploy.yaml"),
    set_: o.Set = None,
    no_input: o.NoInput = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """The wizard: asks, explains, writes a spec; starts nothing.

    Example: kesdeploy init --kms vault --out dev.yaml
    """

    def work(console: Console) -> Result:
        from kesdeploy.asking import write_spec

        flags = Flags(name=name, kms=kms, set_=set_)
        given = {**flags.overrides(), **({"name": flags.called} if flags.called else {})}
        return write_spec(given, out, console, ask=console.interactive and not no_input, force=force)

    run("init", work, views.written, json=json, verbose=verbose)


@takes_flags
def up(
    flags: Flags,
    timeout: o.Timeout = "120s",
    yes: o.Yes = False,
    no_input: o.NoInput = False,
    dry_run: o.DryRun = False,
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="You know the advisories against the images; up says no more of them.")
    ] = False,
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Create or repair a deployment, then prove it.

    Until it equals its spec; a second `up` changes nothing.

    Examples: kesdeploy up --kms fs
              kesdeploy up --kms vault --bucket photos
              kesdeploy up -n second --kms fs --port-offset 100
    """

    def work(console: Console) -> Result:
        from kesdeploy import deploy
        from kesdeploy.asking import completed

        wish = replace(_planned("up", flags, timeout), acknowledge=acknowledge)
        wish = completed(wish, console, ask=console.interactive and not (yes or no_input))
        return deploy.plan(wish, console) if dry_run else deploy.up(wish, console)

    run("up", work, views.planned if dry_run else views.up, json=json, verbose=verbose)


@takes_flags
def plan(flags: Flags, json: o.Json = False, verbose: o.Verbose = False) -> None:
    """What `up` with the same flags would change, and why; nothing is touched.

    Example: kesdeploy plan --bucket photos
    """

    def work(console: Console) -> Result:
        from kesdeploy import deploy

        return deploy.plan(_planned("plan", flags), console)

    run("plan", work, views.planned, json=json, verbose=verbose)


@takes_flags
def render(
    flags: Flags,
    out: Annotated[Path | None, typer.Option("--out", help="Write them into this folder (mode 0600).")] = None,
    with_secrets: Annotated[bool, typer.Option("--with-secrets", help="Not REDACTED. Take care of the files.")] = False,
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Only the files: kes-config.yaml, MinIO's env file, the keystore's configuration and policy."""

    def work(console: Console) -> Result:
        from kesdeploy import deploy
        from kesdeploy.asking import write_files
        from kesdeploy.errors import UsageError

        if with_secrets and out is None:
            raise UsageError(
                "secrets are written to files, never shown", hint="kesdeploy render --with-secrets --out DIR"
            )
        result = deploy.render(_planned("render", flags), console, secrets=with_secrets)
        return write_files(result, out) if out else result

    run("render", work, views.rendered, json=json, verbose=verbose)


def start(name: o.Name = "", timeout: o.Timeout = "120s", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Start what `stop` (or a reboot) stopped: keystore, KES, then MinIO; and prove it."""
    _simple("start", name, timeout, views.up, json=json, verbose=verbose)


def stop(name: o.Name = "", timeout: o.Timeout = "120s", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Stop the containers; everything stays."""
    _simple("stop", name, timeout, views.stopped, json=json, verbose=verbose)


def down(name: o.Name = "", timeout: o.Timeout = "120s", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Remove the containers; data and keys stay, `up` brings all back."""
    _simple("down", name, timeout, views.removed, json=json, verbose=verbose)


def destroy(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="With --delete-remote-keys.")] = None,
    name: o.Name = "",
    yes: o.Yes = False,
    save: Annotated[Path | None, typer.Option("--save", help="First write a tar of keys and secrets here.")] = None,
    delete_remote_keys: Annotated[
        bool, typer.Option("--delete-remote-keys", help="Delete these keys of its own in the KMS as well, for ever.")
    ] = False,
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Remove data and keys too. What was encrypted can never be read again; wants the name typed, or --yes.

    Keys in a KMS that others can reach stay, unless they are named.

    Examples: kesdeploy destroy --save keys.tar.gz
              kesdeploy destroy --yes --delete-remote-keys minio-dev-4f1c22
    """

    def work(console: Console) -> Result:
        from kesdeploy import deploy
        from kesdeploy.asking import confirm_destroy
        from kesdeploy.confirming import confirm_remote_keys
        from kesdeploy.keyring import remote

        wish = _named("destroy", name, timeout)
        chosen = confirm_remote_keys(wish, keys or [], console, wanted=delete_remote_keys, yes=yes, save=save)
        confirm_destroy(wish, console, yes=yes, save=save, remote_keys=chosen)
        deleted = remote.delete(wish, console, chosen) if chosen else ()
        return remote.told(deploy.destroy(wish, console), deleted)

    run("destroy", work, views.removed, json=json, verbose=verbose)


def _simple(command: str, name: str, timeout: str, view: Any, *, json: bool, verbose: bool) -> None:
    def work(console: Console) -> Result:
        from kesdeploy import deploy

        result: Result = getattr(deploy, command)(_named(command, name, timeout), console)
        return result

    run(command, work, view, json=json, verbose=verbose)


def _named(command: str, name: str, timeout: str) -> Wish:
    from kesdeploy.opening import Wish

    return Wish(command, name, timeout=o.seconds(timeout))


def _planned(command: str, flags: Flags, timeout: str = "120s") -> Wish:
    from kesdeploy.opening import Wish

    overrides, secrets = from_stdin(flags.overrides())
    more: dict[str, Any] = {"adopt_key": flags.adopt_key, "typed": tuple(sys.argv[1:])}
    return Wish(command, flags.called, flags.config, overrides, o.seconds(timeout), secrets, **more)
