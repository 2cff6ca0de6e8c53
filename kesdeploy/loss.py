"""What became of a key that the data needs, in words, and the ways back. Nothing is made in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy import fingerprints
from kesdeploy.errors import DataProtected, KesdeployError, ServiceError
from kesdeploy.fingerprints import OUT, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from kesdeploy.deployment import Deployment

NOT_FOUND = 404


def of(deployment: Deployment, key: str, error: KesdeployError) -> DataProtected:
    """Why the keystore does not open what this key encrypted. `error`: how KES refused."""
    before = fingerprints.kept(deployment.home, key)
    there = None if _missing(error) else fingerprints.described(deployment, key)
    return (
        _elsewhere(deployment, key, before, error)
        or _reset(deployment, key, before)
        or (_gone(deployment, key, error) if _missing(error) else _another(deployment, key, before, there, error))
    )


def _missing(error: KesdeployError) -> bool:
    return isinstance(error, ServiceError) and error.status == NOT_FOUND


def _elsewhere(deployment: Deployment, key: str, before: Origin, error: KesdeployError) -> DataProtected | None:
    changed = fingerprints.moved(before.place, fingerprints.place(deployment)) if before.place else ()
    if not changed:
        return None
    told = "; ".join(f"keystore.{path} was {_said(old)} and is {_said(new)}" for path, old, new in changed)
    found = "no such key is there" if _missing(error) else "the key of that name there opens nothing of it"
    return DataProtected(
        f"the keystore that the spec names now does not hold the key {key!r} of the data here",
        because=f"{told}; {found}",
        hint=_put_back(deployment, changed),
    )


def _said(value: str) -> str:
    return value if value == OUT else repr(value)


def _put_back(deployment: Deployment, changed: tuple[tuple[str, str, str], ...]) -> str:
    again = f"kesdeploy up -n {deployment.name}"
    if any(old == OUT for _, old, _ in changed):
        paths = ", ".join(f"keystore.{path}" for path, _, _ in changed)
        return f"put {paths} back in {deployment.home.spec}, or copy the keys to the new place; then: {again}"
    flags = " ".join(f"--set keystore.{path}={old}" for path, old, _ in changed)
    return f"{again} {flags}; or copy the keys to the new place first"


def _reset(deployment: Deployment, key: str, before: Origin) -> DataProtected | None:
    is_now = fingerprints.now(deployment, key).instance if before.instance else ""
    if not is_now or is_now == before.instance:
        return None
    return DataProtected(
        f"{deployment.keystore.title} is not the one that held the key {key!r} of the data here: it was set up anew",
        because=f"it was {before.instance}, and is {is_now}",
        hint=_back(deployment, key),
    )


def _gone(deployment: Deployment, key: str, error: KesdeployError) -> DataProtected:
    return DataProtected(
        f"the key {key!r} that encrypted the data here is gone from the keystore; no other is made in its place",
        because=error.because or error.what,
        hint=_back(deployment, key),
    )


def _another(
    deployment: Deployment, key: str, before: Origin, there: Mapping[str, Any] | None, error: KesdeployError
) -> DataProtected:
    return DataProtected(
        f"the keystore holds another key of the name {key!r} now, which opens nothing of the data here",
        because=_made_again(before, there or {}) or error.because or error.what,
        hint=_back(deployment, key),
    )


def _made_again(before: Origin, there: Mapping[str, Any]) -> str:
    at, by = str(there.get("created_at", "")), str(there.get("created_by", ""))
    if not at or not before.created_at or at == before.created_at:
        return ""
    who = f" by {by}" if by and by != before.created_by else ""
    return f"the data's was made {before.created_at}, this one {at}{who}"


def _back(deployment: Deployment, key: str) -> str:
    restore = deployment.keystore.restore(deployment.spec, key)
    return f"{restore}; then: kesdeploy up -n {deployment.name}"
