"""The flags that many commands share, and what they mean for the spec."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kesdeploy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

BASE_PORTS = {"s3_port": 9000, "console_port": 9001, "kes_port": 7373, "vault_port": 8200}


def _deployments() -> list[str]:
    from kesdeploy.home import Home

    return [home.name for home in Home.all()]


def _kinds() -> list[str]:
    from kesdeploy.keystores import KEYSTORES

    return list(KEYSTORES)


Name = Annotated[
    str,
    typer.Option(
        "-n",
        "--name",
        help="Which deployment (default: the only one).",
        autocompletion=_deployments,
        show_default=False,
    ),
]
Config = Annotated[
    Path | None, typer.Option("--config", help="A spec file (default: the deployment's own).", show_default=False)
]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="PATH=VALUE of the spec, as in kes.cache.any=1m.", show_default=False)
]
Kms = Annotated[
    str, typer.Option("--kms", help="Where the keys live: fs, vault.", autocompletion=_kinds, show_default=False)
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
S3Port = Annotated[int, typer.Option("--s3-port", help="Port for S3 (9000).", show_default=False)]
ConsolePort = Annotated[int, typer.Option("--console-port", help="Port of MinIO's console (9001).", show_default=False)]
KesPort = Annotated[int, typer.Option("--kes-port", help="Port of KES (7373).", show_default=False)]
VaultPort = Annotated[int, typer.Option("--vault-port", help="Port of a managed Vault (8200).", show_default=False)]
PortOffset = Annotated[
    int, typer.Option("--port-offset", help="Add N to all ports: room for a second deployment.", show_default=False)
]
KeyName = Annotated[str, typer.Option("--key-name", help="The default key's name.", show_default=False)]
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
    str, typer.Option("--timeout", help="Longest wait for one thing to become ready.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.", show_default=False)]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show where an error happened.", show_default=False)]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.", show_default=False)]
NoInput = Annotated[
    bool, typer.Option("--no-input", help="Never ask; say what is missing instead.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.", show_default=False)]


def seconds(text: str) -> float:
    """A duration such as 90, 120s, 2m or 1h, in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", text.strip())
    if not match:
        raise UsageError(f"{text!r} is not a duration", hint="--timeout 120s")
    return float(match[1]) * {"ms": 0.001, None: 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def overrides(
    *,
    kms: str = "",
    engine: str = "",
    images: str = "",
    pull: str = "",
    bind: str = "",
    ports: dict[str, int] | None = None,
    offset: int = 0,
    key_name: str = "",
    buckets: Iterable[str] | None = None,
    root_password: str = "",
    vault_address: str = "",
    sets: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Flags as spec paths; what was not given is not there, so that the file or the default counts."""
    found: dict[str, Any] = {
        "engine": engine,
        "images.source": images,
        "images.pull": pull,
        "network.bind": bind,
        "key_name": key_name,
        "minio.root_password": root_password,
        **({f"keystore.{kms}": {}} if kms else {}),
        **({"keystore.vault.address": vault_address} if vault_address else {}),
        **({"minio.buckets": [{"name": bucket} for bucket in buckets]} if buckets else {}),
    }
    for name, base in BASE_PORTS.items():
        given = (ports or {}).get(name, 0)
        if given or offset:
            found[f"network.{name}"] = given or base + offset
    return {**{path: value for path, value in found.items() if value != ""}, **assignments(sets or ())}


def assignments(sets: Iterable[str]) -> dict[str, Any]:
    """`--set PATH=VALUE`; the value is read as YAML reads it."""
    import yaml

    found = {}
    for text in sets:
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise UsageError(f"--set {path!r}: PATH=VALUE is needed", hint="--set kes.cache.any=1m")
        if value == "-":  # standard input, not an empty list
            found[path] = value
            continue
        try:
            found[path] = yaml.safe_load(value) if value else ""
        except yaml.YAMLError:
            found[path] = value
    return found
