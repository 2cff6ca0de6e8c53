"""What a KMS has to allow KES: its policy, with the user's own names in it, ready to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy import keystores, opening
from kesdeploy.errors import UsageError
from kesdeploy.objections import did_you_mean
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.opening import Wish


def policy(wish: Wish) -> Result:
    """The policy of the deployment's keystore, or of the one that the wish describes. Nothing is asked or changed."""
    if wish.kms and wish.kms not in keystores.KEYSTORES:
        known = ", ".join(keystores.KEYSTORES)
        raise UsageError(
            f"unknown KMS {wish.kms!r}{did_you_mean(wish.kms, keystores.KEYSTORES)}", hint=f"one of {known}"
        )
    spec = opening.load(wish, opening.to_create(wish))
    text = keystores.of(spec).policy(spec)
    return Result("policy", {"deployment": spec.name, "keystore": spec.kms, "policy": text})
