"""What is refused before anything is written, because data would be lost by it (exit code 9)."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from kesdeploy import kes_versions
from kesdeploy.errors import DataProtected
from kesdeploy.home import SYSTEM

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.deployment import Deployment
    from kesdeploy.home import Home
    from kesdeploy.state import Pinned

# The header of MinIO's own encrypted configuration (internal/config/crypto.go), and the context it is sealed with.
_SEALED = re.compile(rb'"keyid":"([^"]+)","kmskey":"([^"]+)"')
CONFIG = ".minio.sys/config/config.json"
# What KES still holds in memory opens objects, until it is restarted or reads its configuration again.
_RESCUE = (
    "While KES still answers for that key, this saves the objects of a bucket under another key of this deployment: "
    "kesdeploy bucket rewrap BUCKET OTHER-KEY -n {name}"
)
CONFIG_CONTEXT = b'{".minio.sys":".minio.sys/config/config.json"}'


def refuse(deployment: Deployment) -> None:
    """Raises DataProtected when the spec no longer fits the data that is here."""
    if deployment.holds_data:
        _keystore(deployment)
        _key(deployment)
        _drives(deployment)
        _lacking(deployment)


def refuse_no_keystore(home: Home) -> None:
    """Raises DataProtected when data is here, for a spec that names no KMS any more."""
    if home.holds_data:
        was = next(iter(_keystores(home)), "")
        raise DataProtected(
            f"the data of {home.name!r} is encrypted, and MinIO cannot read it without a KMS",
            because=f"the spec names no keystore any more{f'; it was {was!r}' if was else ''}",
            hint=_name_again(home, was),
        )


def _name_again(home: Home, kind: str) -> str:
    """How the keystore comes back into the spec: as the fingerprints remember it."""
    sections = [origin["place"] for path in home.fingerprints() if (origin := _said(path, "origin"))]
    if kind and not any(section.get(kind) for section in sections):
        return f"kesdeploy up -n {home.name} --kms {kind}"
    section = json.dumps(sections[0]) if sections else "…"
    return f"put it back in {home.spec}: keystore: {section}; then: kesdeploy up -n {home.name}"


def _keystore(deployment: Deployment) -> None:
    recorded = deployment.state.value.keystore or next(iter(_keystores(deployment.home)), "")
    wanted = deployment.spec.kms
    if recorded and recorded != wanted:
        raise DataProtected(
            f"the data of {deployment.name!r} is encrypted with keys of the keystore {recorded!r}",
            because=f"{wanted!r} does not hold them",
            hint=f"keep the keystore {recorded!r}; or a new deployment beside it: "
            f"kesdeploy up --kms {wanted} -n {deployment.name}2",
        )


def _keystores(home: Home) -> list[str]:
    """The kinds of keystores that the fingerprints are of: `state.json` may be lost."""
    return [str(kind) for path in home.fingerprints() if (kind := _said(path, "keystore"))]


def _key(deployment: Deployment) -> None:
    """A new default key would leave the old one unguarded: MinIO may not create the default key, but any other."""
    known = set(deployment.home.guarded_keys())
    sealed = None if known else sealed_configuration(deployment.home)
    known |= {sealed[0]} if sealed else set()
    if known and deployment.spec.key_name not in known:
        raise DataProtected(
            f"the data here is encrypted with {', '.join(sorted(known))}, not with {deployment.spec.key_name!r}",
            because="the default key of a deployment that holds data stays",
            hint=f"kesdeploy up -n {deployment.name} --key-name {min(known)}; "
            "a bucket may have a key of its own (minio.buckets)",
        )


def _lacking(deployment: Deployment) -> None:
    """Before anything makes it anew: an empty one would take the place of the copy that has to come back."""
    if lost := _gone(deployment, f"kesdeploy up -n {deployment.name}"):
        raise lost


def gone(deployment: Deployment) -> DataProtected | None:
    """What the data here needs of a keystore that lies in the folder, and that is there no more; None while all is.

    A KES that runs may answer out of its cache for minutes, which hides it.
    """
    return _gone(deployment, f"kesdeploy verify -n {deployment.name}", f". {_RESCUE.format(name=deployment.name)}")


def refuse_gone(deployment: Deployment) -> None:
    """Raises DataProtected as `gone` says. Ask before KES reads its keys again: its cache may hold the last copy."""
    if lost := gone(deployment):
        raise lost


def refuse_gone_key(deployment: Deployment, key: str) -> None:
    """Raises DataProtected as `gone` says, where it is this key: KES may call it there, and nothing new may need it."""
    if (lost := gone(deployment)) and PurePath(deployment.keystore.lacks(deployment.work)).name == key:
        raise lost


def _gone(deployment: Deployment, after: str, rescue: str = "") -> DataProtected | None:
    """`after`: what comes once it is back. `rescue`: what else there is, where it is one key of several."""
    path = deployment.keystore.lacks(deployment.work) if deployment.holds_data else ""
    if not path:
        return None
    key = PurePath(path).name if "/" in path.rstrip("/") else deployment.spec.key_name
    there = deployment.home.path(path)
    how, because = ("damaged", f"{there} does not hold it") if there.exists() else ("gone", f"there is no {there}")
    return DataProtected(
        f"{path} is {how}, and the data of {deployment.name!r} can be read with nothing else",
        because=because,
        hint=f"{deployment.keystore.restore(deployment.spec, key)}; then: {after}"
        + (rescue if PurePath(path).name in deployment.home.guarded_keys() else ""),
    )


def _drives(deployment: Deployment) -> None:
    minio, wanted = deployment.home.path("minio"), deployment.spec.minio.drives
    there = 1 if (minio / SYSTEM).exists() else len(list(minio.glob(f"d*/{SYSTEM}")))
    if there != wanted:
        raise DataProtected(
            f"the data here lies on {there} drive(s), not on {wanted}",
            because="MinIO would start empty, and hide it",
            hint=f"--set minio.drives={there}; or copy the objects into a new deployment",
        )


def sandbox(deployment: Deployment) -> bool | None:
    """Whether what is here was written by stand-ins; None while nothing was decided.

    A fingerprint says it as well: `state.json` may be lost, and the data cannot be asked.
    """
    if (recorded := deployment.state.value.sandbox) is not None:
        return recorded
    for path in deployment.home.fingerprints():
        if (said := _said(path, "sandbox")) is not None:
            return bool(said)
    return None


def _said(fingerprint: Path, word: str) -> Any:
    """What a fingerprint says besides; None where it says nothing, or is damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        return json.loads(fingerprint.read_bytes())[word]
    return None


