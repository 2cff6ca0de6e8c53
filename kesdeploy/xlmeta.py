"""What MinIO's `xl.meta` says of an object: each of its versions, how it is encrypted, and with which key.

Format 1.3 (RELEASE.2025-04-22T22-12-26Z, cmd/xl-storage-format-v2.go): magic, version, then MessagePack of header
version, metadata version, count, and a pair (header, metadata) for each version, the latest first. The stand-in's own
format is read as well. Encryption stands in keys of internal/crypto/metadata.go.
"""

from __future__ import annotations

import json
import struct
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KMS, S3, CUSTOMER = "sse-kms", "sse-s3", "sse-c"

_MAGIC, _SANDBOX = b"XL2 ", b"KDSB1\n"
_FORMAT = struct.Struct("<HH")
# How long the metadata is: a MessagePack bin32, or the stand-in's word. What follows it is the data of small objects.
_LENGTH, _SANDBOX_LENGTH = struct.Struct(">xI"), struct.Struct("<I")
_HEAD = len(_MAGIC) + _FORMAT.size
_AT_ONCE = 16 * 1024
_OBJECT = 1
_PREFIX = "X-Minio-Internal-Server-Side-Encryption-"
# Whose sealed key it is tells the kind: what is called S3-Kms is there for SSE-KMS too.
_SEALED: Final = {f"{_PREFIX}Kms-Sealed-Key": KMS, f"{_PREFIX}S3-Sealed-Key": S3, f"{_PREFIX}Sealed-Key": CUSTOMER}
_KEY = f"{_PREFIX}S3-Kms-Key-Id"


class Unreadable(Exception):
    """The file is none of the known formats, or damaged. `data` is what of it was read."""

    def __init__(self, why: str, data: bytes) -> None:
        super().__init__(why)
        self.data = data


@dataclass(frozen=True)
class Version:
    """A version of an object that is not a deletion.

    id: empty for the one of a bucket without versioning. sse: empty for one in the clear. key: KES's name of the key;
    empty where there is none, as in SSE-C.
    """

    id: str
    sse: str
    key: str


def read(path: Path) -> tuple[Version, ...]:
    """The versions in a file, without the data of small objects that it may hold. Raises Unreadable and OSError."""
    with path.open("rb") as file:
        data = file.read(_AT_ONCE)
        with suppress(struct.error):
            data += file.read(max(0, _end(data) - len(data)))
    return versions(data)


def _end(data: bytes) -> int:
    word, start = (_SANDBOX_LENGTH, len(_SANDBOX)) if data.startswith(_SANDBOX) else (_LENGTH, _HEAD)
    return int(start + word.size + word.unpack_from(data, start)[0])


def versions(data: bytes) -> tuple[Version, ...]:
    """Every version that holds data, the latest first. Raises Unreadable."""
    try:
        return tuple(_sandbox(data) if data.startswith(_SANDBOX) else _real(data))
    except Exception as error:  # each reader has errors of its own for what is damaged
        raise Unreadable(str(error) or type(error).__name__, data) from error


def _real(data: bytes) -> Iterator[Version]:
    if not data.startswith(_MAGIC) or _FORMAT.unpack_from(data, len(_MAGIC)) < (1, 3):
        raise ValueError("not a format that is known")
    found = _unpacked(_unpacked(data[_HEAD:]).unpack())
    found.skip()
    found.skip()
    for _ in range(found.unpack()):
        found.skip()
        version = _unpacked(found.unpack()).unpack()
        if version["Type"] == _OBJECT:
            yield _version(version["V2Obj"])


def _unpacked(data: bytes) -> Any:
    import msgpack

    unpacker = msgpack.Unpacker(strict_map_key=False, unicode_errors="surrogateescape")
    unpacker.feed(data)
    return unpacker


def _version(found: Mapping[str, Any]) -> Version:
    plain = {name: value.decode(errors="replace") for name, value in (found.get("MetaSys") or {}).items()}
    identifier = uuid.UUID(bytes=found["ID"])
    return Version(str(identifier) if identifier.int else "", *_encryption(plain))


def _sandbox(data: bytes) -> Iterator[Version]:
    body = data[len(_SANDBOX) + _SANDBOX_LENGTH.size : _end(data)]
    yield Version("", *_encryption(json.loads(body)["system"]))


def _encryption(system: Mapping[str, str]) -> tuple[str, str]:
    sse = next((kind for name, kind in _SEALED.items() if name in system), "")
    return sse, system.get(_KEY, "") if sse in (KMS, S3) else ""
