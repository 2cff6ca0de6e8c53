"""Encryption of objects: a random key an object, sealed by a data key from KES, in chunks of 64 KiB.

On disk the names are the real server's, so that whoever looks for them finds them; the bytes behind them are not its
format. Each chunk grows by 32 bytes, as it does in the real one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kesdeploy.sandbox.minio.errors import S3Error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from kesdeploy.sandbox.minio.kms import Kms

CHUNK = 64 * 1024
OVERHEAD = 32
_PREFIX = "X-Minio-Internal-Server-Side-Encryption-"
ALGORITHM, IV = _PREFIX + "Seal-Algorithm", _PREFIX + "Iv"
S3_SEALED, KMS_SEALED = _PREFIX + "S3-Sealed-Key", _PREFIX + "Kms-Sealed-Key"
KEY_ID, DATA_KEY, CONTEXT = _PREFIX + "S3-Kms-Key-Id", _PREFIX + "S3-Kms-Sealed-Key", _PREFIX + "Context"
_HEADER = 16


@dataclass(frozen=True)
class Wanted:
    """`kind` is S3 or KMS, `context` is what the client sent, base64."""

    kind: str
    key: str = ""
    context: str = ""


@dataclass(frozen=True)
class Sealed:
    """A key for one object, and how it is kept with the object."""

    key: bytes = field(repr=False)
    meta: Mapping[str, str]


def seal(kms: Kms, wanted: Wanted, bucket: str, name: str) -> Sealed:
    """A new object key. Raises KmsError."""
    data_key = kms.generate(wanted.key, _bound(wanted.context, bucket, name))
    key, iv = os.urandom(32), os.urandom(32)
    nonce = os.urandom(12)
    box = bytes(4) + nonce + _aead(data_key.plaintext).encrypt(nonce, key, iv)
    meta = {
        ALGORITHM: "KESDEPLOY-SANDBOX-AES256-GCM",
        IV: _b64(iv),
        S3_SEALED if wanted.kind == "S3" else KMS_SEALED: _b64(box),
        KEY_ID: data_key.key,
        DATA_KEY: data_key.sealed,
    }
    return Sealed(key, meta | ({CONTEXT: wanted.context} if wanted.context else {}))


def unseal(kms: Kms, meta: Mapping[str, str], bucket: str, name: str) -> bytes:
    """The object key. Raises KmsError, and S3Error when the metadata was moved or changed."""
    from cryptography.exceptions import InvalidTag

    plaintext = kms.decrypt(meta[KEY_ID], meta[DATA_KEY], _bound(meta.get(CONTEXT, ""), bucket, name))
    box = base64.b64decode(meta.get(S3_SEALED) or meta[KMS_SEALED])
    try:
        return _aead(plaintext).decrypt(box[4:_HEADER], box[_HEADER:], base64.b64decode(meta[IV]))
    except InvalidTag:
        raise S3Error(400, "InvalidRequest", "The object key could not be opened") from None


def kind(meta: Mapping[str, str]) -> str:
    """S3, KMS, or "" for an object in the clear."""
    return "S3" if S3_SEALED in meta else "KMS" if KMS_SEALED in meta else ""


def encrypt(key: bytes, part: int, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Seal a stream of blocks, of which all but the last are CHUNK long."""
    aead = _aead(part_key(key, part))
    for number, block in enumerate(blocks):
        nonce = os.urandom(12)
        position = struct.pack("<I", number)
        yield position + nonce + aead.encrypt(nonce, block, position)


def decrypt(key: bytes, part: int, chunks: Iterable[bytes], first: int) -> Iterator[bytes]:
    """Open sealed chunks of which the first has the number `first`. Raises S3Error when they were changed."""
    from cryptography.exceptions import InvalidTag

    aead = _aead(part_key(key, part))
    for number, chunk in enumerate(chunks, first):
        try:
            yield aead.decrypt(chunk[4:_HEADER], chunk[_HEADER:], struct.pack("<I", number))
        except InvalidTag:
            raise S3Error(500, "InternalError", "The object was changed on the disk") from None


def seal_text(key: bytes, text: bytes) -> str:
    """16 bytes as 96 hexadecimal digits (an ETag at rest)."""
    nonce = os.urandom(12)
    return (bytes(4) + nonce + _aead(part_key(key, 0)).encrypt(nonce, text, None)).hex()


def unseal_text(key: bytes, sealed: str) -> bytes:
    box = bytes.fromhex(sealed)
    return _aead(part_key(key, 0)).decrypt(box[4:_HEADER], box[_HEADER:], None)


def part_key(key: bytes, part: int) -> bytes:
    return hmac.digest(key, struct.pack("<I", part), hashlib.sha256)


def _bound(context: str, bucket: str, name: str) -> dict[str, str]:
    import json

    own = {bucket: f"{bucket}/{name}"}
    return {**json.loads(base64.b64decode(context)), **own} if context else own


def _aead(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
