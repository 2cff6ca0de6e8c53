"""env, mc, kes: using what was deployed with any S3 or KES client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kesdeploy.cli import options as o
from kesdeploy.cli import views
from kesdeploy.cli.running import run
from kesdeploy.errors import UsageError

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.result import Result

# Everything after the first word is the tool's own, `--help` too.
PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}
_SEVERAL = 2


def add_to(app: typer.Typer) -> None:
    app.command()(env)
    app.command(context_settings=PASS_ON)(mc)
    app.command(context_settings=PASS_ON)(kes)


def env(
    name: o.Name = "",
    shell: Annotated[str, typer.Option("--shell", help="sh, fish, powershell or json.")] = "sh",
    only: Annotated[str, typer.Option("--only", help="console: user and password for the browser.")] = "",
    with_kes: Annotated[bool, typer.Option("--kes", help="Also SSL_CERT_FILE, for the kes CLI.")] = False,
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Shell exports for every S3 and KES client. Prints secrets: that is its use.

    Example: eval "$(kesdeploy env)"; aws s3 ls
    """

    def work(console: Console) -> Result:
        from kesdeploy.environment import exports
        from kesdeploy.opening import Wish

        views.refuse_other_shells(shell)
        return exports(Wish("env", name), console, only=only, kes=with_kes)

    run("env", work, views.exports(shell), json=json, verbose=verbose, reveal=True)


def mc(
    context: typer.Context,
    arguments: Annotated[list[str] | None, typer.Argument(help="What mc should do, on the alias `this`.")] = None,
    name: o.Name = "",
) -> None:
    """MinIO's own client, inside the deployment, with its credentials.

    Example: kesdeploy mc ls this
    """
    _tool("mc", context, name, arguments or [])


def kes(
    context: typer.Context,
    arguments: Annotated[list[str] | None, typer.Argument(help="What kes should do.")] = None,
    name: o.Name = "",
) -> None:
    """KES's own command line, inside the deployment, as kesdeploy's identity.

    Example: kesdeploy kes key ls
    """
    _tool("kes", context, name, arguments or [])


def _tool(tool: str, context: typer.Context, name: str, arguments: list[str]) -> None:  # noqa: ARG001
    def work(console: Console) -> Result | None:
        from kesdeploy.opening import Wish
        from kesdeploy.toolbox import run_tool

        if not name:
            _refuse_name_behind(tool, arguments)
        raise typer.Exit(run_tool(tool, Wish(tool, name), arguments, console))

    run(tool, work, views.nothing)


def _refuse_name_behind(tool: str, arguments: list[str]) -> None:
    """Raises UsageError where it is open which deployment is meant, and its name stands among the tool's words."""
    import shlex

    from kesdeploy.home import Home

    at = next((at for at, word in enumerate(arguments) if word in ("-n", "--name")), None)
    if at is None or len(Home.all()) < _SEVERAL:
        return
    rest = shlex.join([*arguments[:at], *arguments[at + 2 :]])
    raise UsageError(
        f"more than one deployment is here, and what follows {tool}'s first word is {tool}'s own",
        because=", ".join(home.name for home in Home.all()),
        hint=f"-n before it: kesdeploy {tool} -n {''.join(arguments[at + 1 : at + 2]) or 'NAME'} {rest}".rstrip(),
    )