def refuse_older(deployment: Deployment, component: str, version: str) -> None:
    """Raises DataProtected for an image that could not read what a newer one wrote."""
    from kesdeploy.catalogue import is_older

    state = deployment.state.value
    pinned = None if state.sandbox else state.images.get(component)
    if component == "kes":
        _refuse_older_kes(deployment, version, pinned)
    elif pinned and is_older(component, version, pinned.version):
        raise DataProtected(
            f"{component} {version} is older than {pinned.version}, which this deployment ran",
            because="an older release cannot read what a newer one wrote",
            hint=f"--set images.{component}={pinned.reference}",
        )


def _refuse_older_kes(deployment: Deployment, version: str, pinned: Pinned | None) -> None:
    """A release that reads the same format may come back. Fingerprints tell as well: `state.json` may be lost."""
    ran = [*_kes_of_fingerprints(deployment.home), *([pinned.version] if pinned else [])]
    newer = [each for each in ran if not kes_versions.reads(version, each)]
    if newer:
        raise DataProtected(
            f"KES {version} cannot read the keys and the data of this deployment, which ran KES {newer[-1]}",
            because="their format is newer, and there is no way back",
            hint=f"--set images.kes={pinned.reference}" if pinned else "leave images.kes out of the spec",
        )


def _kes_of_fingerprints(home: Home) -> list[str]:
    return [kes for path in home.fingerprints() if (kes := made_with(path))]


def made_with(fingerprint: Path) -> str:
    """The release of KES that made a fingerprint, empty where it does not say."""
    return str(_said(fingerprint, "kes") or "")


def outdated(deployment: Deployment, fingerprint: Path) -> str:
    """Why a fingerprint should be made again: an older KES could still read this one, and no longer the data."""
    made, now = made_with(fingerprint), deployment.state.value.images.get("kes")
    if made and now and not kes_versions.reads(made, now.version):
        return f"KES {now.version} writes what older ones cannot read"
    return ""


def sealed_configuration(home: Home) -> tuple[str, str] | None:
    """The key's name and the ciphertext (base64) in MinIO's own configuration: a fingerprint that is always there."""
    for path in (drive / CONFIG / "xl.meta" for drive in home.drives()):
        if path.is_file() and (found := _SEALED.search(path.read_bytes())):
            return found[1].decode(), found[2].decode()
    return None
