"""The spec's `kes`: how clients prove who they are, what they may, and how long KES remembers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, model_validator

from kesdeploy import kes_rules
from kesdeploy.durations import milliseconds
from kesdeploy.errors import Problem
from kesdeploy.kes_routes import WITHOUT_IDENTITY
from kesdeploy.section import Duration, Section
from kesdeploy.server_certificate import ServerCertificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

OUR_POLICIES = ("minio", "operator", "minio-former")
LONGEST_PREFIX = 32


def _prefix(value: str) -> str:
    # Short enough for the longest name of a deployment behind it.
    if not re.fullmatch(r"(?!-)[0-9A-Za-z_-]{0,32}", value):
        raise ValueError(f"a key's name begins with 0 to {LONGEST_PREFIX} of A-Z, a-z, 0-9, '-' and '_', not with '-'")
    if value.startswith("env"):
        raise ValueError("MinIO blanks every value that begins with 'env'; choose another prefix")
    return value


def _some_time(value: str) -> str:
    if not milliseconds(value):
        raise ValueError("0s is KES's own time-out, and none cannot be had; leave it out")
    return value


Pattern = Annotated[str, AfterValidator(kes_rules.pattern)]
Identity = Annotated[str, AfterValidator(kes_rules.identity)]
Admin = Annotated[str, AfterValidator(kes_rules.admin)]
Proxy = Annotated[str, AfterValidator(kes_rules.proxy)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Timeout = Annotated[Duration, AfterValidator(_some_time)]


class Cache(Section):
    """How long KES keeps keys in memory."""

    any: Duration = "5m"
    unused: Duration = "30s"
    offline: Duration = "0s"

    @model_validator(mode="after")
    def _some_time(self) -> Cache:
        if not milliseconds(self.unused):
            raise ValueError("kes.cache.unused: with 0s KES keeps every key for 30s at most; say how long")
        return self


class Log(Section):
    error: Literal["off", "error", "warn", "info", "debug"] = "info"
    audit: Literal["off", "info"] = "info"


class Policy(Section):
    """What some clients may do: what `allow` matches and `deny` does not. A '*' at the end means whatever follows."""

    allow: tuple[Pattern, ...] = ()
    deny: tuple[Pattern, ...] = ()
    identities: tuple[Identity, ...] = ()


class Route(Section):
    """One path of KES's API."""

    timeout: Timeout | None = None
    """How long KES works on a request. After it the connection breaks, without an answer."""
    skip_auth: StrictBool = False
    """Anybody may ask this, without a certificate."""


class Kes(Section):
    auth: Literal["api-key", "certificate"] = "api-key"
    """api-key: any key pair that a policy names. certificate: only with a certificate of the deployment's CA."""
    certificate: ServerCertificate | None = None
    """Your own certificate for KES itself. Left out: one of the deployment's CA."""
    admin: Admin = kes_rules.DISABLED
    """An identity that no policy limits, or `disabled`."""
    key_prefix: Prefix = ""
    """MinIO may use only keys whose names begin with this."""
    policies: dict[str, Policy] = Field(default_factory=dict)
    """Further clients of KES, by policy. kesdeploy has two of its own: minio and operator."""
    api: dict[str, Route] = Field(default_factory=dict)
    cache: Cache = Cache()
    log: Log = Log()
    proxy: Proxy | None = None
    """The HTTP proxy through which KES reaches its KMS. Left out: none, whatever the environment says."""

    @property
    def identities(self) -> tuple[tuple[str, str], ...]:
        """Every identity that it names: path and identity."""
        admin = () if self.admin == kes_rules.DISABLED else (("kes.admin", self.admin),)
        return (
            *admin,
            *(
                (f"kes.policies.{name}.identities.{place}", identity)
                for name, policy in self.policies.items()
                for place, identity in enumerate(policy.identities)
            ),
        )


def default_key(prefix: object) -> str:
    """The default key's name where only a prefix is given."""
    return f"{prefix}{'' if str(prefix).endswith(('-', '_')) else '-'}default-key"


def complaints(kes: Kes, keys: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    """What no section can say of itself. `keys`: path and name of every key that the spec names."""
    for path, key in keys:
        if not key.startswith(kes.key_prefix):
            yield _problem(
                path, f"{key!r} does not begin with {kes.key_prefix!r} (kes.key_prefix): MinIO may not use it"
            )
    yield from _named(kes)
    yield from _open_routes(kes)
    owners: dict[str, str] = {}
    for path, identity in kes.identities:
        if owner := owners.get(identity):
            yield _problem(path, f"this identity stands in {owner} already; KES gives each identity one policy")
        owners.setdefault(identity, path)


def _named(kes: Kes) -> Iterator[Problem]:
    for name in kes.policies:
        if name in OUR_POLICIES:
            yield _problem(f"kes.policies.{name}", "this policy is kesdeploy's own; choose another name")
        else:
            yield from _against(kes_rules.name, name, f"kes.policies.{name}")
    for route in kes.api:
        yield from _against(kes_rules.route, route, f"kes.api.{route}")


def _open_routes(kes: Kes) -> Iterator[Problem]:
    for path, route in kes.api.items():
        if route.skip_auth and path == "/version":
            yield _problem(f"kes.api.{path}.skip_auth", "KES tells its version to anybody already")
        elif route.skip_auth and path not in WITHOUT_IDENTITY:
            only = ", ".join(WITHOUT_IDENTITY)
            yield _problem(f"kes.api.{path}.skip_auth", f"anybody could use it; only {only} may be open")


def _against(rule: Callable[[str], str], value: str, path: str) -> Iterator[Problem]:
    try:
        rule(value)
    except ValueError as error:
        yield _problem(path, str(error))


def _problem(path: str, what: str) -> Problem:
    return Problem("spec", f"{path}: {what}")
