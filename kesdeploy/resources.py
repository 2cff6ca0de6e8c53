"""The words of a desired state: what a deployment consists of, as plain frozen data.

A Resource has an address (`container/kes-server`), a body, the addresses it needs first, and a digest of its body. A
body never holds a secret or its hash, only a Ref to it; what a Ref stands for is filled in when it is applied.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.engines import Mount, Port


@dataclass(frozen=True)
class Ref:
    """A value that exists only once the deployment does.

    kind: `secret` (a file of `secrets/`), `api-key`, `certificate` or `identity` (of a KES identity of the deployment).
    """

    kind: Literal["secret", "api-key", "certificate", "identity"]
    name: str

    @property
    def secret(self) -> bool:
        return self.kind in ("secret", "api-key")

    def __str__(self) -> str:
        return f"<{self.kind} {self.name}>"


@dataclass(frozen=True)
class Secret:
    """A file of `secrets/`. `source`: where the user keeps it; empty: generated, or made by a bootstrap."""

    name: str
    make: Literal["user", "password", "key32", "given"]
    source: str = ""


@dataclass(frozen=True)
class Authority:
    """The deployment's own CA."""

    name: str


@dataclass(frozen=True)
class Identity:
    """A KES identity of ours: an Ed25519 key, usable as API key and, signed by our CA, as a certificate."""

    name: str


@dataclass(frozen=True)
class BroughtIdentity:
    """A KES identity that the user brought, by the names of its secrets.

    key: an API key; with a `certificate`, its private key in PEM.
    """

    name: str
    key: str
    certificate: str = ""


@dataclass(frozen=True)
class Brought:
    """A server certificate of the user's, by the names of its secrets; no `ca`: a public one signed it."""

    certificate: str
    key: str
    ca: str = ""


@dataclass(frozen=True)
class Certificate:
    """A server's leaf in `folder` (of the deployment's): public.crt, private.key, and our CA as `ca_file`.

    Our CA issues it, for all of these names; or the user brings it, and it has to be valid for them.
    """

    folder: str
    common_name: str
    names: tuple[str, ...]
    ca_file: str = ""
    brought: Brought | None = None


@dataclass(frozen=True)
class Trust:
    """The CA's certificate alone, for a container that reads it at its start, or has no leaf.

    also: another root that it is to trust, by the name of its secret.
    """

    path: str
    also: str | None = None


@dataclass(frozen=True)
class File:
    """A rendered file. `refs` are the template variables that apply fills in; `context` holds all others."""

    path: str
    template: str
    context: Mapping[str, Any]
    refs: Mapping[str, Ref] = field(default_factory=dict)
    mode: int = 0o600


@dataclass(frozen=True)
class Pod:
    name: str
    ports: tuple[Port, ...]
    hosts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Container:
    """A container of the pod. `component` names it in the catalogue; `image`: id, or reference while it is not here.

    data: folders (relative) that are made, with the owner's rights only, before it starts.
    reloads: resources whose change it takes up on `reload_signal`; every other one that it `uses` restarts it.
    """

    name: str
    component: str
    image: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    user: str
    mounts: tuple[Mount, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    reloads: tuple[str, ...] = ()
    reload_signal: str = "SIGHUP"
    stop_timeout: int = 10
    restart: str | None = None
    """The engine's restart policy; None for the usual one."""
    serves: tuple[int, ...] | None = None
    """Those of the pod's ports (inside) that it listens on."""
    memory: int | None = None
    """At most so many bytes; None without a limit."""
    cpus: float | None = None
    """At most so many processors; None without a limit."""


@dataclass(frozen=True)
class Bootstrap:
    """What a keystore module does to its service before KES may use it; `settings` are its own words."""

    keystore: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Key:
    """A key that KES must hold. Only kesdeploy creates it."""

    name: str


@dataclass(frozen=True)
class Fingerprint:
    """Something only that very key can decrypt, made before MinIO's first start."""

    key: str


@dataclass(frozen=True)
class Bucket:
    name: str
    key: str
    mode: str


Body: TypeAlias = (
    Secret
    | Authority
    | Identity
    | BroughtIdentity
    | Certificate
    | Trust
    | File
    | Pod
    | Container
    | Bootstrap
    | Key
    | Fingerprint
    | Bucket
)


@dataclass(frozen=True)
class Resource:
    """One part of a deployment. `needs` must exist before it."""

    address: str
    body: Body
    needs: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return self.address.split("/", 1)[0]

    @property
    def name(self) -> str:
        return self.address.split("/", 1)[1]

    @property
    def digest(self) -> str:
        """SHA-256 of the body's JSON, shortened to 16 hex digits: enough to tell change, nothing to attack.

        A field that is None counts for nothing: one that a later release adds leaves what runs as it is. TypeError for
        a body that holds more than plain data: its text could differ from run to run.
        """
        text = json.dumps(self._said(), sort_keys=True)
        return hashlib.sha256(f"{self.kind}:{text}".encode()).hexdigest()[:16]

    @property
    def parts(self) -> Mapping[str, str]:
        """A digest of each field, shorter still: where the whole differs, they tell what it was."""
        texts = {name: json.dumps(value, sort_keys=True) for name, value in self._said().items()}
        return {name: hashlib.sha256(text.encode()).hexdigest()[:6] for name, text in texts.items()}

    def _said(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self.body).items() if value is not None}
