"""Keys and ciphertexts in KES's own formats, so that what one wrote the other can read.

A stored key is base64(protobuf KeyVersion); a ciphertext is sealed bytes, 16 bytes IV, 12 bytes nonce. The key of one
message is HMAC-SHA256(key, IV) for AES-256-GCM and HChaCha20(key, IV) for ChaCha20-Poly1305.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import struct
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

SIZE = 32
AES256, CHACHA20 = 1, 2
NAMES = {AES256: "AES256", CHACHA20: "ChaCha20"}
CIPHERS = {"AES256": AES256, "AES256-GCM_SHA256": AES256, "ChaCha20": CHACHA20, "XCHACHA20-POLY1305": CHACHA20}
_RANDOM = 28  # IV and nonce
_CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


class NotAuthentic(Exception):
    """The ciphertext, its context or the key is another one."""


class BadKey(Exception):
    """The stored bytes are no key."""


@dataclass(frozen=True)
class Key:
    """`created_at` is in nanoseconds since 1970; `mac` is empty for keys older than HMAC support."""

    cipher: int
    secret: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    created_at: int
    created_by: str

    @property
    def algorithm(self) -> str:
        return NAMES[self.cipher]

    def encrypt(self, plaintext: bytes, context: bytes) -> bytes:
        random = os.urandom(_RANDOM)
        return self._aead(random[:16]).encrypt(random[16:], plaintext, context) + random

    def decrypt(self, ciphertext: bytes, context: bytes) -> bytes:
        """Raises NotAuthentic."""
        sealed, random = ciphertext[:-_RANDOM], ciphertext[-_RANDOM:]
        try:
            return self._aead(random[:16]).decrypt(random[16:], sealed, context)
        except (InvalidTag, ValueError) as error:
            raise NotAuthentic from error

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self.mac, message, hashlib.sha256)

    def _aead(self, iv: bytes) -> AESGCM | ChaCha20Poly1305:
        if self.cipher == AES256:
            return AESGCM(hmac.digest(self.secret, iv, hashlib.sha256))
        return ChaCha20Poly1305(_hchacha20(self.secret, iv))


def generate(identity: str, *, cipher: int = AES256, secret: bytes | None = None) -> Key:
    return Key(cipher, secret or os.urandom(SIZE), os.urandom(SIZE), time.time_ns(), identity)


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 with as many digits as needed, as Go writes it."""
    seconds, rest = divmod(nanoseconds, 10**9)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def encode(key: Key) -> bytes:
    seconds, nanos = divmod(key.created_at, 10**9)
    body = _bytes(1, _bytes(1, key.secret) + _number(2, key.cipher))
    body += _bytes(2, _bytes(1, key.mac) + _number(2, 1))
    body += _bytes(3, _number(1, seconds) + _number(2, nanos))
    return base64.b64encode(body + _bytes(4, key.created_by.encode()))


def decode(stored: bytes) -> Key:
    """Reads today's format and the JSON of KES before 2024. Raises BadKey."""
    try:
        return _from_json(stored) if stored.lstrip()[:1] == b"{" else _from_protobuf(stored)
    except (KeyError, ValueError, IndexError, TypeError, binascii.Error) as error:
        raise BadKey(f"crypto: {error}") from error


def _from_protobuf(stored: bytes) -> Key:
    top = _fields(base64.b64decode(stored, validate=True))
    key, mac, created = (_fields(_blob(top, n)) for n in (1, 2, 3))
    secret, cipher = _blob(key, 1), _int(key, 2)
    if len(secret) != SIZE:
        raise ValueError(f"invalid secret key length '{len(secret)}'")
    if cipher not in NAMES:
        raise ValueError(f"invalid secret key type '{cipher}'")
    when = _int(created, 1) * 10**9 + _int(created, 2)
    return Key(cipher, secret, _blob(mac, 1), when, _blob(top, 4).decode())


def _from_json(stored: bytes) -> Key:
    value = json.loads(stored)
    cipher = CIPHERS[value.get("algorithm") or "AES256"]
    created = datetime.fromisoformat(value.get("created_at") or "0001-01-01T00:00:00+00:00")
    when = int((created - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 10**9
    return Key(cipher, base64.b64decode(value["bytes"]), b"", when, value.get("created_by") or "")


def _hchacha20(key: bytes, iv: bytes) -> bytes:
    """The rounds of ChaCha20 without the final addition, which is taken off again."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

    block = struct.unpack("<16I", Cipher(ChaCha20(key, iv), mode=None).encryptor().update(bytes(64)))
    start = (*_CONSTANTS, *struct.unpack("<4I", iv))
    ends = (*block[:4], *block[12:])
    return struct.pack("<8I", *((end - begin) & 0xFFFFFFFF for end, begin in zip(ends, start, strict=True)))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value) if value else b""


def _bytes(tag: int, value: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(value)) + value


def _fields(data: bytes) -> dict[int, int | bytes]:
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        value, at = _read_varint(data, at)
        if tag & 7 == 2:  # noqa: PLR2004
            found[tag >> 3] = data[at : at + value]
            at += value
        elif tag & 7 == 0:
            found[tag >> 3] = value
        else:
            raise ValueError("proto: cannot parse invalid wire-format data")
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004
            return number, at
        shift += 7


def _blob(fields: dict[int, int | bytes], tag: int) -> bytes:
    value = fields.get(tag, b"")
    return value if isinstance(value, bytes) else b""


def _int(fields: dict[int, int | bytes], tag: int) -> int:
    value = fields.get(tag, 0)
    return value if isinstance(value, int) else 0
