"""key create, key import: new keys, never in the place of one that is there, or that data still needs."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kesdeploy import drives, gate, protection, services
from kesdeploy.ensure import FORBIDDEN, NOT_FOUND, check_fingerprint
from kesdeploy.errors import DataProtected, ServiceError, UsageError
from kesdeploy.keyring import door, makers, names, needs
from kesdeploy.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kesdeploy.deployment import Deployment
    from kesdeploy.keyring.door import Ring
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter

SIZE = 32
CIPHERS = ("AES256", "ChaCha20")


def create(wish: Wish, report: Reporter, wanted: Sequence[str]) -> Result:
    """Keys of these names, unless they are there. DataProtected for one that was lost and is needed."""
    with door.held(wish, report, theirs=f"kes key create {' '.join(wanted)}") as (ring, deployment):
        for name in wanted:
            names.new(ring.spec, name)
        there = {name: _there(ring, name) for name in dict.fromkeys(wanted)}
        missing = [name for name, found in there.items() if found is None]
        for name in there:
            protection.refuse_gone_key(deployment, name)
        for name in missing:
            needs.refuse_when_lost(ring, name)
        _preflight(deployment, missing)
        rows = [_row(ring, name, found, new=_create(ring, name, found)) for name, found in there.items()]
    return Result("key create", {"deployment": ring.home.name, "keystore": ring.spec.kms, "keys": rows})


def _there(ring: Ring, name: str) -> dict[str, Any] | None:
    """What KES tells of a key, nothing where it may only be used; None when there is none, or nobody says."""
    try:
        return ring.kes.describe_key(name)
    except ServiceError as error:
        if error.status == NOT_FOUND:
            return None
        if error.status != FORBIDDEN:
            raise
    try:
        ring.kes.generate(name)
    except ServiceError as error:
        if error.status not in (NOT_FOUND, FORBIDDEN):
            raise
        return None
    return {}


def _create(ring: Ring, name: str, found: dict[str, Any] | None) -> bool:
    return found is None and ring.kes.create_key(name)


def _row(ring: Ring, name: str, found: dict[str, Any] | None, *, new: bool) -> dict[str, Any]:
    maker = str((found or {}).get("created_by") or "")
    return {"name": name, "created": new, "maker": "" if new else makers.name(ring, maker)}


def _preflight(deployment: Deployment, missing: Sequence[str]) -> None:
    """What the keystore has against making these: in Azure, that a deleted key of the name would be purged."""
    if missing and not services.elsewhere(deployment.spec):
        deployment.keystore.preflight(replace(deployment.work, spec=names.with_keys(deployment.spec, missing)))


def bring(wish: Wish, report: Reporter, name: str, given: bytes, cipher: str) -> Result:
    """A key with these bytes. Where one of this name was lost, it has to be that very one."""
    secret = _secret(given)
    if cipher not in CIPHERS:
        raise UsageError(f"--cipher {cipher!r} is not known", hint=f"--cipher {' or '.join(CIPHERS)}")
    with door.held(wish, report, theirs=f"kes key import {name} KEY") as (ring, deployment):
        names.new(ring.spec, name)
        if (found := _there(ring, name)) is not None:
            maker = makers.name(ring, str(found.get("created_by") or ""))
            hint = "a key is never replaced; choose another name"
            raise UsageError(f"there is a key {name!r} already", because=f"made by {maker}", hint=hint)
        _preflight(deployment, [name])
        ring.kes.import_key(name, secret, cipher)
        proven = _is_the_lost_one(ring, deployment, name)
    data = {"deployment": ring.home.name, "keystore": ring.spec.kms, "key": name, "cipher": cipher, "proven": proven}
    return Result("key import", data)


def _secret(given: bytes) -> bytes:
    """32 bytes, as they are or in base64. UsageError otherwise, without repeating any of it."""
    if len(given) == SIZE:
        return given
    with suppress(binascii.Error, ValueError):
        if len(decoded := base64.b64decode(b"".join(given.split()), validate=True)) == SIZE:
            return decoded
    raise UsageError(
        f"a key is {SIZE} bytes, as they are or in base64",
        because=f"this is neither ({len(given)} bytes)",
        hint="openssl rand -base64 32 > key; kesdeploy key import NAME @key",
    )


def _is_the_lost_one(ring: Ring, deployment: Deployment, name: str) -> bool:
    """Whether it was proven to be a key that was lost; False when there was none to compare with.

    DataProtected when it is another one; it is taken out again then.
    """
    if not needs.fingerprinted(ring, name):
        if count := drives.usage(ring.spec, ring.home, name).objects:
            ring.report.warn(f"{count} objects need a key of this name: read one, to see whether this is it")
        return False
    try:
        gate.forget_keys(deployment)
        check_fingerprint(deployment, name)
    except DataProtected as error:
        ring.kes.delete_key(name)
        raise DataProtected(
            f"this is not the key {name!r} that encrypted the data here; it was taken out again",
            because=error.because,
            hint="the key as it was, from your copy of the keystore",
        ) from error
    return True
