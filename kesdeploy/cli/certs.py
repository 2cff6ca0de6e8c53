"""certs list, show, import, trust."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kesdeploy.cli import certificate_views as views
from kesdeploy.cli import options as o
from kesdeploy.cli.running import run

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.result import Result


class Server(StrEnum):
    """Who may have a certificate of the user's."""

    MINIO = "minio"
    KES = "kes"


def add_to(app: typer.Typer) -> None:
    family = typer.Typer(
        help="Certificates: what is there, who trusts whom, bringing your own, trusting the CA.", no_args_is_help=True
    )
    for command in (show, trust):
        family.command()(command)
    family.command("list")(list_)
    family.command("import")(import_)
    app.add_typer(family, name="certs")


def list_(name: o.Name = "", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """Every certificate: subject, names, serial, days left, who uses it and who trusts it."""

    def work(console: Console) -> Result:  # noqa: ARG001
        from kesdeploy import certificates
        from kesdeploy.opening import Wish

        return certificates.listed(Wish("certs list", name))

    run("certs list", work, views.listed, json=json, verbose=verbose)


def show(
    which: Annotated[str, typer.Argument(metavar="NAME", help="As `certs list` calls it.")],
    name: o.Name = "",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """One certificate, with all that it says, and as PEM.

    Example: kesdeploy certs show ca
    """

    def work(console: Console) -> Result:  # noqa: ARG001
        from kesdeploy import certificates
        from kesdeploy.opening import Wish

        return certificates.shown(Wish("certs show", name), which)

    run("certs show", work, views.shown, json=json, verbose=verbose)


def import_(
    server: Annotated[Server, typer.Argument(metavar="minio|kes", help="Who is to show it.")],
    cert: Annotated[Path, typer.Option("--cert", help="PEM file: the certificate, then its intermediate ones.")],
    key: Annotated[str, typer.Option("--key", help="Its private key: FILE or env:NAME.")],
    ca: Annotated[
        Path | None, typer.Option("--ca", help="PEM file of the root to trust; none: a public one.", show_default=False)
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="The name that clients use, as in s3.example.org.", show_default=False)
    ] = "",
    name: o.Name = "",
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Use a server certificate of your own. Everything about it is checked before anything changes.

    Example: kesdeploy certs import minio --cert fullchain.pem --key privkey.pem --host s3.example.org
    """

    def work(console: Console) -> Result:
        from kesdeploy import certificates
        from kesdeploy.opening import Wish

        overrides = {f"{server}.certificate": _section(cert, key, ca, host)}
        wish = Wish("certs import", name, overrides=overrides, timeout=o.seconds(timeout))
        return certificates.bring(wish, console, str(server))

    run("certs import", work, views.brought, json=json, verbose=verbose)


def _section(cert: Path, key: str, ca: Path | None, host: str) -> dict[str, Any]:
    """As it stands in the spec, which is read from any folder."""
    source = key if key.startswith("env:") else f"@{Path(key.removeprefix('@')).expanduser().absolute()}"
    found = {"cert": str(cert.expanduser().absolute()), "key": source}
    found |= {"ca": str(ca.expanduser().absolute())} if ca else {}
    return found | ({"host": host} if host else {})


def trust(
    name: o.Name = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the CA's certificate here.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace that file.")] = False,
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """How to trust the deployment's CA: curl, Python, Java, Go, mc, Debian, Fedora, macOS, Windows.

    Example: kesdeploy certs trust --out photos-ca.crt
    """

    def work(console: Console) -> Result:  # noqa: ARG001
        from kesdeploy import certificates
        from kesdeploy.opening import Wish

        return certificates.trust(Wish("certs trust", name), out, force=force)

    run("certs trust", work, views.trusting, json=json, verbose=verbose)
