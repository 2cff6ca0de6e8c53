"""What needs a key: rules of buckets, objects on the drives, MinIO's own configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy import drives, protection, services
from kesdeploy.buckets import rules
from kesdeploy.errors import DataProtected, ServiceError

if TYPE_CHECKING:
    from kesdeploy.keyring.door import Ring

# Seconds for counting objects where the number is only to be shown.
GLANCE = 10.0


@dataclass(frozen=True)
class Needs:
    """`rules`: buckets whose rule names the key; None when MinIO could not be asked. `spec`: those of the spec."""

    default: bool
    spec: tuple[str, ...]
    rules: tuple[str, ...] | None
    objects: drives.Usage
    configuration: bool
    local: bool
    """Whether MinIO's drives are here: objects were counted."""

    @property
    def buckets(self) -> tuple[str, ...]:
        return tuple(sorted({*self.spec, *(self.rules or ())}))


def of(ring: Ring, key: str, *, seconds: float = float("inf")) -> Needs:
    """`seconds`: as long as objects are counted."""
    spec, home = ring.spec, ring.home
    sealed = protection.sealed_configuration(home)
    return Needs(
        default=key == spec.key_name,
        spec=tuple(bucket.name for bucket in spec.minio.buckets if (bucket.key or spec.key_name) == key),
        rules=_rules(ring, key),
        objects=drives.usage(spec, home, key, seconds=seconds),
        configuration=bool(sealed and sealed[0] == key),
        local=bool(drives.drives(spec, home)),
    )


def _rules(ring: Ring, key: str) -> tuple[str, ...] | None:
    try:
        every = rules.every(ring.spec, services.minio(ring.spec, ring.home))
    except ServiceError:
        return None
    return tuple(rule.bucket for rule in every if rule.own and rule.key == key)


def refuse_when_lost(ring: Ring, key: str) -> None:
    """Raises DataProtected for a key that KES does not have, and that data here needs."""
    sealed = protection.sealed_configuration(ring.home)
    found = drives.usage(ring.spec, ring.home, key)
    if fingerprinted(ring, key) or found.objects or (sealed and sealed[0] == key):
        what = f"{found.objects} objects ({_named(found)})" if found.objects else "data of this deployment"
        restore = ring.keystore.restore(ring.spec, key)
        raise DataProtected(
            f"the key {key!r} is gone from the keystore, and {what} cannot be read without that very key",
            because="KES says: key does not exist",
            hint=f"{restore}; or the key itself: kesdeploy key import {key} @FILE -n {ring.home.name}",
        )


def fingerprinted(ring: Ring, key: str) -> bool:
    """Whether something is kept here that only that very key opens."""
    return ring.home.fingerprint(key).exists()


def refuse_to_delete(ring: Ring, key: str) -> Needs:
    """Raises DataProtected while anything needs the key, or nobody can tell."""
    found = of(ring, key)
    name = ring.home.name
    if found.default or found.configuration:
        raise DataProtected(
            f"{key!r} is the default key of {name}: it stays as long as the deployment does",
            because="MinIO's own configuration is encrypted with it, and every object that has no other key",
            hint=f"kesdeploy destroy -n {name} removes the deployment with all its data",
        )
    if found.rules is None:
        raise DataProtected(
            f"{key!r} is not deleted while MinIO does not answer",
            because="nobody can tell which buckets use it",
            hint=f"kesdeploy start -n {name}",
        )
    if found.buckets:
        hint = f"kesdeploy bucket rewrap {found.buckets[0]} OTHER-KEY -n {name}"
        raise DataProtected(f"{key!r} is the key of {_list(found.buckets)}", because="new objects need it", hint=hint)
    if found.objects.objects:
        bucket = next(iter(found.objects.buckets))
        raise DataProtected(
            f"{found.objects.objects} objects could never be read again without {key!r}",
            because=_named(found.objects),
            hint=f"kesdeploy bucket rewrap {bucket} OTHER-KEY -n {name}; or remove them",
        )
    if not found.local and ring.home.path("minio").exists():
        raise DataProtected(
            f"{key!r} is not deleted while nobody can tell which objects need it",
            because="MinIO's drives are not here",
            hint=f"kesdeploy bucket check -n {name} asks MinIO; then: kesdeploy kes -n {name} key rm {key}",
        )
    return found


def _named(usage: drives.Usage) -> str:
    return ", ".join(f"{count} in {bucket}" for bucket, count in usage.buckets.most_common(5))


def _list(buckets: tuple[str, ...]) -> str:
    return f"the bucket{'s' if len(buckets) > 1 else ''} {', '.join(buckets)}"
