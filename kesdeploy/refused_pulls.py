"""What a registry's refusal means: its own words often say something else than what happened."""

from __future__ import annotations

import re

from kesdeploy import explain
from kesdeploy.references import repository

_HUB, _QUAY = "docker.io/minio/", "quay.io/minio/"
# Docker: "pull access denied for X, repository does not exist or may require 'docker login'"; Podman: "requested access
# to the resource is denied"; Quay: "unauthorized: access to the requested resource is not authorized".
_CLOSED = re.compile(
    r"docker login|(?<!permission )\bdenied\b|unauthori[sz]ed|not authori[sz]ed|authentication required", re.IGNORECASE
)
_ABSENT = re.compile(r"manifest unknown|not found|name unknown|\b404\b", re.IGNORECASE)
_OTHER_BYTES = re.compile(r"not match .*digest|digest (mismatch|did not match)", re.IGNORECASE)
_PASSING = re.compile(
    r"unexpected EOF|connection reset|broken pipe|i/o timeout|TLS handshake timeout|context deadline exceeded"
    r"|\b50[0234]\b|bad gateway|service unavailable",
    re.IGNORECASE,
)


def meaning(reference: str, words: str, *, engine: str = "podman") -> str:
    """What really happened, "" where nothing is known. `reference` is what was asked for, by tag or by digest."""
    if _CLOSED.search(words):
        return _closed(reference, engine)
    if _OTHER_BYTES.search(words):
        return "it gave other bytes than that digest, and they were refused"
    if "@" in reference and _ABSENT.search(words):
        return "it does not have the release under the published digest"
    found = explain.advice(words)
    return found.cause if found else ""


def _closed(reference: str, engine: str) -> str:
    """Registries say the same of what was deleted, of what is private, and of what never was."""
    if reference.startswith(_HUB):
        return "no login helps: MinIO deleted its repositories on Docker Hub on 2026-09-11"
    if reference.startswith(_QUAY):
        return "no login helps: quay.io/minio is closed to anonymous pulls since September 2026"
    host = repository(reference).partition("/")[0]
    return f"it has no such repository, or wants a login: {engine} login {host}"


def passing(words: str) -> bool:
    """Whether the same question may be answered a moment later."""
    return bool(_PASSING.search(words)) and not _CLOSED.search(words)
