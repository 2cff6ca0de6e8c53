"""What is refused before anything is written, because data would be lost by it (exit code 9)."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from kesdeploy import kes_versions
from kesdeploy.errors import DataProtected

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.deployment import Deployment
    from kesdeploy.home import Home
    from kesdeploy.state import Pinned

# The header of MinIO's own encrypted configuration (internal/config/crypto.go), and the context it is sealed with.
_SEALED = re.compile(rb'"keyid":"([^"]+)","kmskey":"([^"]+)"')
CONFIG = ".minio.sys/config/config.json"
CONFIG_CONTEXT = b'{".minio.sys":".minio.sys/config/config.json"}'


def refuse(deployment: Deployment) -> None:
    """Raises DataProtected when the spec no longer fits the data that is here."""
    if deployment.holds_data:
        _keystore(deployment)
        _key(deployment)
        _drives(deployment)


def _keystore(deployment: Deployment) -> None:
    recorded, wanted = deployment.state.value.keystore, deployment.spec.kms
    if recorded and recorded != wanted:
        raise DataProtected(
            f"the data of {deployment.name!r} is encrypted with keys of the keystore {recorded!r}",
            because=f"{wanted!r} does not hold them",
            hint=f"a new deployment beside it: kesdeploy up --kms {wanted} -n {deployment.name}2",
        )


def _key(deployment: Deployment) -> None:
    """A new default key would leave the old one unguarded: MinIO may not create the default key, but any other."""
    known = {p.name.removeprefix("fingerprint-").removesuffix(".json") for p in fingerprints(deployment.home)}
    if known and deployment.spec.key_name not in known:
        raise DataProtected(
            f"the data here is encrypted with {', '.join(sorted(known))}, not with {deployment.spec.key_name!r}",
            because="the default key of a deployment that holds data stays",
            hint="leave key_name as it was; a bucket may have a key of its own (minio.buckets)",
        )


def _drives(deployment: Deployment) -> None:
    minio, wanted = deployment.home.path("minio"), deployment.spec.minio.drives
    there = 1 if (minio / ".minio.sys").exists() else len(list(minio.glob("d*/.minio.sys")))
    if there != wanted:
        raise DataProtected(
            f"the data here lies on {there} drive(s), not on {wanted}",
            because="MinIO would start empty, and hide it",
            hint=f"--set minio.drives={there}; or copy the objects into a new deployment",
        )


def fingerprints(home: Home) -> list[Path]:
    return sorted(home.path("secrets").glob("fingerprint-*.json"))


def sandbox(deployment: Deployment) -> bool | None:
    """Whether what is here was written by stand-ins; None while nothing was decided.

    A fingerprint says it as well: `state.json` may be lost, and the data cannot be asked.
    """
    if (recorded := deployment.state.value.sandbox) is not None:
        return recorded
    for path in fingerprints(deployment.home):
        with suppress(ValueError, KeyError, TypeError):
            return bool(json.loads(path.read_bytes())["sandbox"])
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
    return [kes for path in fingerprints(home) if (kes := made_with(path))]


def made_with(fingerprint: Path) -> str:
    """The release of KES that made a fingerprint, empty where it does not say."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(fingerprint.read_bytes())["kes"])
    return ""


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
