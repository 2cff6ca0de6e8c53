"""MINIO_KMS_*: which of them may stand together, and the words when they may not.

A variable that is set but empty counts as set: so does the real server, and so people get locked out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kesdeploy.sandbox.minio.errors import Fatal

if TYPE_CHECKING:
    from collections.abc import Mapping

_KES = ("ENDPOINT", "KEY_NAME", "API_KEY", "KEY_FILE", "CERT_FILE", "CAPATH", "KEY_PASSWORD")
_MINKMS = ("SERVER", "ENCLAVE", "SSE_KEY", "API_KEY")
_STATIC = ("SECRET_KEY", "SECRET_KEY_FILE")
_ELLIPSIS = re.compile(r"\{(\d+)\.\.\.(\d+)\}")
_INVALID = "Invalid KMS configuration specified: kms: "


@dataclass(frozen=True)
class KmsSettings:
    """How to reach KES: an API key, or a key and a certificate in files. `ca` is a file or a folder, or ""."""

    endpoints: tuple[str, ...]
    key: str
    api_key: str = field(repr=False)
    cert_file: str
    key_file: str
    ca: str


def read_kms(env: Mapping[str, str]) -> KmsSettings | None:
    """What the environment says about KES, or None. Raises Fatal."""
    kes = [n for n in _KES if f"MINIO_KMS_KES_{n}" in env]
    minkms = [n for n in _MINKMS if f"MINIO_KMS_{n}" in env]
    static = [n for n in _STATIC if env.get(f"MINIO_KMS_{n}")]
    _exclusive(bool(kes), bool(minkms), bool(static))
    if minkms or static:
        raise Fatal("kesdeploy's stand-in for MinIO knows KES alone: no MinKMS, no static key")
    if not kes:
        return None
    _complete(kes)
    value = {n: _get(env, f"MINIO_KMS_KES_{n}") for n in _KES}
    ends = tuple(e for part in value["ENDPOINT"].split(",") for e in _expand(part.strip()) if e)
    return KmsSettings(
        ends, value["KEY_NAME"], value["API_KEY"], value["CERT_FILE"], value["KEY_FILE"], value["CAPATH"]
    )


def _exclusive(kes: bool, minkms: bool, static: bool) -> None:
    if minkms and kes:
        raise Fatal(_INVALID + "configuration for MinIO KMS and MinIO KES is present")
    if minkms and static:
        raise Fatal(_INVALID + "configuration for MinIO KMS and static KMS key is present")
    if kes and static:
        raise Fatal(_INVALID + "configuration for MinIO KES and static KMS key is present")


def _complete(kes: list[str]) -> None:
    for name in ("ENDPOINT", "KEY_NAME"):
        if name not in kes:
            raise Fatal(_INVALID + f"incomplete configuration for MinIO KES: missing 'MINIO_KMS_KES_{name}'")
    pair = [n for n in ("CERT_FILE", "KEY_FILE") if n in kes]
    if "API_KEY" in kes and pair:
        why = "'MINIO_KMS_KES_API_KEY' and client certificate is present"
        raise Fatal(_INVALID + f"invalid configuration for MinIO KES: {why}")
    if "API_KEY" not in kes and not pair:
        raise Fatal(_INVALID + "incomplete configuration for MinIO KES: missing authentication method")
    for name in ("CERT_FILE", "KEY_FILE"):
        if pair and name not in pair:
            raise Fatal(_INVALID + f"incomplete configuration for MinIO KES: missing 'MINIO_KMS_KES_{name}'")


def _get(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    return "" if value.startswith("env") else value


def _expand(text: str) -> list[str]:
    match = _ELLIPSIS.search(text)
    if match is None:
        return [text]
    width = len(match[1]) if match[1].startswith("0") else 0
    numbers = range(int(match[1]), int(match[2]) + 1)
    return [e for n in numbers for e in _expand(text[: match.start()] + f"{n:0{width}d}" + text[match.end() :])]
