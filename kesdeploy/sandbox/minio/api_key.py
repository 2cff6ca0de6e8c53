"""A KES API key as a client certificate: self-signed by the Ed25519 key that the API key holds."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEED = 32
_LIFE = dt.timedelta(days=90)


@contextmanager
def as_files(api_key: str) -> Iterator[tuple[str, str]]:
    """Certificate and key as files, which is how Python's `ssl` wants them, for as long as the block runs.

    Raises ValueError with the real client's words.
    """
    cert, key = _pair(_seed(api_key))
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "cert.pem"), Path(folder, "key.pem")
        for path, content in zip(paths, (cert, key), strict=True):
            path.write_bytes(content)
        yield str(paths[0]), str(paths[1])


def _seed(api_key: str) -> bytes:
    try:
        raw = base64.b64decode(api_key.removeprefix("kes:v1:"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("illegal base64 data at input byte 0") from None
    if len(raw) != _SEED + 1:
        raise ValueError("kes: invalid API key: invalid length")
    if raw[0] != 0:
        raise ValueError("kes: invalid API key: unsupported type")
    return raw[1:]


def _pair(seed: bytes) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.x509.oid import NameOID

    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key()
    spki = public.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hashlib.sha256(spki).hexdigest())])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, public, x509.random_serial_number(), now, now + _LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    cert = builder.sign(key, None).public_bytes(form.Encoding.PEM)
    return cert, key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
