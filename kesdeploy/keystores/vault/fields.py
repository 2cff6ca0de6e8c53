"""What may be said of a Vault in the spec: `keystore: {vault: {…}}`."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kesdeploy.keystores.forms import Url
from kesdeploy.sources import FilePath, SecretSource
from kesdeploy.spec import Duration, KeystoreFields, Section

OURS_ONLY = ("product", "seal")
THEIRS_ONLY = ("engine", "prefix", "namespace", "ca", "tls", "version", "approle", "kubernetes", "transit")


def _mount_path(value: str) -> str:
    found = value.strip("/")
    # A `*` or `+` would widen the policy that is rendered from it.
    if not re.fullmatch(r"[0-9A-Za-z_][0-9A-Za-z_.-]*(/[0-9A-Za-z_][0-9A-Za-z_.-]*)*", found):
        raise ValueError("a path in Vault is names of A-Z, a-z, 0-9, '_', '-' and '.', with '/' between them")
    return found


def _namespace(value: str) -> str:
    return value if value == "/" else _mount_path(value)


def _prefix(value: str) -> str:
    return _mount_path(value) if value.strip("/") else ""


def _name(value: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_]([0-9A-Za-z_.-]*[0-9A-Za-z_])?", value):
        raise ValueError("a name in Vault is A-Z, a-z, 0-9, '_', '-' and '.', with neither '-' nor '.' at an end")
    return value


def _file(value: object) -> object:
    """A file's path is no secret: it may stand there without the `@`, as in KES's own configuration."""
    return f"@{value}" if isinstance(value, str) and value.startswith(("/", "~")) else value


MountPath = Annotated[str, AfterValidator(_mount_path)]
Namespace = Annotated[str, AfterValidator(_namespace)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Name = Annotated[str, AfterValidator(_name)]
SecretFile = Annotated[SecretSource, BeforeValidator(_file)]


class AppRole(Section):
    """How KES logs in to a Vault of yours."""

    engine: MountPath = "approle"
    """Where the AppRole method is mounted."""
    namespace: Namespace | None = None
    """Namespace of the login alone; `/` is the root namespace. Left out: that of the keys."""
    id: SecretSource | None = None
    """The role id. Asked for when left out, or made with the token in VAULT_TOKEN."""
    secret: SecretSource | None = None
    """A secret id that neither expires nor runs out: KES uses it at each start and each reload."""


class Kubernetes(Section):
    """KES logs in as a service account of a Kubernetes cluster, instead of with an AppRole."""

    engine: MountPath = "kubernetes"
    """Where the Kubernetes method is mounted."""
    namespace: Namespace | None = None
    """Namespace of the login alone; `/` is the root namespace. Left out: that of the keys."""
    role: Name
    """Vault's role for the service account."""
    jwt: SecretFile | None = None
    """The service account's token, one that lasts: KES shows it at each start and reload. Asked for when left out."""


class Transit(Section):
    """A key of Vault's transit engine, which encrypts KES's keys before they are stored."""

    engine: MountPath = "transit"
    """Where the transit engine is mounted."""
    key: Name
    """The key's name. Never rotate it: KES could make no new keys any more."""


class Tls(Section):
    """The certificate that KES shows, for a Vault that asks for one."""

    cert: FilePath
    """PEM file with the certificate, and those between it and its authority."""
    key: SecretFile
    """PEM file with its private key, unencrypted; or env:NAME."""


class Status(Section):
    ping: Duration = "10s"
    """How often KES looks whether Vault is sealed."""


class VaultFields(KeystoreFields):
    """Without `address` kesdeploy runs one; with it, it uses yours."""

    kind: ClassVar[str] = "vault"

    address: Url | None = None
    """Your own Vault or OpenBao. Left out: kesdeploy runs an OpenBao for this deployment alone."""
    product: Literal["openbao", "vault"] = "openbao"
    """Which one kesdeploy runs: OpenBao, or HashiCorp Vault."""
    seal: Literal["static", "shares"] | None = None
    """static: unseals itself with a key file (OpenBao's default). shares: kesdeploy unseals it (all that Vault has)."""
    engine: MountPath = "kv"
    """Where the key-value engine is mounted."""
    prefix: Prefix | None = None
    """Folder of the keys within the engine; empty: none. The deployment's name when left out."""
    namespace: Namespace | None = None
    ca: FilePath | None = None
    """PEM file of the authority that signed your Vault's certificate. Left out: the public ones."""
    tls: Tls | None = None
    version: Literal["v1", "v2"] | None = None
    """The engine's version. Asked of Vault when left out."""
    approle: AppRole = Field(default_factory=AppRole)
    kubernetes: Kubernetes | None = None
    transit: Transit | None = None
    status: Status = Field(default_factory=Status)

    @model_validator(mode="after")
    def _one_kind(self) -> VaultFields:
        wrong = self.model_fields_set.intersection(OURS_ONLY if self.address else THEIRS_ONLY)
        if wrong:
            where = "only without `address`, for a Vault that kesdeploy runs" if self.address else "only with `address`"
            raise ValueError(f"{', '.join(sorted(wrong))}: {where}")
        if self.product == "vault" and self.seal == "static":
            raise ValueError("seal: HashiCorp Vault has no static seal; leave it out, or product: openbao")
        return self

    @model_validator(mode="after")
    def _one_login(self) -> VaultFields:
        if self.kubernetes and "approle" in self.model_fields_set:
            raise ValueError("approle, kubernetes: KES logs in with one of them; leave the other out")
        return self

    @property
    def beyond(self) -> bool:
        return not self.managed

    @property
    def managed(self) -> bool:
        """Whether kesdeploy runs it."""
        return not self.address

    @property
    def static(self) -> bool:
        """Whether it unseals itself with a key file of ours."""
        return self.managed and self.product == "openbao" and self.seal != "shares"

    @property
    def login(self) -> AppRole | Kubernetes:
        """The method that KES logs in with."""
        return self.kubernetes or self.approle
