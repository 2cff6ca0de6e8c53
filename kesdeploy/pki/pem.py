"""PEM to cryptography's objects and back, with every foreign error translated."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kesdeploy.errors import CertificateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from cryptography.x509 import Certificate


def load_certificate(pem: bytes) -> Certificate:
    """The first certificate of a PEM file, which is the leaf of a chain. Raises CertificateError."""
    from cryptography.x509 import load_pem_x509_certificate

    with understood("This is not a certificate in PEM"):
        return load_pem_x509_certificate(pem)


def split(pem: bytes) -> tuple[bytes, ...]:
    """Every certificate of a PEM file by itself, in its order. Raises CertificateError when there is none."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return tuple(map(dump_certificate, load_pem_x509_certificates(pem)))
    except ValueError as error:
        raise CertificateError("This is not a certificate in PEM", because=_first_line(error)) from error


def fingerprint(pem: bytes) -> str:
    """SHA-256 of the first certificate, as browsers and openssl show it. Raises CertificateError."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return load_certificate(pem).fingerprint(SHA256()).hex(":").upper()


def load_key(pem: bytes) -> PrivateKeyTypes:
    """An unencrypted private key: PKCS#8, PKCS#1 or SEC1. Raises CertificateError."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    with understood("This is not a private key in PEM"):
        try:
            return load_pem_private_key(pem, password=None)
        except TypeError as error:
            raise CertificateError("The private key is encrypted", because=_first_line(error)) from error


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Whatever cryptography has against bytes that are not what they should be, as a CertificateError.

    Much of a certificate is parsed only where it is looked at, and each part refuses with an exception of its own.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import DuplicateExtension, InvalidVersion, UnsupportedGeneralNameType

    try:
        yield
    except (ValueError, UnsupportedAlgorithm, DuplicateExtension, InvalidVersion, UnsupportedGeneralNameType) as error:
        raise CertificateError(what, because=_first_line(error)) from error


def new_key(kind: str) -> PrivateKeyTypes:
    """A fresh key. `kind` is p256 (servers) or ed25519 (what a KES API key is made of)."""
    if kind == "ed25519":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.generate()
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def dump_key(key: PrivateKeyTypes) -> bytes:
    """PKCS#8 in PEM, unencrypted: exactly one block, because MinIO refuses a second one."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def dump_certificate(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def public_der(key: PublicKeyTypes) -> bytes:
    """The DER SubjectPublicKeyInfo, over which KES hashes."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def hash_for(key: Any) -> Any:
    """The hash that goes with a signing key: none for Ed25519, SHA-256 for the rest."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256

    return None if isinstance(key, Ed25519PrivateKey) else SHA256()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
