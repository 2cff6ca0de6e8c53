"""key delete: only what nothing needs any more, and only when it is really gone was it deleted."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy import alone, apply, gate, kes_log, services
from kesdeploy.ensure import FORBIDDEN, NOT_FOUND
from kesdeploy.errors import DataProtected, ServiceError, UsageError
from kesdeploy.files import translated
from kesdeploy.keyring import door, makers, names, needs
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.deployment import Deployment
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
    with door.held(wish, report, theirs=f"kes key rm {name}") as (ring, deployment):
        found, before = _doomed(ring, name), alone.before(deployment)
        delete_key(ring, deployment, name)
        # MinIO may make any key but those that data needs: this one is none of them any more.
        with suppress(UsageError):
            apply.apply(alone.plan(deployment, before), deployment)
    data = {"deployment": ring.home.name, "keystore": ring.spec.kms, "key": name, "maker": found.maker}
    return Result("key delete", data)


def delete_key(ring: Ring, deployment: Deployment, name: str) -> None:
    """Whatever needs it. Raises ServiceError when it stays."""
    if trouble := _delete(ring, name):
        gate.forget_keys(deployment)  # or KES tells of what is gone
    _see_it_gone(ring, name, trouble)
    _forget(ring, name)


def _doomed(ring: Ring, name: str) -> Doomed:
    names.asked(name)
    needs.refuse_to_delete(ring, name)
    made_by = maker(ring, name)
    if not makers.ours(ring, made_by) and not _unfinished(ring, name):
        raise DataProtected(
            f"the key {name!r} was not made by this deployment",
            because=f"made by {makers.name(ring, made_by)} {made_by}".rstrip(),
            hint=f"who made it may need it; to delete it all the same: {_by_hand(ring, name)}",
        )
    keystore = ring.keystore
    return Doomed(ring.home.name, keystore.title, keystore.habits.deleting, makers.name(ring, made_by))


def _by_hand(ring: Ring, name: str) -> str:
    theirs = "whoever runs that KES: kes" if services.elsewhere(ring.spec) else f"kesdeploy kes -n {ring.home.name}"
    return f"{theirs} key rm {name}"


def maker(ring: Ring, name: str) -> str:
    """The identity that created it; empty where KES does not tell us, or a deletion of it was killed half-way."""
    try:
        return str(ring.kes.describe_key(name).get("created_by") or "")
    except ServiceError as error:
        if error.status != FORBIDDEN and not _unfinished(ring, name):
            raise
        return ""


def _unfinished(ring: Ring, name: str) -> bool:
    """Whether it is gone, and still guarded: nothing needs it, so its deletion was killed before it was finished."""
    return needs.fingerprinted(ring, name) and not stays(ring, name)


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
    path = ring.home.fingerprint(name)
    with translated(path):
        path.unlink(missing_ok=True)
