"""The flags that say what a deployment is to be: the same for every command that plans one."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, get_type_hints

from kesdeploy.cli import options as o  # noqa: TC001 - Typer reads what the fields are
from kesdeploy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ADDED_BUCKETS = "minio.buckets+"
"""As `minio.buckets`, but beside those that the file has (`opening.layers`)."""
BASE_PORTS = {"s3_port": 9000, "console_port": 9001, "kes_port": 7373, "vault_port": 8200}


@dataclass(frozen=True)
class Flags:
    """A field each. What was not given is empty."""

    name: o.Name = ""
    kms: o.Kms = ""
    config: o.Config = None
    engine: o.Engine = ""
    images: o.Images = ""
    pull: o.Pull = ""
    bind: o.Bind = ""
    s3_port: o.S3Port = None
    console_port: o.ConsolePort = None
    kes_port: o.KesPort = None
    vault_port: o.VaultPort = None
    port_offset: o.PortOffset = None
    key_name: o.KeyName = ""
    adopt_key: o.AdoptKey = False
    bucket: o.Bucket = None
    root_password: o.RootPassword = ""
    vault_address: o.VaultAddress = ""
    set_: o.Set = None

    @property
    def called(self) -> str:
        """The deployment that is meant: `--set name=X` says as much as `-n X`. UsageError where they differ."""
        said = str(assignments(self.set_ or ()).get("name") or "")
        if said and self.name not in ("", said):
            raise UsageError(f"-n {self.name} and --set name={said}: which of the two?", hint=f"-n {self.name}")
        return self.name or said

    def overrides(self) -> dict[str, Any]:
        """Flags as spec paths; what was not given is not there, so that the file or the default counts."""
        found: dict[str, Any] = {
            "engine": self.engine,
            "images.source": self.images,
            "images.pull": self.pull,
            "network.bind": self.bind,
            "key_name": self.key_name,
            "minio.root_password": self.root_password,
            **({f"keystore.{self.kms}": {}} if self.kms else {}),
            **({"keystore.vault.address": self.vault_address} if self.vault_address else {}),
            **({ADDED_BUCKETS: [{"name": bucket} for bucket in self.bucket]} if self.bucket else {}),
            **self._ports(),
        }
        return {**{path: value for path, value in found.items() if value != ""}, **assignments(self.set_ or ())}

    def _ports(self) -> dict[str, int]:
        """An offset moves all of them; a port that is given by itself stands over it."""
        offset = self.port_offset
        moved = {} if offset is None else {name: base + offset for name, base in BASE_PORTS.items()}
        given = {name: port for name in BASE_PORTS if (port := getattr(self, name)) is not None}
        return {f"network.{name}": port for name, port in (moved | given).items()}


def takes_flags(command: Callable[..., None]) -> Callable[..., None]:
    """The command with all of `Flags` as its options, before its own: it gets them as its first argument."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    hints = get_type_hints(Flags, include_extras=True)
    parameters = [
        *(_option(field.name, hints[field.name], field.default) for field in fields(Flags)),
        *(_option(parameter.name, parameter.annotation, parameter.default) for parameter in own),
    ]

    @functools.wraps(command)
    def called(**given: Any) -> None:
        flags = Flags(**{field.name: given.pop(field.name) for field in fields(Flags)})
        command(flags, **given)

    # What Typer reads to find out about options.
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


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
