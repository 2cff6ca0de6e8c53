"""Who made a key: KES tells an identity, people know names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy import identities, pki, services

if TYPE_CHECKING:
    from kesdeploy.keyring.door import Ring

STRANGER, UNTOLD = "stranger", "nobody that KES tells"


def name(ring: Ring, identity: str) -> str:
    """minio, operator (kesdeploy), either as it was before, a policy of the spec, or stranger; else UNTOLD."""
    if not identity:
        return UNTOLD
    for who in ("minio", "operator"):
        certificate = ring.home.read(f"secrets/{who}.crt")
        if certificate and pki.identity(certificate) == identity:
            return who
    if identity in identities.ours(ring.home):
        return "minio or operator, as they were before"
    policies = (policy for policy, rules in ring.spec.kes.policies.items() if identity in rules.identities)
    return f"policy {found}" if (found := next(policies, "")) else STRANGER


def ours(ring: Ring, identity: str) -> bool:
    """Whether this deployment made it. Of a keystore that only it can reach, everything is its own."""
    return identity in identities.ours(ring.home) or not (ring.shared or services.elsewhere(ring.spec))
