"""status, list, verify, policy, schema: looking, without changing anything."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kesdeploy.cli import options as o
from kesdeploy.cli import status_views, views
from kesdeploy.cli.flags import Flags
from kesdeploy.cli.piped import from_stdin
from kesdeploy.cli.running import run

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.result import Result


def add_to(app: typer.Typer) -> None:
    for command in (status, verify, policy, schema):
        app.command()(command)
    app.command("list")(list_)


def status(
    name: o.Name = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every two seconds, until Ctrl-C.")] = False,
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """What runs, how it is, and until when its certificates last. Exit 0 when all is healthy, 7 otherwise."""

    def work(console: Console) -> Result | None:
        from kesdeploy.opening import Wish
        from kesdeploy.overview import status
        from kesdeploy.traffic import with_rates

        wish = Wish("status", name)
        if not watch:
            return status(wish, console)
        with suppress(KeyboardInterrupt):  # that is how one ends it
            before, looked = None, 0.0
            while True:
                found, now = status(wish, console), time.monotonic()
                found = replace(found, data=with_rates(found.data, before, now - looked))
                before, looked = found.data, now
                console.clear_and_show(found, status_views.status)
                time.sleep(2)
        return None

    run("status", work, status_views.status, json=json, verbose=verbose)


def list_(json: o.Json = False, verbose: o.Verbose = False) -> None:
    """All deployments of this user on this machine."""

    def work(console: Console) -> Result:  # noqa: ARG001
        from kesdeploy.overview import all_deployments

        return all_deployments()

    run("list", work, views.listed, json=json, verbose=verbose)


def verify(
    name: o.Name = "",
    restart: Annotated[bool, typer.Option("--restart", help="Restart KES before the object is read again.")] = False,
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """The proof, check by check: an object goes in, comes back, and was ciphertext on disk."""

    def work(console: Console) -> Result:
        from kesdeploy import deploy
        from kesdeploy.opening import Wish

        return deploy.check(Wish("verify", name, timeout=o.seconds(timeout)), console, restart=restart)

    run("verify", work, views.checked, json=json, verbose=verbose)


def policy(
    kms: Annotated[str, typer.Argument(help="Which KMS; the deployment's own when left out.")] = "",
    name: o.Name = "",
    config: o.Config = None,
    set_: o.Set = None,
    prove: Annotated[
        bool, typer.Option("--prove", help="Try it: a KES of its own makes a key there, uses it and removes it.")
    ] = False,
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """What your KMS has to allow KES, ready to paste there, with your own names in it.

    Examples: kesdeploy policy aws --set keystore.aws.region=eu-central-1
              kesdeploy policy --prove --config kesdeploy.yaml
    """

    def work(console: Console) -> Result:
        from kesdeploy.asking import completed
        from kesdeploy.granting import policy
        from kesdeploy.opening import Wish
        from kesdeploy.probing import prove as tried

        flags = Flags(name=name, kms=kms, set_=set_)
        overrides, secrets = from_stdin(flags.overrides())
        wish = Wish("policy", flags.called, config, overrides, o.seconds(timeout), secrets)
        return tried(completed(wish, console, ask=False), console) if prove else policy(wish)

    run("policy", work, views.policy, json=json, verbose=verbose)


def schema(json: o.Json = False, verbose: o.Verbose = False) -> None:
    """The JSON Schema of kesdeploy.yaml, for editors."""

    def work(console: Console) -> Result:  # noqa: ARG001
        from kesdeploy.keystores import FIELDS
        from kesdeploy.result import Result
        from kesdeploy.schema import json_schema

        return Result("schema", json_schema(FIELDS))

    run("schema", work, views.as_json, json=json, verbose=verbose)
