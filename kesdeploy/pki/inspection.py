"""What a certificate says, and whether it still does what it was issued for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from kesdeploy.errors import CertificateError
from kesdeploy.pki.authority import LeafRequest, general_names, purpose
from kesdeploy.pki.identity import identity_of
from kesdeploy.pki.pem import load_certificate, load_key, public_der, understood

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


@dataclass(frozen=True)
class CertificateInfo:
    """A certificate in words. `serial` is hex; `usages` are serverAuth, clientAuth, …; the dates are aware, in UTC."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    serial: str
    not_before: datetime
    not_after: datetime
    identity: str
    is_ca: bool
    usages: tuple[str, ...]

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires; negative once it has."""
        return (self.not_after - now) // timedelta(days=1)


def describe(cert_pem: bytes) -> CertificateInfo:
    """Read a certificate (of a chain, the leaf). Raises CertificateError when it is none."""
    return _info(load_certificate(cert_pem))


def reason_to_reissue(
    cert_pem: bytes | None,
    key_pem: bytes | None,
    authority_cert_pem: bytes,
    request: LeafRequest,
    now: datetime,
    renew_within_days: int = 30,
) -> str | None:
    """Why this pair must be issued again, as the end of "because …"; None when it is good.

    None or empty bytes stand for a file that is missing.
    """
    if fault := _fault(cert_pem, key_pem):
        return fault
    certificate = load_certificate(cert_pem or b"")
    if not _issued_by(certificate, authority_cert_pem):
        return "it was issued by another authority"
    return _changed(certificate, request) or _dated(_info(certificate), now, renew_within_days)


def reason_to_replace(
    cert_pem: bytes | None, key_pem: bytes | None, now: datetime, renew_within_days: int = 30
) -> str | None:
    """Why another authority is needed, as the end of "because …"; None when this one goes on signing.

    None or empty bytes stand for a file that is missing. One that is not valid yet stays: the clock is wrong, not it.
    """
    return _fault(cert_pem, key_pem) or _ends(describe(cert_pem or b""), now, renew_within_days)


def _fault(cert_pem: bytes | None, key_pem: bytes | None) -> str | None:
    """What is wrong with the two files as a pair."""
    if not cert_pem:
        return "the certificate is missing"
    if not key_pem:
        return "its key is missing"
    try:
        key: Any = load_key(key_pem)
        certificate = load_certificate(cert_pem)
        _info(certificate)
    except CertificateError as error:
        return f"it cannot be read: {error}"
    same = public_der(key.public_key()) == public_der(certificate.public_key())
    return None if same else "its key belongs to another certificate"


def _info(certificate: Certificate) -> CertificateInfo:
    from cryptography import x509

    with understood("This certificate cannot be read"):
        constraints = _extension(certificate, x509.BasicConstraints)
        usages = _extension(certificate, x509.ExtendedKeyUsage) or ()
        return CertificateInfo(
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            names=_names(certificate),
            serial=f"{certificate.serial_number:x}",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            identity=identity_of(certificate.public_key()),
            is_ca=bool(constraints and constraints.ca),
            usages=tuple(str(usage._name) for usage in usages),  # noqa: SLF001
        )


def _extension(certificate: Certificate, kind: type[Any]) -> Any:
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _names(certificate: Certificate) -> tuple[str, ...]:
    from cryptography import x509

    san = _extension(certificate, x509.SubjectAlternativeName)
    return tuple(str(entry.value) for entry in san or () if isinstance(entry, x509.DNSName | x509.IPAddress))


def _issued_by(certificate: Certificate, authority_cert_pem: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(load_certificate(authority_cert_pem))
    except (InvalidSignature, CertificateError, ValueError, TypeError):
        return False
    return True


def _changed(certificate: Certificate, request: LeafRequest) -> str | None:
    from cryptography import x509

    usages = list(_extension(certificate, x509.ExtendedKeyUsage) or ())
    if usages != [purpose(request.usage)]:
        return f"it is not a {request.usage} certificate"
    have = {name.lower() for name in _names(certificate)}
    want = {str(entry.value).lower() for entry in general_names(request.names)}
    if have != want:
        changes = [f"+{name}" for name in sorted(want - have)] + [f"-{name}" for name in sorted(have - want)]
        return f"its names differ: {' '.join(changes)}"
    return None


def _dated(info: CertificateInfo, now: datetime, renew_within_days: int) -> str | None:
    if now < info.not_before:
        return f"it is not valid before {info.not_before:%Y-%m-%d %H:%M} UTC"
    return _ends(info, now, renew_within_days)


def _ends(info: CertificateInfo, now: datetime, renew_within_days: int) -> str | None:
    if now >= info.not_after:
        return f"it expired on {info.not_after:%Y-%m-%d}"
    left = info.days_left(now)
    return f"it expires in {left} days" if left < renew_within_days else None
