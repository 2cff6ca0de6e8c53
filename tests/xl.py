"""`xl.meta` files as MinIO RELEASE.2025-04-22T22-12-26Z writes them, in format 1.3."""

from __future__ import annotations

import struct
import uuid
from typing import TYPE_CHECKING

import msgpack

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "X-Minio-Internal-Server-Side-Encryption-"
SEALED = {"sse-kms": "Kms-Sealed-Key", "sse-s3": "S3-Sealed-Key", "sse-c": "Sealed-Key"}


def encrypted(sse: str, key: str = "") -> dict[str, bytes]:
    """What the metadata of an object has; nothing for one in the clear."""
    named = {f"{PREFIX}S3-Kms-Key-Id": key.encode(), f"{PREFIX}S3-Kms-Sealed-Key": b"c2VhbGVk"} if key else {}
    return {f"{PREFIX}{SEALED[sse]}": b"c2VhbGVk", **named} if sse else {}


def version(sse: str = "", key: str = "", *, versioned: bool = False, **user: str) -> dict[str, object]:
    """An object's version; `user`: metadata of its user."""
    identifier = uuid.uuid4().bytes if versioned else bytes(16)
    body = {"ID": identifier, "DDir": uuid.uuid4().bytes, "EcDist": [1], "Size": 5, "MTime": 1}
    return {"Type": 1, "V2Obj": {**body, "MetaSys": encrypted(sse, key) or None, "MetaUsr": user}, "v": 1}


def deletion() -> dict[str, object]:
    return {"Type": 2, "DelObj": {"ID": uuid.uuid4().bytes, "MTime": 1}, "v": 1}


def meta(*versions: dict[str, object], inline: bytes = b"") -> bytes:
    """A whole file. `inline`: data of a small object, which follows."""
    headers = [msgpack.packb([v.get("V2Obj", v.get("DelObj"))["ID"], 1, b"sign", v["Type"], 0, 0, 1]) for v in versions]
    pairs = b"".join(
        msgpack.packb(header) + msgpack.packb(msgpack.packb(v)) for header, v in zip(headers, versions, strict=True)
    )
    body = msgpack.packb(3) + msgpack.packb(3) + msgpack.packb(len(versions)) + pairs
    # MinIO always writes the long form of a length.
    return b"XL2 " + struct.pack("<HH", 1, 3) + b"\xc6" + struct.pack(">I", len(body)) + body + b"\xce1234" + inline


def store(drive: Path, bucket: str, name: str, data: bytes) -> Path:
    """Put a file where MinIO would, on a drive that then is one."""
    (drive / ".minio.sys").mkdir(parents=True, exist_ok=True)
    folder = drive / bucket / (f"{name[:-1]}__XLDIR__" if name.endswith("/") else name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "xl.meta").write_bytes(data)
    return folder / "xl.meta"
