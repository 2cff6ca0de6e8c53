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

from kesdeploy import kes_rules, variables
from kesdeploy.durations import milliseconds
from kesdeploy.errors import Problem, SpecError
from kesdeploy.kes_keystores import Hidden, Keystore, Path
from kesdeploy.kes_routes import WITHOUT_IDENTITY
from kesdeploy.objections import objections
from kesdeploy.section import Duration, Section
from kesdeploy.yamltext import parse

LAST_PORT = 65535
HINT = "`kesdeploy render` shows it; when it is not what your spec says, please report it"


def check(text: str, *, where: str = "kes-config.yaml") -> None:
    """SpecError with every problem of this configuration, each with its path; secrets are not repeated."""
    tree = parse(text, where=where, binary=True)
    found = [Problem("spec", what) for what in _objections(tree)]
    found += variables.replaced(tree, found)
    if found:
        told = tuple(Problem("spec", f"{where}: {problem.message}") for problem in found)
        raise SpecError(f"KES would not take {where} as it is meant", found=told, hint=HINT)


def _objections(tree: object) -> tuple[str, ...]:
    try:
        KesConfig.model_validate(tree)
    except ValidationError as error:
        return tuple(objections(error, KesConfig))
    return ()


def _socket(value: str) -> str:
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([1-9][0-9]{0,4})", value)
    if not found or int(found[3]) > LAST_PORT:
        raise ValueError("KES takes IP:PORT only, as in 0.0.0.0:7373 or [::]:7373; no host name")
    address = ipaddress.ip_address(found[1] or found[2])
    if isinstance(address, ipaddress.IPv6Address) != bool(found[1]):
        raise ValueError("only an IPv6 address stands in brackets")
    return value


def _switch(value: str) -> str:
    if value.lower() not in ("on", "off"):
        raise ValueError("on or off")
    return value


def _level(value: str) -> str:
    if value.lower() not in ("on", "off", "debug", "info", "warn", "error"):
        raise ValueError("on, off, debug, info, warn or error")
    return value


Name = Annotated[str, AfterValidator(kes_rules.name)]
Pattern = Annotated[str, AfterValidator(kes_rules.pattern)]
Patterns = Annotated[list[Pattern], Field(default_factory=list)]


class Admin(Section):
    identity: Annotated[str, AfterValidator(kes_rules.admin)]


class Tls(Section):
    key: Path
    cert: Path
    password: Hidden | None = None
    auth: Annotated[str, AfterValidator(_switch)] = "off"
    ca: Path | None = None


class Policy(Section):
    allow: Patterns
    deny: Patterns
    identities: list[Annotated[str, AfterValidator(kes_rules.identity)]] = Field(default_factory=list)


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
    api: dict[Annotated[str, AfterValidator(kes_rules.route)], Route] = Field(default_factory=dict)
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
