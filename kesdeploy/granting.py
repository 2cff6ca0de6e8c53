"""What a KMS has to allow KES: its policy, with the user's own names in it, ready to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy import keystores, opening, pki
from kesdeploy.errors import SpecError, UsageError
from kesdeploy.objections import did_you_mean
from kesdeploy.resources import Ref
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.home import Home
    from kesdeploy.opening import Wish
    from kesdeploy.spec import Spec


def policy(wish: Wish) -> Result:
    """The policy of the deployment's keystore, or of the one that the wish describes. Nothing is asked or changed."""
    home, spec = meant(wish)
    text = _filled(keystores.of(spec).policy(spec), home)
    if not home.spec.exists() and "key_name" not in _written(wish, home):
        text = _with_room(text, spec.key_name, f"minio-{spec.name}-XXXXXX")
    return Result("policy", {"deployment": spec.name, "keystore": spec.kms, "policy": text})


def meant(wish: Wish) -> tuple[Home, Spec]:
    """The deployment, there or not, whose keystore it is about. SpecError while what it says is not complete."""
    if wish.kms and wish.kms not in keystores.KEYSTORES:
        known = ", ".join(keystores.KEYSTORES)
        raise UsageError(
            f"unknown KMS {wish.kms!r}{did_you_mean(wish.kms, keystores.KEYSTORES)}", hint=f"one of {known}"
        )
    home = opening.existing(wish) if wish.name and not (wish.kms or wish.config) else opening.to_create(wish)
    return home, _loaded(wish, home)


def _loaded(wish: Wish, home: Home) -> Spec:
    try:
        return opening.load(wish, home)
    except SpecError as error:
        lacking = [p.message.partition(":")[0] for p in error.found if p.message.endswith(": required")]
        if not lacking or home.spec.exists():
            raise
        sets = " ".join(f"--set {path}=…" for path in lacking)
        raise SpecError(error.what, found=error.found, hint=f"kesdeploy policy {wish.kms} {sets}") from None


def _written(wish: Wish, home: Home) -> set[str]:
    body, over, _ = opening.layers(wish, home)
    return {*body, *over}


def _with_room(text: str, made_up: str, room: str) -> str:
    """A name that `up` makes up is another one each time: nobody should grant rights on this one."""
    if made_up not in text:
        return text
    note = f"# XXXXXX: six characters that `up` makes up; or choose the name: --set key_name={room}"
    return f"{text.replace(made_up, room).rstrip()}\n{note}\n"


def _filled(text: str, home: Home) -> str:
    """With MinIO's identity in its place, once there is one."""
    place, certificate = str(Ref("identity", "minio")), home.read("secrets/minio.crt")
    if place in text and not certificate:
        return f"{text}# kesdeploy up makes {place}, and names it; then run this again.\n"
    return text.replace(place, pki.identity(certificate)) if certificate else text
