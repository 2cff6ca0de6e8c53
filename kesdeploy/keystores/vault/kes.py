"""What KES is told of a Vault, whoever runs it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kesdeploy.keystores.vault import names

if TYPE_CHECKING:
    from kesdeploy.spec import Spec

# KES gives up a write after 15 s, Vault's client only after 60; nothing else shortens that. Every other VAULT_ variable
# would override KES's own configuration (vault/api, ReadEnvironment), so there are none.
ENVIRONMENT = {"VAULT_CLIENT_TIMEOUT": "5s"}

# Where KES's configuration has what our fields say, for `import`.
KES_PATHS = {
    "vault.endpoint": "address",
    "vault.tls.ca": "ca",
    "vault.tls.cert": "tls.cert",
    "vault.tls.key": "tls.key",
    "vault.status.ping": "status.ping",
    **{f"vault.{name}": name for name in ("engine", "version", "namespace", "prefix")},
    **{f"vault.approle.{name}": f"approle.{name}" for name in ("engine", "namespace", "id", "secret")},
    **{f"vault.kubernetes.{name}": f"kubernetes.{name}" for name in ("engine", "namespace", "role", "jwt")},
    **{f"vault.transit.{name}": f"transit.{name}" for name in ("engine", "key")},
}


def inside(name: str) -> str:
    """Where KES finds a file that lies beside its configuration."""
    return f"/config/{name}"


def context(spec: Spec, endpoint: str, *, version: str, ca: str) -> dict[str, Any]:
    """The variables of `kes/keystore-vault.yaml.j2`; those of an AppRole's login are filled in by Refs."""
    fields = names.fields(spec)
    method = {"engine": fields.login.engine, "namespace": fields.login.namespace or ""}
    kubernetes = fields.kubernetes
    return {
        "endpoint": endpoint,
        "engine": fields.engine,
        "version": version,
        "prefix": names.prefix(spec),
        "namespace": names.namespace(spec),
        "approle": {} if kubernetes else method,
        # A file, not the token: KES reads it again at each login.
        "kubernetes": {**method, "role": kubernetes.role, "jwt": inside(names.JWT)} if kubernetes else {},
        "transit": fields.transit.model_dump() if fields.transit else {},
        "ca": ca,
        "cert": inside(names.TLS_CERT) if fields.tls else "",
        "key": inside(names.TLS_KEY) if fields.tls else "",
        "ping": fields.status.ping,
    }
