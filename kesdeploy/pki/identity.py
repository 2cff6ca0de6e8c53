"""KES identities and API keys, computed without KES.

An identity is the SHA-256 of a public key, so it survives the renewal of a certificate over the same key. An API key
is an Ed25519 seed in other clothes: `kes:v1:`, then the base64 of a zero byte and the 32 bytes (kms-go v0.3.1,
apikey.go).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import Any

from kesdeploy.errors import CertificateError
from kesdeploy.pki.pem import dump_key, load_certificate, load_key, public_der, understood

PREFIX = "kes:v1:"
SEED_BYTES = 32
ED25519 = 0  # the only key type that KES knows


def identity(pem: bytes) -> str:
    """What KES calls the owner of a certificate or private key: 64 lower-case hex digits. Raises CertificateError."""
    holder: Any = load_certificate(pem) if b"-----BEGIN CERTIFICATE-----" in pem else load_key(pem)
    with understood("This certificate cannot be read"):
        return identity_of(holder.public_key())


def identity_of(public_key: Any) -> str:
    return hashlib.sha256(public_der(public_key)).hexdigest()


def new_api_key() -> str:
    """A fresh API key. It is a secret."""
    return _api_key(secrets.token_bytes(SEED_BYTES))


def api_key_of(key_pem: bytes) -> str:
    """The API key of an Ed25519 private key. Raises CertificateError for any other key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = load_key(key_pem)
    if not isinstance(key, Ed25519PrivateKey):
        raise CertificateError("This private key has no API key", because="KES makes API keys of Ed25519 keys only")
    return _api_key(key.private_bytes_raw())


def key_of(api_key: str) -> bytes:
    """The private key of an API key, as PKCS#8 in PEM. Raises CertificateError in KES's words, never with the key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return dump_key(Ed25519PrivateKey.from_private_bytes(_seed(api_key)))


def _api_key(seed: bytes) -> str:
    return PREFIX + base64.b64encode(bytes([ED25519]) + seed).decode()


def _seed(api_key: str) -> bytes:
    if not api_key.startswith(PREFIX):
        # KES after 2024-01-11 takes the bare base64 too; the prefix is demanded because it tells a key from a password.
        raise _invalid("kes: invalid API key: missing 'kes:v1:' prefix")
    try:
        raw = base64.b64decode(api_key.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("illegal base64 data") from error
    if len(raw) != 1 + SEED_BYTES:
        raise _invalid("kes: invalid API key: invalid length")
    if raw[0] != ED25519:
        raise _invalid("kes: invalid API key: unsupported type")
    return raw[1:]


def _invalid(because: str) -> CertificateError:
    return CertificateError("This is not a KES API key", because=because)
