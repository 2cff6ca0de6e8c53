"""Objects as a whole: bytes in, bytes out, encrypted on the way where they are to be."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy.sandbox.minio import sealing
from kesdeploy.sandbox.minio.drive import INLINE, Drive, Meta, Part
from kesdeploy.sandbox.minio.errors import S3Error

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.sandbox.minio.kms import Kms
    from kesdeploy.sandbox.minio.sealing import Sealed

Read = Callable[[int], bytes]


@dataclass
class Written:
    """What became of a stream: bytes of the object, bytes on disk, MD5 of the former."""

    actual: int = 0
    size: int = 0
    md5: bytes = b""
    inline: bytes = b""
    file: Path | None = None


def write(drive: Drive, read: Read, key: bytes | None, part: int, *, allow_inline: bool = True) -> Written:
    """Store a stream, small ones in memory, others as `part.N` in a folder of their own under the drive's tmp."""
    done = Written()
    digest = hashlib.md5(usedforsecurity=False)
    plain = _blocks(read, digest.update, done)
    stored = sealing.encrypt(key, part, plain) if key else plain
    held: list[bytes] = []
    for block in stored:
        held.append(block)
        done.size += len(block)
        if done.size > INLINE:
            break
    if done.size > INLINE or not allow_inline:
        done.file = drive.tmp / str(uuid.uuid4()) / f"part.{part}"
        done.size = drive.write_part(done.file, _chain(held, stored))
    else:
        done.inline = b"".join(held)
    done.md5 = digest.digest()
    return done


def put(drive: Drive, bucket: str, name: str, read: Read, user: dict[str, str], sealed: Sealed | None) -> Meta:
    """Store one object from one stream."""
    done = write(drive, read, sealed.key if sealed else None, 1)
    system = dict(sealed.meta) if sealed else {}
    etag = sealed_etag(done.md5, sealed)
    folder = done.file.parent if done.file else None
    parts = (Part(1, done.size, done.actual),)
    meta = Meta(done.actual, etag, time.time(), parts, user, system, folder.name if folder else "")
    drive.commit(bucket, name, meta, inline=done.inline, parts=folder)
    return meta


def sealed_etag(md5: bytes, sealed: Sealed | None) -> str:
    """MD5 in the clear, sealed for SSE-S3, and for SSE-KMS something that tells nothing."""
    if sealed is None:
        return md5.hex()
    if sealing.kind(sealed.meta) == "S3":
        return sealing.seal_text(sealed.key, md5)
    return os.urandom(16).hex()


def open_etag(meta: Meta, key: bytes | None) -> str:
    """The ETag for clients; as it stands where it cannot be opened."""
    if key is not None and is_sealed(meta):
        return sealing.unseal_text(key, meta.etag).hex()
    return meta.etag


def is_sealed(meta: Meta) -> bool:
    """Whether the ETag needs the object's key to be read (one part, SSE-S3)."""
    return sealing.kind(meta.system) == "S3" and "-" not in meta.etag


def key_of(kms: Kms | None, meta: Meta, bucket: str, name: str) -> bytes | None:
    """The object's key, None for one in the clear. Raises KmsError."""
    if not sealing.kind(meta.system):
        return None
    if kms is None:
        raise S3Error(501, "NotImplemented", "Server side encryption specified but KMS is not configured")
    return sealing.unseal(kms, meta.system, bucket, name)


def get(drive: Drive, bucket: str, name: str, meta: Meta, key: bytes | None, span: tuple[int, int]) -> Iterator[bytes]:
    """The object's bytes from `span[0]` up to `span[1]`."""
    start, end = span
    at = 0
    for part in meta.parts:
        low, high = max(start - at, 0), min(end - at, part.actual)
        if low < high:
            yield from _part(drive, bucket, name, meta, part, key, (low, high))
        at += part.actual


def _part(  # noqa: PLR0913, PLR0917
    drive: Drive, bucket: str, name: str, meta: Meta, part: Part, key: bytes | None, span: tuple[int, int]
) -> Iterator[bytes]:
    low, high = span
    if key is None:
        yield from drive.read(bucket, name, meta, part, low, high)
        return
    first, last = low // sealing.CHUNK, (high - 1) // sealing.CHUNK + 1
    whole = sealing.CHUNK + sealing.OVERHEAD
    stored = drive.read(bucket, name, meta, part, first * whole, min(last * whole, part.size))
    at = first * sealing.CHUNK
    for block in sealing.decrypt(key, part.number, resize(stored, whole), first):
        yield block[max(low - at, 0) : high - at]
        at += len(block)


def resize(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in blocks of `size`, the last one shorter."""
    held = b""
    for block in blocks:
        held += block
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if held:
        yield held


def _blocks(read: Read, seen: Callable[[bytes], None], done: Written) -> Iterator[bytes]:
    def stream() -> Iterator[bytes]:
        while block := read(sealing.CHUNK):
            seen(block)
            done.actual += len(block)
            yield block

    return resize(stream(), sealing.CHUNK)


def _chain(held: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from held
    yield from rest
