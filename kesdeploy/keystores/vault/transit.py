"""The transit key that encrypts KES's keys, seen before KES needs it.

KES takes ciphertexts of the key's first version alone (vault.go: the prefix `vault:v1:`), both when it makes a key and
when it reads one. So a rotated key opens what is there, and nothing new can be made.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from kesdeploy.errors import ServiceError
from kesdeploy.keystores.vault import names
from kesdeploy.keystores.vault.policy import transit_paths

if TYPE_CHECKING:
    from kesdeploy.clients.transit import About, Transit
    from kesdeploy.clients.vault import Vault
    from kesdeploy.keystores.vault.door import Entered
    from kesdeploy.keystores.vault.policy import Granted
    from kesdeploy.keystores.words import Work

FIRST = "vault:v1:"
PROOF = b"kesdeploy"
# A word for `status`; it alone would not tell what to do.
ROTATED = "ROTATED (the transit key: KES can make no new keys)"


def check(work: Work, kes: Vault, granted: Granted) -> None:
    """Whether KES could encrypt and decrypt with it, by doing so. Nothing is made or changed in Vault.

    granted: KES's rights by path, empty where Vault does not tell them.
    Raises ServiceError when the key is missing, does not encrypt, or was rotated before any key of ours was made.
    """
    fields = names.fields(work.spec).transit
    if fields is None:
        return
    key = kes.transit(fields.engine, fields.key)
    about = _about(key)
    if about is None and _would_make_it(work, granted):
        work.report.warn(
            f"KES's role may create the transit key {key.name!r}, and may not look whether it is there: "
            "with a wrong name, KES would make a new one (kesdeploy policy vault)"
        )
        return
    sealed = _round_trip(key)
    if not sealed.startswith(FIRST):
        _rotated(work, key)
    elif about and about.rotates:
        work.report.warn(f"Vault will rotate the transit key {key.name!r}; KES can make no new keys then: {_stop(key)}")


def rotated(work: Work, entered: Entered) -> bool:
    """Whether the key was rotated, as far as KES's login may see that. Quick, and only a look."""
    fields = names.fields(work.spec).transit
    if fields is None:
        return False
    _, found = entered.read(f"{fields.engine}/keys/{fields.key}")
    return bool(found) and found.get("latest_version") != 1


def _about(key: Transit) -> About | None:
    """What Vault tells of the key; None when KES's login may not look."""
    try:
        return key.about()
    except ServiceError as error:
        if error.status == HTTPStatus.FORBIDDEN:
            return None
        if error.status == HTTPStatus.NOT_FOUND:
            raise _missing(key, error) from error
        raise


def _would_make_it(work: Work, granted: Granted) -> bool:
    """Whether encrypting might make a key that is missing: Vault does that for everybody who may create it."""
    path = transit_paths(work.spec)["encrypt"]
    return not granted or bool({"create", "root"}.intersection(granted[path]))


def _round_trip(key: Transit) -> str:
    try:
        sealed = key.encrypt(PROOF)
        opened = key.decrypt(sealed)
    except ServiceError as error:
        if error.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            raise _missing(key, error) from error
        raise ServiceError(
            f"KES cannot use the transit key {key.name!r}",
            because=error.because,
            hint=f"a plain one: {_another(key)}",
            status=error.status,
        ) from error
    if opened != PROOF:
        raise ServiceError(f"the transit key {key.name!r} does not open what it encrypted")
    return sealed


def _missing(key: Transit, error: ServiceError) -> ServiceError:
    """Vault says 403 of a key that is not there to whoever may not create it."""
    return ServiceError(
        f"there is no transit key {key.name!r} at {key.mount!r} for KES's role",
        because=error.because,
        hint=f"vault secrets enable -path={key.mount} transit; vault write -f {key.mount}/keys/{key.name}; "
        "and the policy of: kesdeploy policy vault",
        status=error.status,
    )


def _rotated(work: Work, key: Transit) -> None:
    what = f"the transit key {key.name!r} was rotated: KES can make no new keys with it"
    if work.home.fingerprint(work.spec.key_name).exists():
        work.report.warn(f"{what}; those that are there go on working")
        return
    raise ServiceError(
        what,
        because=f"KES takes only ciphertexts of its first version ({FIRST}…)",
        hint=f"one that nobody rotates: {_another(key)}",
    )


def _another(key: Transit) -> str:
    return f"vault write -f {key.mount}/keys/OTHER; keystore.vault.transit.key: OTHER"


def _stop(key: Transit) -> str:
    return f"vault write {key.mount}/keys/{key.name}/config auto_rotate_period=0"
