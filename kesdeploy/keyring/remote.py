"""destroy --delete-remote-keys: the deployment's own keys in a keystore that others can reach go with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kesdeploy import topology
from kesdeploy.deployment import ADDRESS
from kesdeploy.errors import DataProtected, UsageError
from kesdeploy.keyring import deleting, door, makers, names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kesdeploy.deployment import Deployment
    from kesdeploy.keyring.door import Ring
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter
    from kesdeploy.result import Result

STOP_TIMEOUT = 10


@dataclass(frozen=True)
class Remote:
    """What would be deleted there, and what that means. `gone`: keys that were asked for, and are not there."""

    deployment: str
    keystore: str
    meaning: str
    keys: tuple[str, ...]
    gone: tuple[str, ...] = ()


def own(wish: Wish, report: Reporter) -> Remote:
    """The keys there that this deployment made, of those that it uses. Asks KES, so that has to run."""
    with door.opened(wish, report) as ring:
        _refuse_ours_alone(ring)
        used = dict.fromkeys((*topology.key_names(ring.spec), *ring.home.guarded_keys()))
        mine = tuple(key for key in used if deleting.stays(ring, key) and makers.ours(ring, deleting.maker(ring, key)))
        return _remote(ring, mine)


def doomed(wish: Wish, report: Reporter, keys: Sequence[str]) -> Remote:
    """Whether these may be deleted: DataProtected for one that somebody else made."""
    with door.opened(wish, report) as ring:
        return _doomed(ring, keys)


def delete(wish: Wish, report: Reporter, keys: Sequence[str]) -> tuple[str, ...]:
    """Delete them through KES, once MinIO writes no more; those that were deleted. What is gone already is skipped."""
    with door.held(wish, report) as (ring, deployment):
        found = _doomed(ring, keys)
        _stop_minio(deployment)
        for key in found.keys:
            with report.step(f"delete the key {key} in {found.keystore}"):
                deleting.delete_key(ring, deployment, key)
        return found.keys


def told(result: Result, deleted: Sequence[str]) -> Result:
    """What `destroy` says, with the keys that were deleted before it."""
    stay = result.data["stay"]
    left = [key for key in stay.get("keys", ()) if key not in deleted]
    stay = {**stay, "keys": left} if left else {}
    return replace(result, data={**result.data, "stay": stay, "deleted_keys": list(deleted)})


def _doomed(ring: Ring, keys: Sequence[str]) -> Remote:
    _refuse_ours_alone(ring)
    there = [key for key in dict.fromkeys(map(names.asked, keys)) if deleting.stays(ring, key)]
    for key in there:
        maker = deleting.maker(ring, key)
        if not makers.ours(ring, maker):
            raise DataProtected(
                f"the key {key!r} was not made by this deployment, so it is not deleted with it",
                because=f"made by {makers.name(ring, maker)} {maker}".rstrip(),
                hint=f"leave it out: kesdeploy destroy -n {ring.home.name}",
            )
    return _remote(ring, tuple(there), tuple(key for key in keys if key not in there))


def _remote(ring: Ring, keys: tuple[str, ...], gone: tuple[str, ...] = ()) -> Remote:
    return Remote(ring.home.name, ring.keystore.title, ring.keystore.habits.deleting, keys, gone)


def _refuse_ours_alone(ring: Ring) -> None:
    if not ring.shared:
        raise UsageError(
            "there are no remote keys: the keystore is the deployment's own, and goes with it",
            hint=f"kesdeploy destroy -n {ring.home.name}",
        )


def _stop_minio(deployment: Deployment) -> None:
    for container in deployment.engine.containers({**deployment.labels, ADDRESS: topology.MINIO}):
        deployment.engine.stop(container.name, timeout=STOP_TIMEOUT)
