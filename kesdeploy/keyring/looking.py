"""key list, key info: names, makers, and what needs a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kesdeploy import kes_rules, services
from kesdeploy.buckets import rules
from kesdeploy.ensure import FORBIDDEN, NOT_FOUND
from kesdeploy.errors import ServiceError, UsageError
from kesdeploy.keyring import door, makers, names, needs
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.keyring.door import Ring
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter


def listed(wish: Wish, report: Reporter, *, prefix: str = "", long: bool = False) -> Result:
    """Every key whose name begins so. `long`: who made each, and when; KES reads each key for that.

    UsageError where the keystore's keys cannot be listed.
    """
    prefix = names.prefix(prefix)
    with door.opened(wish, report, theirs="kes key ls") as ring:
        _refuse_unlisted(ring)
        found = list(ring.kes.list_keys(prefix))
        keys = [name for name in found if _is_name(name)]
        used = _buckets(ring)
        rows = [{**_row(ring, name, used), **(_told(ring, name) if long else {})} for name in keys]
    habits = ring.keystore.habits
    data = {
        "deployment": ring.home.name,
        "keystore": ring.spec.kms,
        "prefix": prefix,
        "keys": rows,
        "complete": not (habits.most and len(found) >= habits.most),
        "besides": habits.besides,
        "others": len(found) - len(keys),
    }
    if not data["complete"]:
        report.warn(f"{ring.keystore.title} shows KES {habits.most} names at most: there may be more")
    return Result("key list", data)


def _refuse_unlisted(ring: Ring) -> None:
    if because := ring.keystore.habits.unlisted:
        hint = f"kesdeploy key info NAME -n {ring.home.name} asks for one; its own web pages list them"
        raise UsageError(f"keys in {ring.keystore.title} cannot be listed", because=because, hint=hint)


def _is_name(name: str) -> bool:
    """A listing may show what is no key of KES's: a user's own secrets, folders of Vault, a lost+found."""
    try:
        kes_rules.name(name)
    except ValueError:
        return False
    return True


def _buckets(ring: Ring) -> dict[str, list[str]]:
    """Buckets by the key of their rule: as MinIO has them, or as the spec has them while it does not answer."""
    found: dict[str, list[str]] = {}
    try:
        every = [(r.bucket, r.key) for r in rules.every(ring.spec, services.minio(ring.spec, ring.home)) if r.own]
    except ServiceError:
        every = [(bucket.name, bucket.key or ring.spec.key_name) for bucket in ring.spec.minio.buckets]
    for bucket, key in every:
        found.setdefault(key, []).append(bucket)
    return found


def _row(ring: Ring, name: str, used: dict[str, list[str]]) -> dict[str, Any]:
    return {"name": name, "default": name == ring.spec.key_name, "buckets": used.get(name, [])}


def _told(ring: Ring, name: str) -> dict[str, str]:
    """What KES tells of a key; why not, where it cannot read it (a secret that is no key)."""
    try:
        found = ring.kes.describe_key(name)
    except ServiceError as error:
        if error.status == 0:
            raise
        return {"algorithm": "", "created_at": "", "created_by": "", "maker": "", "error": error.because}
    return {**_of(ring, found), "error": ""}


def _of(ring: Ring, found: dict[str, Any]) -> dict[str, str]:
    maker = str(found.get("created_by") or "")
    told = {part: str(found.get(part) or "") for part in ("algorithm", "created_at")}
    return {**told, "created_by": maker, "maker": makers.name(ring, maker)}


def info(wish: Wish, report: Reporter, name: str) -> Result:
    """One key: what KES tells of it, whether MinIO can use it, and what needs it (objects counted for a while)."""
    names.asked(name)
    with door.opened(wish, report, theirs=f"kes key info {name}") as ring:
        found = _described(ring, name)
        need = needs.of(ring, name, seconds=needs.GLANCE)
        data = {
            "deployment": ring.home.name,
            "keystore": ring.spec.kms,
            "key": name,
            **_of(ring, found),
            "default": need.default,
            "minio": _minio(ring, name),
            "spec": list(need.spec),
            "buckets": None if need.rules is None else list(need.rules),
            "objects": need.objects.objects if need.local else None,
            "objects_in": dict(need.objects.buckets),
            "objects_whole": need.objects.whole,
            "configuration": need.configuration,
            "fingerprint": needs.fingerprinted(ring, name),
        }
    return Result("key info", data)


def _described(ring: Ring, name: str) -> dict[str, Any]:
    """What KES tells; nothing where this identity may use the key and not look at it."""
    try:
        return ring.kes.describe_key(name)
    except ServiceError as error:
        if error.status == NOT_FOUND:
            needs.refuse_when_lost(ring, name)
        if error.status != FORBIDDEN:
            raise
        ring.kes.generate(name)
        return {}


def _minio(ring: Ring, name: str) -> str | None:
    """What MinIO says of its own use of the key: ok, or why not; None when it does not answer."""
    try:
        status = services.minio(ring.spec, ring.home).key_status(name)
    except ServiceError:
        return None
    return "ok" if status.ok else status.encryption_error or status.decryption_error
