"""The `keystore` section: exactly one of them, each with what it must have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.sandbox.kes.flags import Fatal

if TYPE_CHECKING:
    from kesdeploy.sandbox.kes.yamlnode import Node

# Where a cloud keystore hides its own block; the stand-in knows that they exist, no more.
_CLOUD = (("fortanix", "sdkms"), ("gemalto", "keysecure"), ("gcp", "secretmanager"), ("aws", "secretsmanager"),
          ("azure", "keyvault"), ("entrust", "keycontrol"))  # fmt: skip


@dataclass(frozen=True)
class FileStore:
    path: str


@dataclass(frozen=True)
class Login:
    """`fields` is the login's body; `jwt_file` is read at each login."""

    engine: str
    namespace: str
    fields: tuple[tuple[str, str], ...]
    jwt_file: str = ""


@dataclass(frozen=True)
class VaultStore:
    """`ping` is in seconds. `transit` is (engine, key) or None."""

    endpoint: str
    engine: str
    version: str
    namespace: str
    prefix: str
    login: Login
    transit: tuple[str, str] | None
    key: str
    cert: str
    ca: str
    ping: float


def read_keystore(node: Node) -> FileStore | VaultStore:
    """The one keystore of the file, or Fatal."""
    found: list[FileStore | VaultStore] = []
    if node.get("fs").present:
        found.append(_file(node.get("fs")))
    if node.get("vault").present:
        _only(found)
        found.append(_vault(node.get("vault")))
    for vendor, product in _CLOUD:
        if node.get(vendor).get(product).present:
            _only(found)
            raise Fatal(f"kesdeploy's stand-in knows the keystores fs and vault, not {vendor}.{product}")
    if not found:
        raise Fatal("kesconf: no keystore specified")
    return found[0]


def _only(found: list[FileStore | VaultStore]) -> None:
    if found:
        raise Fatal("kesconf: invalid keystore config: more than once keystore specified")


def _file(node: Node) -> FileStore:
    path = node.get("path").text()
    if not path:
        raise Fatal("kesconf: invalid fs keystore: no path specified")
    return FileStore(path)


def _vault(node: Node) -> VaultStore:
    bad = "kesconf: invalid vault keystore: "
    endpoint = node.get("endpoint").text()
    if not endpoint:
        raise Fatal(bad + "no endpoint specified")
    login = _login(node, bad)
    transit = _transit(node.get("transit"), bad)
    tls = node.get("tls")
    key, cert, ca = (tls.get(n).text() for n in ("key", "cert", "ca"))
    if key and not cert:
        raise Fatal(bad + "invalid tls config: no TLS certificate provided")
    if cert and not key:
        raise Fatal(bad + "invalid tls config: no TLS private key provided")
    engine, version = node.get("engine").text() or "kv", node.get("version").text() or "v1"
    ping = node.get("status").get("ping").seconds() or 15.0
    namespace, prefix = node.get("namespace").text(), node.get("prefix").text()
    return VaultStore(endpoint, engine, version, namespace, prefix, login, transit, key, cert, ca, ping)


def _transit(node: Node, bad: str) -> tuple[str, str] | None:
    if not node.present:
        return None
    key = node.get("key").text()
    if not key:
        raise Fatal(bad + "invalid transit config: no key name specified")
    return node.get("engine").text() or "transit", key


def _login(node: Node, bad: str) -> Login:
    role, kubernetes = node.get("approle"), node.get("kubernetes")
    if not role.present and not kubernetes.present:
        raise Fatal(bad + "no authentication method specified")
    if role.present and kubernetes.present:
        raise Fatal(bad + "more than one authentication method specified")
    return _approle(role, bad) if role.present else _kubernetes(kubernetes, bad)


def _approle(node: Node, bad: str) -> Login:
    role_id, secret = node.get("id").text(), node.get("secret").text()
    if not role_id:
        raise Fatal(bad + "invalid approle config: no approle ID specified")
    if not secret:
        raise Fatal(bad + "invalid approle config: no approle secret specified")
    fields = (("role_id", role_id), ("secret_id", secret))
    return Login(node.get("engine").text() or "approle", node.get("namespace").text(), fields)


def _kubernetes(node: Node, bad: str) -> Login:
    jwt = node.get("jwt").text()
    if not jwt:
        raise Fatal(bad + "invalid kubernetes config: no JWT specified")
    engine, namespace = node.get("engine").text() or "kubernetes", node.get("namespace").text()
    role = ("role", node.get("role").text())
    if "/" not in jwt:
        return Login(engine, namespace, (role, ("jwt", jwt)))
    if not Path(jwt).is_file():
        cause = f"open {jwt}: no such file or directory"
        raise Fatal(f"kesconf: failed to read vault kubernetes JWT from '{jwt}': {cause}")
    return Login(engine, namespace, (role,), jwt_file=jwt)
