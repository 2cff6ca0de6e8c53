"""What a certificate says, and whether it still does what it was issued for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from kesdeploy.errors import CertificateError
from kesdeploy.pki.authority import LeafRequest, general_names, purpose
from kesdeploy.pki.chain import issued
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

    None or empty bytes stand for a file that is missing. One that ends with its authority is good to its last day:
    another would end then, too.
    """
    if fault := _fault(cert_pem, key_pem):
        return fault
    certificate, authority = load_certificate(cert_pem or b""), _readable(authority_cert_pem)
    if authority is None or not issued(certificate, authority):
        return "it was issued by another authority"
    info = _info(certificate)
    within = 0 if info.not_after >= authority.not_valid_after_utc else renew_within_days
    return _changed(certificate, request) or _dated(info, now, within)


def _readable(pem: bytes) -> Certificate | None:
    try:
        return load_certificate(pem)
    except CertificateError:
        return None


def reason_to_replace(cert_pem: bytes | None, key_pem: bytes | None, now: datetime) -> str | None:
    """Why another authority is needed, as the end of "because …"; None when this one goes on signing.

    None or empty bytes stand for a file that is missing. One that is not valid yet stays: the clock is wrong, not it.
    One that ends soon stays too: who trusts it must be told of another before.
    """
    return _fault(cert_pem, key_pem) or _ends(describe(cert_pem or b""), now, 0)


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
        constraints = extension(certificate, x509.BasicConstraints)
        usages = extension(certificate, x509.ExtendedKeyUsage) or ()
        return CertificateInfo(
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            names=names_of(certificate),
            serial=f"{certificate.serial_number:x}",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            identity=identity_of(certificate.public_key()),
            is_ca=bool(constraints and constraints.ca),
            usages=tuple(str(usage._name) for usage in usages),  # noqa: SLF001
        )


def extension(certificate: Certificate, kind: type[Any]) -> Any:
    """The value of an extension, None where there is none. ValueError and the like for one that is damaged."""
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def names_of(certificate: Certificate) -> tuple[str, ...]:
    """The DNS names and addresses that it is valid for."""
    from cryptography import x509

    san = extension(certificate, x509.SubjectAlternativeName)
    return tuple(str(entry.value) for entry in san or () if isinstance(entry, x509.DNSName | x509.IPAddress))


def _changed(certificate: Certificate, request: LeafRequest) -> str | None:
    from cryptography import x509

    usages = list(extension(certificate, x509.ExtendedKeyUsage) or ())
    if usages != [purpose(request.usage)]:
        return f"it is not a {request.usage} certificate"
    have = {name.lower() for name in names_of(certificate)}
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
