"""What a kes-config.yaml may say, checked before KES reads it.

KES 2025-03-12 ignores what it does not know, takes `15` for no duration and a `*` inside of a pattern for a letter, and
finds a bad policy only after it has said that it is running. So all of it is checked here, more strictly than by KES:
`keys` and `tls.proxy`, which it reads and does nothing with, are unknown as well. Source: kesconf/config.go, auth.go.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, ValidationError, model_validator

from kesdeploy.durations import milliseconds
from kesdeploy.errors import Problem, SpecError
from kesdeploy.kes_keystores import Hidden, Keystore, Path
from kesdeploy.kes_routes import ROUTES, WITHOUT_IDENTITY, reaches
from kesdeploy.objections import objections
from kesdeploy.spec import Duration, Section
from kesdeploy.yamltext import parse

LAST_PORT = 65535
HINT = "`kesdeploy render` shows it; when it is not what your spec says, please report it"


def check(text: str, *, where: str = "kes-config.yaml") -> None:
    """SpecError with every problem of this configuration, each with its path; secrets are not repeated."""
    tree = parse(text, where=where)
    try:
        KesConfig.model_validate(tree)
    except ValidationError as error:
        found = tuple(Problem("spec", f"{where}: {what}") for what in objections(error, KesConfig))
        raise SpecError(f"KES would not take {where} as it is meant", found=found, hint=HINT) from None


def _socket(value: str) -> str:
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([1-9][0-9]{0,4})", value)
    if not found or int(found[3]) > LAST_PORT:
        raise ValueError("KES takes IP:PORT only, as in 0.0.0.0:7373 or [::]:7373; no host name")
    address = ipaddress.ip_address(found[1] or found[2])
    if isinstance(address, ipaddress.IPv6Address) != bool(found[1]):
        raise ValueError("only an IPv6 address stands in brackets")
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"(?!-)[0-9A-Za-z_-]{1,80}(?<!-)", value) or not value.strip("_"):
        raise ValueError("a name is 1 to 80 of A-Z, a-z, 0-9, '-' and '_', with no '-' at either end")
    return value


def _identity(value: str) -> str:
    # KES compares the text: one capital letter, and nobody has this identity.
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("an identity is 64 lower-case hexadecimal digits")
    return value


def _admin(value: str) -> str:
    return value if value == "disabled" else _identity(value)


def _pattern(value: str) -> str:
    if "*" in value[:-1] or "?" in value:
        raise ValueError("KES matches prefixes: a '*' at the end is all it knows, so this would match nothing")
    if not reaches(value):
        raise ValueError("no request has such a path: this would match nothing")
    return value


def _route(value: str) -> str:
    if value not in ROUTES:
        raise ValueError("not a path of KES's API, as it is registered: with a '/' at the end where names follow")
    return value


def _switch(value: str) -> str:
    if value.lower() not in ("on", "off"):
        raise ValueError("on or off")
    return value


def _level(value: str) -> str:
    if value.lower() not in ("on", "off", "debug", "info", "warn", "error"):
        raise ValueError("on, off, debug, info, warn or error")
    return value


Name = Annotated[str, AfterValidator(_name)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Patterns = Annotated[list[Pattern], Field(default_factory=list)]


class Admin(Section):
    identity: Annotated[str, AfterValidator(_admin)]


class Tls(Section):
    key: Path
    cert: Path
    password: Hidden | None = None
    auth: Annotated[str, AfterValidator(_switch)] = "off"
    ca: Path | None = None


class Policy(Section):
    allow: Patterns
    deny: Patterns
    identities: list[Annotated[str, AfterValidator(_identity)]] = Field(default_factory=list)


class Expiry(Section):
    """Both times are needed: KES keeps keys for 30 s at most when `unused` is left out or 0, whatever `any` says."""

    any: Duration
    unused: Duration
    offline: Duration = "0s"

    @model_validator(mode="after")
    def _unused(self) -> Expiry:
        if not milliseconds(self.unused):
            raise ValueError("unused: with 0s KES keeps every key for 30s at most; say how long")
        return self


class Cache(Section):
    expiry: Expiry


class Route(Section):
    skip_auth: StrictBool = False
    timeout: Duration = "0s"


class Log(Section):
    error: Annotated[str, AfterValidator(_level)] = "info"
    audit: Annotated[str, AfterValidator(_level)] = "info"


class KesConfig(Section):
    version: Literal["v1"]
    address: Annotated[str, AfterValidator(_socket)] = "0.0.0.0:7373"
    admin: Admin
    tls: Tls
    policy: dict[Name, Policy] = Field(default_factory=dict)
    cache: Cache
    api: dict[Annotated[str, AfterValidator(_route)], Route] = Field(default_factory=dict)
    log: Log | None = None
    keystore: Keystore

    @model_validator(mode="after")
    def _identities(self) -> KesConfig:
        """KES finds these only after its banner (initPolicies), and ends."""
        owner = {self.admin.identity: "admin"}
        for name, policy in self.policy.items():
            for identity in policy.identities:
                if identity in owner:
                    raise ValueError(f"policy.{name}.identities: {identity} belongs to {owner[identity]} already")
                owner[identity] = f"policy {name}"
        return self

    @model_validator(mode="after")
    def _open_routes(self) -> KesConfig:
        for path, route in self.api.items():
            if route.skip_auth and path not in WITHOUT_IDENTITY:
                raise ValueError(
                    f"api.{path}.skip_auth: anybody could use it; only {', '.join(WITHOUT_IDENTITY)} may be open"
                )
        return self
