"""MinIO's own configuration: written once, sealed with the default key, and the reason why auto-encryption may be off.

When it can be neither read nor written, the real server starts all the same, says so on stderr, answers "healthy", and
stores in the clear what it was told to encrypt by default. So does this one.
"""

from __future__ import annotations

import json
import os
import struct
from typing import TYPE_CHECKING

from kesdeploy.sandbox.minio.drive import SYSTEM, Drive, Meta, Part
from kesdeploy.sandbox.minio.errors import NO_KEY, KmsError, S3Error
from kesdeploy.sandbox.minio.sealing import part_key

if TYPE_CHECKING:
    from kesdeploy.sandbox.minio.kms import Kms

NAME = "config/config.json"
_CONTEXT = {SYSTEM: f"{SYSTEM}/{NAME}"}


def load(drive: Drive, kms: Kms | None) -> str:
    """Read or write the configuration; why it failed, or ""."""
    try:
        _read(drive, kms) or _write(drive, kms)
    except (KmsError, S3Error) as error:
        return str(error)
    return ""


def _read(drive: Drive, kms: Kms | None) -> bool:
    try:
        meta = drive.read_meta(SYSTEM, NAME)
    except S3Error as error:
        if error.code == NO_KEY.code:
            return False
        raise
    content = b"".join(drive.read(SYSTEM, NAME, meta, meta.parts[0], 0, meta.parts[0].size))
    if content[:1] != b"\x01":
        return True  # written before there was a KMS
    if kms is None:
        raise S3Error(500, "InternalError", "madmin: invalid encryption algorithm ID")
    (length,) = struct.unpack("<I", content[1:5])
    head = json.loads(content[5 : 5 + length])
    kms.decrypt(head["keyid"], head["kmskey"], _CONTEXT)
    return True


def _write(drive: Drive, kms: Kms | None) -> bool:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    content = b'{"kesdeploy":{"sandbox":"true"}}'
    if kms is not None:
        key = kms.generate("", _CONTEXT)
        nonce = os.urandom(12)
        head = {"keyid": key.key, "kmskey": key.sealed, "algorithm": "AES-256-GCM", "nonce": nonce.hex()}
        text = json.dumps(head, separators=(",", ":")).encode()
        body = AESGCM(part_key(key.plaintext, 1)).encrypt(nonce, content, None)
        content = b"\x01" + struct.pack("<I", len(text)) + text + body
    meta = Meta(len(content), "", 0.0, (Part(1, len(content), len(content)),))
    drive.commit(SYSTEM, NAME, meta, inline=content)
    return True
