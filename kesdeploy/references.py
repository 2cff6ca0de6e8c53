"""What names an image: the grammar that engines and registries share (distribution/reference, regexp.go)."""

from __future__ import annotations

import re

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?:{_HOST}(?::[0-9]+)?/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@{_DIGEST})?"
)
_LONGEST_NAME = 255


def reference(value: str) -> str:
    """The same value, once it can name an image. ValueError when no engine would take it."""
    if "://" in value:
        raise ValueError("an image reference begins with its registry, without https://")
    if not _REFERENCE.fullmatch(value) or len(value.partition("@")[0]) > _LONGEST_NAME:
        raise ValueError("an image reference is REGISTRY/NAME:TAG, as in quay.io/minio/kes:2025-03-12T09-35-18Z")
    return value


def split(value: str) -> tuple[str, str]:
    """A reference without its digest, and the digest (`sha256:…` or "")."""
    name, _, digest = value.partition("@")
    return name, digest


def repository(value: str) -> str:
    """Registry and name alone."""
    name, _ = split(value)
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def by_digest(value: str, digest: str) -> str:
    """What asks the same repository for exactly these bytes, whatever the tag says."""
    return f"{repository(value)}@{digest}"
