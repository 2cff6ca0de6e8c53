"""What a fingerprint tells besides the key itself: where the keystore was, and who had made the key when."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kesdeploy import services
from kesdeploy.errors import DataProtected, KesdeployError
from kesdeploy.files import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.deployment import Deployment
    from kesdeploy.home import Home

OUT = "left out"


@dataclass(frozen=True)
class Origin:
    """Where a key was when its fingerprint was made. All of it is for explaining: whether it still opens, tells KES.

    place: the section `keystore` as the spec had it. instance: what told that service from another one at the same
    address. created_at, created_by: the key's, as KES said.
    """

    place: Mapping[str, Any] = field(default_factory=dict)
    instance: str = ""
    created_at: str = ""
    created_by: str = ""


def sealed(home: Home, key: str) -> tuple[bytes, str]:
    """The ciphertext, and the digest (SHA-256, hex) of what it opens to. DataProtected when the file is damaged."""
    path = home.fingerprint(key)
    try:
        return _parts(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataProtected(
            f"the fingerprint of the key {key!r} is damaged, so nobody can tell whether it is the right key",
            because=f"{path} does not hold what kesdeploy wrote",
            hint=f"put {path.name} back from your copy of secrets/",
        ) from error


def _parts(document: Mapping[str, str]) -> tuple[bytes, str]:
    ciphertext, digest = base64.b64decode(document["ciphertext"], validate=True), document["sha256"]
    if not ciphertext or len(bytes.fromhex(digest)) != hashlib.sha256().digest_size:
        raise ValueError("a part is missing")
    return ciphertext, digest


def kept(home: Home, key: str) -> Origin:
    """As it was written; empty where there is none, or one that does not say."""
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        return Origin(**json.loads(home.fingerprint(key).read_bytes())["origin"])
    return Origin()


def now(deployment: Deployment, key: str) -> Origin:
    """As it is. What nobody tells stays empty."""
    made = described(deployment, key) or {}
    with suppress(KesdeployError):
        instance = deployment.keystore.instance(deployment.work)
        return Origin(place(deployment), instance, str(made.get("created_at", "")), str(made.get("created_by", "")))
    return Origin(place(deployment))


def place(deployment: Deployment) -> dict[str, Any]:
    """The section `keystore` of the spec, as it is written."""
    return dict(deployment.spec.document()["keystore"])


def described(deployment: Deployment, key: str) -> dict[str, Any] | None:
    """What KES tells of a key; None when it tells nothing."""
    with suppress(KesdeployError):
        return services.kes(deployment.spec, deployment.home).describe_key(key)
    return None


def follow(deployment: Deployment, key: str) -> None:
    """Note where the keystore is now, once it was seen to hold the very key: after a migration, that counts."""
    path = deployment.home.fingerprint(key)
    if not path.exists() or kept(deployment.home, key).place == place(deployment):
        return
    document = json.loads(path.read_bytes())
    write_private(path, json.dumps({**document, "origin": asdict(now(deployment, key))}, indent=1).encode())


def moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """What differs between two places: dotted path below `keystore`, what it was, what it is."""
    old, new = _flat(before), _flat(after)
    paths = [path for path in (*old, *new) if old.get(path, OUT) != new.get(path, OUT)]
    return tuple((path, old.get(path, OUT), new.get(path, OUT)) for path in dict.fromkeys(paths))


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in tree.items():
        path = f"{above}.{name}" if above else name
        found |= _flat(value, path) if isinstance(value, dict) and value else {path: str(value) if value else OUT}
    return found
