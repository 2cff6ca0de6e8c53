"""What a KMS has to allow KES: its policy, with the user's own names in it, ready to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy import keystores, opening, pki
from kesdeploy.errors import UsageError
from kesdeploy.objections import did_you_mean
from kesdeploy.resources import Ref
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.home import Home
    from kesdeploy.opening import Wish


def policy(wish: Wish) -> Result:
    """The policy of the deployment's keystore, or of the one that the wish describes. Nothing is asked or changed."""
    if wish.kms and wish.kms not in keystores.KEYSTORES:
        known = ", ".join(keystores.KEYSTORES)
        raise UsageError(
            f"unknown KMS {wish.kms!r}{did_you_mean(wish.kms, keystores.KEYSTORES)}", hint=f"one of {known}"
        )
    home = opening.to_create(wish)
    spec = opening.load(wish, home)
    text = _filled(keystores.of(spec).policy(spec), home)
    return Result("policy", {"deployment": spec.name, "keystore": spec.kms, "policy": text})


def _filled(text: str, home: Home) -> str:
    """With MinIO's identity in its place, once there is one."""
    place, certificate = str(Ref("identity", "minio")), home.read("secrets/minio.crt")
    if place in text and not certificate:
        return f"{text}# kesdeploy up makes {place}, and names it; then run this again.\n"
    return text.replace(place, pki.identity(certificate)) if certificate else text
