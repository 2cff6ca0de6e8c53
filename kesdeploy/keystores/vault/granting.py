"""What to type into Vault so that KES may use it: engine, policy, role and login, ready to paste. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.keystores.vault import names
from kesdeploy.keystores.vault.policy import kes_policy

if TYPE_CHECKING:
    from kesdeploy.spec import Spec


def commands(spec: Spec) -> str:
    """Shell. Of the engine's version nobody is asked: v2, unless the spec says another."""
    from kesdeploy.render import render

    fields = names.fields(spec)
    version = fields.version or "v2"
    policy = names.theirs(spec)
    return render(
        "vault/grant.sh.j2",
        {
            "managed": fields.managed,
            "version": version,
            "assumed": fields.version is None,
            "engine": fields.engine,
            "transit": fields.transit.model_dump() if fields.transit else {},
            "keys_in": names.flag(names.namespace(spec)),
            "login_in": names.flag(names.login_namespace(spec)),
            "policy": policy,
            "hcl": kes_policy(spec, version),
            "kind": "kubernetes" if fields.kubernetes else "approle",
            "method": fields.login.engine,
            "role": fields.kubernetes.role if fields.kubernetes else policy,
        },
    )
