"""key delete: only what nothing needs any more, and only when it is really gone was it deleted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy import kes_log
from kesdeploy.ensure import FORBIDDEN, NOT_FOUND
from kesdeploy.errors import DataProtected, ServiceError
from kesdeploy.home import translated
from kesdeploy.keyring import door, makers, names, needs
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.keyring.door import Ring
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter

# Seconds that a keystore may take until it no longer shows what was deleted.
SETTLES = 5.0


@dataclass(frozen=True)
class Doomed:
    """A key that may be deleted: where it is, and what that means there."""

    deployment: str
    keystore: str
    meaning: str
    maker: str


def doomed(wish: Wish, report: Reporter, name: str) -> Doomed:
    """What would be deleted. Raises DataProtected when it is not to be; ServiceError 404 when there is none."""
    with door.opened(wish, report, theirs=f"kes key rm {name}") as ring:
        return _doomed(ring, name)


def delete(wish: Wish, report: Reporter, name: str) -> Result:
    """Delete it, and look whether it is gone. Raises as `doomed` does, and ServiceError when it stays."""
    with door.held(wish, report, theirs=f"kes key rm {name}") as (ring, _):
        found = _doomed(ring, name)
        delete_key(ring, name)
    data = {"deployment": ring.home.name, "keystore": ring.spec.kms, "key": name, "maker": found.maker}
    return Result("key delete", data)


def delete_key(ring: Ring, name: str) -> None:
    """Whatever needs it. Raises ServiceError when it stays."""
    trouble = _delete(ring, name)
    _see_it_gone(ring, name, trouble)
    _forget(ring, name)


def _doomed(ring: Ring, name: str) -> Doomed:
    names.asked(name)
    needs.refuse_to_delete(ring, name)
    made_by = maker(ring, name)
    if not makers.ours(ring, made_by):
        raise DataProtected(
            f"the key {name!r} was not made by this deployment",
            because=f"made by {makers.name(ring, made_by)} {made_by}".rstrip(),
            hint=f"who made it may need it; to delete it all the same: kesdeploy kes -n {ring.home.name} key rm {name}",
        )
    keystore = ring.keystore
    return Doomed(ring.home.name, keystore.title, keystore.habits.deleting, makers.name(ring, made_by))


def maker(ring: Ring, name: str) -> str:
    """The identity that created it; empty where KES does not tell us."""
    try:
        return str(ring.kes.describe_key(name).get("created_by") or "")
    except ServiceError as error:
        if error.status != FORBIDDEN:
            raise
        return ""


def _delete(ring: Ring, name: str) -> ServiceError | None:
    """Why KES says that it did not; it may have, all the same."""
    try:
        ring.kes.delete_key(name)
    except ServiceError as error:
        if error.status not in (0, NOT_FOUND, *kes_log.FAILED):
            raise
        return error
    return None


def _see_it_gone(ring: Ring, name: str, trouble: ServiceError | None) -> None:
    """CipherTrust denies a deletion as if there were no key, and KES takes that for success; Azure fails half-way."""
    deadline = time.monotonic() + SETTLES
    while stays(ring, name):
        if trouble and trouble.status != NOT_FOUND:
            raise trouble
        if time.monotonic() > deadline:
            raise ServiceError(
                f"the key {name!r} is still there",
                because="KES was told that it is deleted; its keystore may not allow that",
                hint=f"kesdeploy policy -n {ring.home.name} shows what KES has to be granted",
            )
        time.sleep(0.5)
    if trouble and trouble.status != NOT_FOUND:
        ring.report.warn(f"{name!r} is gone, though not cleanly: {trouble.because}")


def stays(ring: Ring, name: str) -> bool:
    """Whether it is in the keystore."""
    try:
        ring.kes.describe_key(name)
    except ServiceError as error:
        if error.status == NOT_FOUND:
            return False
        raise
    return True


def _forget(ring: Ring, name: str) -> None:
    """Its fingerprint: MinIO would not be started without the key."""
    path = ring.home.secret(f"fingerprint-{name}.json")
    with translated(path):
        path.unlink(missing_ok=True)
