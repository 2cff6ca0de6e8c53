"""kes-config.yaml: what it may say, and the words with which it is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.sandbox.kes.flags import Fatal
from kesdeploy.sandbox.kes.keystore_config import FileStore, VaultStore, read_keystore
from kesdeploy.sandbox.kes.yamlnode import Node, load

if TYPE_CHECKING:
    from collections.abc import Mapping

DEBUG, INFO, WARN, ERROR = -4, 0, 4, 8
_LEVELS = {"DEBUG": DEBUG, "INFO": INFO, "WARN": WARN, "ERROR": ERROR}


@dataclass(frozen=True)
class Policy:
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    identities: tuple[str, ...]


@dataclass(frozen=True)
class TLS:
    """`verify`: client certificates must chain to `ca`. `required`: a client without one fails the handshake."""

    key: str
    cert: str
    password: str
    ca: str
    verify: bool
    required: bool


@dataclass(frozen=True)
class Cache:
    """Seconds, 0 is never."""

    any: float
    unused: float
    offline: float


@dataclass(frozen=True)
class Route:
    skip_auth: bool
    timeout: float


@dataclass(frozen=True)
class Config:
    address: str
    admin: str
    tls: TLS
    policies: Mapping[str, Policy]
    cache: Cache
    routes: Mapping[str, Route]
    error_level: int
    audit_level: int
    keystore: FileStore | VaultStore = field(repr=False)


def read(path: str) -> Config:
    """Read and judge the file, without opening anything that it names. Fatal with the real server's text."""
    try:
        text = Path(path or "/nonexistent").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Fatal(f"open {path}: no such file or directory") from None
    except OSError as error:
        raise Fatal(f"open {path}: {(error.strerror or 'error').lower()}") from error
    return parse(text)


def parse(text: str) -> Config:
    root = load(text)
    version = root.get("version").plain()
    if version not in ("", "v1"):
        raise Fatal(f"edge: invalid server config version '{version}'")
    admin = root.get("admin").get("identity").text()
    if not admin:
        raise Fatal("kesconf: invalid admin identity: no admin identity")
    routes = _routes(root.get("api"))
    tls = _tls(root.get("tls"), open_somewhere=any(r.skip_auth for r in routes.values()))
    policies = _policies(root.get("policy"), admin)
    cache = _cache(root.get("cache").get("expiry"))
    log = root.get("log")
    levels = _level(log.get("error").text()), _level(log.get("audit").text())
    _timeouts(routes)
    _keys(root.get("keys"))
    store = read_keystore(root.get("keystore"))
    return Config(root.get("address").text(), admin, tls, policies, cache, routes, *levels, store)


def _tls(node: Node, *, open_somewhere: bool) -> TLS:
    key, cert, auth = (node.get(n).text() for n in ("key", "cert", "auth"))
    if not key:
        raise Fatal("kesconf: invalid tls config: no private key")
    if not cert:
        raise Fatal("kesconf: invalid tls config: no certificate")
    if auth.lower() not in ("", "on", "off"):
        raise Fatal(f"kesconf: invalid tls config: invalid auth '{{ {auth}}}'")
    password, ca = node.get("password").text(), node.get("ca").text()
    return TLS(key, cert, password, ca, verify=auth.lower() == "on", required=not open_somewhere)


def _policies(node: Node, admin: str) -> dict[str, Policy]:
    found = {}
    for name, body in node.items():
        identities = tuple(i.text() for i in body.get("identities").list())
        if admin in identities:
            raise Fatal(f"kesconf: invalid policy '{name}': identity '{admin}' is already admin")
        allow, deny = (tuple(p.plain() for p in body.get(n).list()) for n in ("allow", "deny"))
        found[name] = Policy(allow, deny, identities)
    return found


def _cache(node: Node) -> Cache:
    any_, unused, offline = (node.get(n).seconds() for n in ("any", "unused", "offline"))
    for value, what in ((any_, "cache expiry"), (unused, "cache unused expiry"), (offline, "offline cache expiry")):
        if value < 0:
            raise Fatal(f"kesconf: invalid {what} '{value:g}s'")
    if unused == 0:  # so does the real server of 2025-03-12: it sets the wrong one of the two
        return Cache(30.0, 0.0, offline)
    return Cache(any_ or 300.0, unused, offline)


def _routes(node: Node) -> dict[str, Route]:
    return {path: Route(n.get("skip_auth").boolean(), n.get("timeout").seconds()) for path, n in node.items()}


def _timeouts(routes: Mapping[str, Route]) -> None:
    for path, route in routes.items():
        if route.timeout < 0:
            raise Fatal(f"kesconf: invalid timeout '{int(route.timeout * 1e9)}' for API '{path}'")


def _keys(node: Node) -> None:
    """`keys:` is judged and otherwise ignored, as by the real server of 2025-03-12."""
    names: set[str] = set()
    for name in (n.get("name").text() for n in node.list()):
        if name in names:
            raise Fatal(f"kesconf: invalid key config: key '{name}' is defined multiple times")
        names.add(name)


def _level(text: str) -> int:
    value = text.strip().upper()
    if value in ("", "ON"):
        return INFO
    if value == "OFF":
        return ERROR + 1
    for name, base in _LEVELS.items():
        if value.startswith(name):
            return base + _level_suffix(value, name)
    try:
        return int(value)
    except ValueError:
        raise Fatal(f'strconv.Atoi: parsing "{value}": invalid syntax') from None


def _level_suffix(value: str, name: str) -> int:
    if value == name:
        return 0
    level, plus, suffix = value.partition("+")
    if not plus or level.strip() != name:
        raise Fatal(f"kesconf: invalid log level '{value}'")
    try:
        return int(suffix)
    except ValueError:
        cause = f'strconv.Atoi: parsing "{suffix}": invalid syntax'
        raise Fatal(f"kesconf: invalid log level suffix '{suffix}': {cause}") from None
