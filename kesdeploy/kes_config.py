"""KES's configuration as we allow it (kesconf/config.go of 2025-03-12). KES ignores what it does not know; we refuse it.

To add a keystore: its section below, and its name in `Keystores`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from kesdeploy.errors import Problem, SpecError
from kesdeploy.objections import SECRET, objections
from kesdeploy.spec import Duration


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _identity(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("an identity is 64 lower-case hex digits: KES compares it letter by letter")
    return value


def _admin(value: str) -> str:
    return value if value == "disabled" else _identity(value)


def _pattern(value: str) -> str:
    if not value.startswith("/") or "*" in value[:-1] or "?" in value:
        raise ValueError("KES matches a path or, with one `*` at the end, its beginning; nothing else")
    return value


def _listen(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError("IP:PORT is needed")
    if host:
        ipaddress.ip_address(host.strip("[]"))
    return value


def _https(value: str) -> str:
    if not value.startswith("https://"):
        raise ValueError("an https:// address is needed")
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]
Identity = Annotated[str, AfterValidator(_identity)]
Endpoint = Annotated[str, AfterValidator(_https)]
Hidden = Annotated[str, Field(min_length=1, json_schema_extra=SECRET)]
Given = Annotated[str, Field(min_length=1)]


class Admin(_Section):
    identity: Annotated[str, AfterValidator(_admin)]


class Tls(_Section):
    key: Given
    cert: Given
    auth: Literal["on", "off"] = "off"
    ca: str = ""


class Policy(_Section):
    allow: tuple[Pattern, ...] = ()
    deny: tuple[Pattern, ...] = ()
    identities: tuple[Identity, ...] = ()


class Expiry(_Section):
    # Without both of these KES 2025-03-12 forgets every key after 30 seconds (cmd/kes/server.go).
    any: Duration
    unused: Duration
    offline: Duration = "0s"


class Cache(_Section):
    expiry: Expiry


class Api(_Section):
    skip_auth: bool = Field(default=False, strict=True)
    timeout: Duration = "0s"


class Log(_Section):
    error: Literal["on", "off", "error", "warn", "info", "debug"] = "on"
    audit: Literal["on", "off", "error", "warn", "info", "debug"] = "on"


class Fs(_Section):
    path: Given


class AppRole(_Section):
    engine: str = "approle"
    namespace: str = ""
    id: Hidden
    secret: Hidden


class Kubernetes(_Section):
    engine: str = "kubernetes"
    namespace: str = ""
    role: Given
    jwt: Hidden


class Transit(_Section):
    engine: str = "transit"
    key: Given


class VaultTls(_Section):
    key: str = ""
    cert: str = ""
    ca: str = ""


class Status(_Section):
    ping: Duration


class Vault(_Section):
    endpoint: Endpoint
    engine: Given = "kv"
    version: Literal["v1", "v2"]
    namespace: str = ""
    prefix: str = ""
    approle: AppRole | None = None
    kubernetes: Kubernetes | None = None
    transit: Transit | None = None
    tls: VaultTls = VaultTls()
    status: Status | None = None

    @model_validator(mode="after")
    def _one_login(self) -> Vault:
        if (self.approle is None) == (self.kubernetes is None):
            raise ValueError("exactly one of approle and kubernetes is needed")
        return self


class Keystores(_Section):
    fs: Fs | None = None
    vault: Vault | None = None

    @model_validator(mode="after")
    def _one(self) -> Keystores:
        if len([kind for kind, section in self if section is not None]) != 1:
            raise ValueError("exactly one keystore is needed")
        return self


class KesConfig(_Section):
    version: Literal["v1"]
    address: Annotated[str, AfterValidator(_listen)]
    admin: Admin
    tls: Tls
    policy: dict[str, Policy]
    cache: Cache
    api: dict[str, Api] = {}
    log: Log = Log()
    keystore: Keystores

    @model_validator(mode="after")
    def _identities_once(self) -> KesConfig:
        named = [identity for policy in self.policy.values() for identity in policy.identities]
        if len(set(named)) != len(named) or self.admin.identity in named:
            raise ValueError("an identity has one policy, and no more")
        return self


def check(text: str) -> None:
    """Raises SpecError with every problem and its path when KES would ignore, misread or refuse something of this."""
    try:
        # Booleans as YAML 1.2 has them, which KES's parser follows: `on` is a word.
        KesConfig.model_validate(yaml.load(text, Loader=_Loader))  # noqa: S506 - a SafeLoader
    except ValidationError as error:
        found = tuple(Problem("kes-config", text) for text in objections(error, KesConfig))
        raise SpecError("KES would not do what its configuration says", found=found, hint="please report it") from None


class _Loader(yaml.SafeLoader):
    """A SafeLoader that takes only `true` and `false` for booleans."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
