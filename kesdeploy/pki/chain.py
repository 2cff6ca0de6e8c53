"""Who signed whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.errors import CertificateError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


def issued(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the issuer's key signed it, under the issuer's name."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, CertificateError, ValueError, TypeError):
        return False
    return True


def self_signed(certificate: Certificate) -> bool:
    return certificate.subject == certificate.issuer and issued(certificate, certificate)
