"""The flags that many commands share."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from kesdeploy.errors import UsageError


def _deployments() -> list[str]:
    from kesdeploy.home import Home

    return [home.name for home in Home.all()]


def _kinds() -> list[str]:
    from kesdeploy.keystores import KEYSTORES

    return list(KEYSTORES)


def _named(context: typer.Context, parameter: typer.CallbackParam, name: str) -> str:
    """Never the only one there is where a script's variable was empty: `destroy --yes -n "$NAME"`."""
    source = context.get_parameter_source(str(parameter.name))
    # By its name: Typer brings a click of its own, or uses the installed one.
    if not name and source and source.name == "COMMANDLINE":
        raise typer.BadParameter("it is empty; a name is needed, or leave -n away")
    return name


Name = Annotated[
    str,
    typer.Option(
        "-n",
        "--name",
        callback=_named,
        help="Which deployment (default: the only one; a new one is called as its KMS).",
        autocompletion=_deployments,
        show_default=False,
    ),
]
ThatDeployment = Annotated[
    str,
    typer.Option(
        "-n", "--name", help="Look at the ports of this one.", autocompletion=_deployments, show_default=False
    ),
]
Report = Annotated[
    Path | None,
    typer.Option("--report", help="Write FILE (.tar.gz) for a bug report, without any secret.", show_default=False),
]
Config = Annotated[
    Path | None, typer.Option("--config", help="A spec file (default: the deployment's own).", show_default=False)
]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="PATH=VALUE of the spec, as in kes.cache.any=1m.", show_default=False)
]
Kms = Annotated[
    str,
    typer.Option(
        "--kms", help="Where the keys live: fs, vault, aws, azure, …", autocompletion=_kinds, show_default=False
    ),
]
Engine = Annotated[
    str, typer.Option("--engine", help="auto, podman or docker; chosen once, then remembered.", show_default=False)
]
Images = Annotated[
    str, typer.Option("--images", help="release, auto or sandbox (stand-ins, to try things out).", show_default=False)
]
Pull = Annotated[str, typer.Option("--pull", help="missing, never or always.", show_default=False)]
Bind = Annotated[
    str, typer.Option("--bind", help="Address to publish on; anything but loopback means HTTPS.", show_default=False)
]


def _port(flag: str, what: str) -> Any:
    return typer.Option(flag, help=what, show_default=False)


S3Port = Annotated[int | None, _port("--s3-port", "Port for S3 (9000).")]
ConsolePort = Annotated[int | None, _port("--console-port", "Port of MinIO's console (9001).")]
KesPort = Annotated[int | None, _port("--kes-port", "Port of KES (7373).")]
VaultPort = Annotated[int | None, _port("--vault-port", "Port of a managed Vault (8200).")]
PortOffset = Annotated[
    int | None,
    typer.Option("--port-offset", help="The usual ports plus N: room for a second deployment.", show_default=False),
]
KeyName = Annotated[str, typer.Option("--key-name", help="The default key's name.", show_default=False)]
AdoptKey = Annotated[
    bool,
    typer.Option("--adopt-key", help="Use a key of this name that somebody else made.", show_default=False),
]
Bucket = Annotated[
    list[str] | None, typer.Option("--bucket", help="Create this bucket, encrypted. Repeatable.", show_default=False)
]
RootPassword = Annotated[
    str,
    typer.Option(
        "--root-password", help="MinIO's root password: @FILE, env:NAME, or - for standard input.", show_default=False
    ),
]
VaultAddress = Annotated[
    str, typer.Option("--vault-address", help="An existing Vault, https://HOST:PORT.", show_default=False)
]
Timeout = Annotated[
    str, typer.Option("--timeout", help="Longest wait for one thing, as in 30s or 5m.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.", show_default=False)]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show where an error happened.", show_default=False)]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.", show_default=False)]
NoInput = Annotated[
    bool, typer.Option("--no-input", help="Never ask; say what is missing instead.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.", show_default=False)]


def days(text: str) -> timedelta:
    """A time such as 30d or 12h."""
    match = re.fullmatch(r"(\d{1,6})(d|h)", text.strip())
    if not match:
        raise UsageError(f"{text!r} is no duration", hint="--if-expiring 30d")
    return timedelta(**{{"d": "days", "h": "hours"}[match[2]]: int(match[1])})


def moment(text: str) -> int:
    """A Unix time: so long ago (10m, 2h, 3d), or a time in ISO 8601, local where it names no zone. UsageError."""
    if ago := re.fullmatch(r"(\d{1,6})([smhd])", text.strip()):
        return int(time.time()) - int(ago[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[ago[2]]
    try:
        return int(datetime.fromisoformat(text.strip()).timestamp())
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{text[:40]!r} is no time", hint="--since 10m, or --since 2026-11-21T10:00") from None


def seconds(text: str) -> float:
    """A duration such as 90, 120s, 2m or 1h, in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", text.strip())
    if not match:
        raise UsageError(f"{text!r} is not a duration", hint="--timeout 120s")
    return float(match[1]) * {"ms": 0.001, None: 1, "s": 1, "m": 60, "h": 3600}[match[2]]
