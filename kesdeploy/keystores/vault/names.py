"""The names that a Vault's parts have: in Vault, in `secrets/`, and among the resources."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from kesdeploy.keystores.vault.fields import VaultFields

if TYPE_CHECKING:
    from kesdeploy.spec import Spec

PORT = 8200

# Files of secrets/.
SEAL_KEY = "vault-seal-key"
INIT = "vault-init.json"
ROLE_ID, SECRET_ID = "vault-approle-id", "vault-approle-secret"
OPERATOR_ID, OPERATOR_SECRET = "vault-operator-id", "vault-operator-secret"
JWT, TLS_CERT, TLS_KEY = "vault-kubernetes-jwt", "vault-tls.crt", "vault-tls-key"
CA, KV_VERSION = "vault-ca.crt", "vault-kv-version"
# No secrets, but they belong to them: what was set up last.
SETTLED = "vault-settled"

# Roles and policies of a Vault that is the deployment's own.
KES_ROLE, OPERATOR_ROLE = "kes", "kesdeploy"


def fields(spec: Spec) -> VaultFields:
    assert isinstance(spec.keystore, VaultFields)
    return spec.keystore


def prefix(spec: Spec) -> str:
    """The folder of the keys within the engine; empty when they lie in no folder."""
    given = fields(spec).prefix
    return spec.name if given is None else given


def under(*parts: str) -> str:
    """A path in Vault of those parts that are not empty."""
    return "/".join(part for part in parts if part)


def role(spec: Spec) -> str:
    """KES's role, and its policy: in a Vault that others use too, one name for each place that keys lie in."""
    return KES_ROLE if fields(spec).managed else theirs(spec)


def theirs(spec: Spec) -> str:
    """The same, in a Vault that somebody else runs."""
    return under("kes", fields(spec).engine, prefix(spec)).replace("/", "-").lower()


def namespace(spec: Spec) -> str:
    """The namespace of the keys; empty for the root."""
    return (fields(spec).namespace or "").strip("/")


def login_namespace(spec: Spec) -> str:
    """The namespace that KES logs in to; empty for the root."""
    given = fields(spec).login.namespace
    return namespace(spec) if given is None else given.strip("/")


def flag(namespace: str) -> str:
    """What a vault command needs for that namespace."""
    return f" -namespace={namespace}" if namespace else ""


def from_login(spec: Spec) -> str:
    """How the namespace of the keys is reached from that of the login, where the policy is: `team/`, or empty."""
    keys, login = namespace(spec), login_namespace(spec)
    if keys == login:
        return ""
    above = f"{login}/" if login else ""
    return f"{keys.removeprefix(above)}/" if keys.startswith(above) else ""


def host(spec: Spec) -> str:
    return f"{spec.name}-vault"


def certificate_names(spec: Spec) -> tuple[str, ...]:
    """What the certificate of our own Vault is valid for."""
    bind = () if ipaddress.ip_address(spec.network.bind).is_unspecified else (spec.network.bind,)
    pod = f"minio-kes-{spec.name}"
    names = ("localhost", "127.0.0.1", "::1", host(spec), pod, *bind, *spec.network.extra_names)
    return tuple(dict.fromkeys(names))


def address(spec: Spec) -> str:
    """Where this machine reaches it."""
    if given := fields(spec).address:
        return given
    bind = spec.network.bind
    return f"https://{'127.0.0.1' if bind == '0.0.0.0' else bind}:{spec.network.vault_port}"
