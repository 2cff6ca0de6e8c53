"""The private certificate authority of a deployment, and what it issues.

Leaf certificates last 397 days, because browsers refuse more than 398; the authority lasts ten years, so that nobody's
trust changes when a leaf is renewed. Both begin an hour back: the clock of a virtual machine that slept runs behind its
host's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal

from kesdeploy.errors import CertificateError
from kesdeploy.pki.pem import dump_certificate, dump_key, hash_for, load_certificate, load_key, new_key

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.x509 import CertificateBuilder, GeneralName, KeyUsage, Name, ObjectIdentifier

AUTHORITY_DAYS = 3650
LEAF_DAYS = 397
BACKDATED = timedelta(hours=1)


class Usage(StrEnum):
    """What a leaf certificate is for. Never both: a stolen client key must not be able to pose as a server."""

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True)
class LeafRequest:
    """What a leaf certificate should say. `names` mixes DNS names and IP addresses; a server needs at least one."""

    common_name: str
    names: tuple[str, ...]
    usage: Usage
    key: Literal["p256", "ed25519"] = "p256"
    days: int = LEAF_DAYS


@dataclass(frozen=True)
class Leaf:
    """A certificate and its private key, both PEM."""

    cert_pem: bytes
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True)
class Authority:
    """A certificate authority: its certificate is public, its key is mounted nowhere."""

    cert_pem: bytes
    key_pem: bytes = field(repr=False)

    @classmethod
    def create(cls, name: str, now: datetime) -> Authority:
        """A new authority with a P-256 key. `name` becomes its common name (at most 64 characters)."""
        from cryptography import x509

        key: Any = new_key("p256")
        certificate = (
            _builder(name, key.public_key(), now, now + timedelta(days=AUTHORITY_DAYS))
            .issuer_name(_subject(name))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
            .sign(key, hash_for(key))
        )
        return cls(dump_certificate(certificate), dump_key(key))

    def issue(self, request: LeafRequest, now: datetime, key_pem: bytes | None = None) -> Leaf:
        """A leaf certificate, over a new key or over `key_pem`: the same key keeps the same identity in KES.

        Raises CertificateError for a server without a name, a name that no certificate can hold, a bad key.
        """
        key: Any = load_key(key_pem) if key_pem else new_key(request.key)
        try:
            builder = self._leaf_builder(request, key, now)
        except ValueError as error:
            raise CertificateError(
                f"No certificate can be made for {request.common_name!r}", because=str(error)
            ) from error
        own_key: Any = load_key(self.key_pem)
        return Leaf(dump_certificate(builder.sign(own_key, hash_for(own_key))), dump_key(key))

    def _leaf_builder(self, request: LeafRequest, key: Any, now: datetime) -> CertificateBuilder:
        from cryptography import x509

        own = load_certificate(self.cert_pem)
        own_id = own.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        # A leaf that outlives its authority is refused by every peer in its last days.
        until = min(now + timedelta(days=request.days), own.not_valid_after_utc)
        builder = (
            _builder(request.common_name, key.public_key(), now, until)
            .issuer_name(own.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose(request.usage)]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id), critical=False)
        )
        return _with_names(builder, request)


def general_names(names: tuple[str, ...]) -> list[GeneralName]:
    """DNS names and IP addresses as the entries of a subjectAltName, in the given order, each once.

    Raises CertificateError for what no certificate can hold: an empty name, or one beyond ASCII.
    """
    return [_general_name(name) for name in dict.fromkeys(names)]


def _general_name(name: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        if not name or not name.isascii():
            raise CertificateError(f"No certificate can hold the name {name!r}") from None
        return x509.DNSName(name)


def purpose(usage: Usage) -> ObjectIdentifier:
    """The one extended key usage of a leaf."""
    from cryptography.x509.oid import ExtendedKeyUsageOID

    return ExtendedKeyUsageOID.SERVER_AUTH if usage is Usage.SERVER else ExtendedKeyUsageOID.CLIENT_AUTH


def _with_names(builder: CertificateBuilder, request: LeafRequest) -> CertificateBuilder:
    from cryptography import x509

    if request.names:
        return builder.add_extension(x509.SubjectAlternativeName(general_names(request.names)), critical=False)
    if request.usage is Usage.SERVER:
        raise ValueError("a server certificate needs at least one DNS name or IP address")
    return builder


def _builder(common_name: str, public_key: Any, now: datetime, until: datetime) -> CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(_subject(common_name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _subject(common_name: str) -> Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*wanted: str) -> KeyUsage:
    from cryptography import x509

    flags = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{flag: flag in wanted for flag in flags})
