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
    "vault.status.ping": "status.ping",
    **{f"vault.{name}": name for name in ("engine", "version", "namespace", "prefix")},
    **{f"vault.approle.{name}": f"approle.{name}" for name in ("engine", "namespace", "id", "secret")},
}


def context(spec: Spec, endpoint: str, *, version: str, ca: str) -> dict[str, Any]:
    """The variables of `kes/keystore-vault.yaml.j2`; those of the login are filled in by Refs."""
    fields = names.fields(spec)
    return {
        "endpoint": endpoint,
        "engine": fields.engine,
        "version": version,
        "prefix": names.prefix(spec),
        "namespace": fields.namespace or "",
        "approle": {"engine": fields.approle.engine, "namespace": fields.approle.namespace or ""},
        "ca": ca,
        "ping": fields.status.ping,
    }
