"""Whether a certificate that somebody brings will be accepted, before anybody is asked to.

By the rules of those who look at it: Go (KES, MinIO, mc), OpenSSL (curl, Python), browsers. What a hint says in braces,
{cert} or {ca}, is for the caller to fill in.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from kesdeploy.errors import CertificateError
from kesdeploy.pki.chain import issued, self_signed
from kesdeploy.pki.inspection import extension, names_of
from kesdeploy.pki.pem import understood

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cryptography.x509 import Certificate

# Of a certificate of a private root; those of public authorities are shorter by themselves (support.apple.com/103214).
APPLE_DAYS = 825
_WEAK = ("md5", "sha1")
_AGAIN = "have your CA issue another"


def refuse_unfit(
    cert: bytes, ca: bytes | None, names: Iterable[str], now: datetime, *, browsers: bool = True
) -> tuple[str, ...]:
    """What is worth knowing of a server's chain (leaf first) that will do.

    ca: the roots that clients are to trust, None for the public ones. names: what clients call it by.
    browsers: whether some of its clients are.
    Raises CertificateError for the first thing that somebody would refuse.
    """
    with understood("it cannot be read"):
        leaf, *others = _all(cert)
        roots = _all(ca) if ca is not None else []
        _role(leaf)
        _usage(leaf)
        _covers(leaf, names)
        _dates(leaf, now, "it")
        for certificate in others:
            _dates(certificate, now, f"{_name(certificate)}, in the chain,")
        for certificate in (leaf, *others):
            _signature(certificate)
        _leads(leaf, others, roots if ca is not None else None, now)
        return _remarks(leaf, private=ca is not None, browsers=browsers)


def covers(names: Iterable[str], wanted: str) -> bool:
    """Whether a certificate with these names is valid for this host name or address (RFC 6125, as Go reads it)."""
    wanted = _plain(wanted)
    below = wanted.partition(".")[2]
    wildcard = f"*.{below}" if below and not _address(wanted) else None
    return any(_plain(name) in (wanted, wildcard) for name in names)


def _plain(name: str) -> str:
    address = _address(name)
    return str(address) if address else name.lower().rstrip(".")


def _address(name: str) -> Any:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _all(pem: bytes) -> list[Certificate]:
    from cryptography.x509 import load_pem_x509_certificates

    return load_pem_x509_certificates(pem)


def _role(leaf: Certificate) -> None:
    from cryptography.x509 import BasicConstraints
    from cryptography.x509.oid import PublicKeyAlgorithmOID

    constraints = extension(leaf, BasicConstraints)
    if constraints and constraints.ca:
        raise CertificateError(
            "it is the certificate of a CA, not of a server",
            because="whoever got its key could sign for any name that your clients ask for",
            hint="issue one for the server with it; or openssl req -x509 … -addext basicConstraints=critical,CA:FALSE",
        )
    if leaf.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        hint = f"{_AGAIN}, over a plain RSA key"
        raise CertificateError("its key is of the kind RSASSA-PSS, which Go does not know", hint=hint)


def _usage(leaf: Certificate) -> None:
    from cryptography.x509 import ExtendedKeyUsage, KeyUsage
    from cryptography.x509.oid import ExtendedKeyUsageOID

    purposes, use = extension(leaf, ExtendedKeyUsage), extension(leaf, KeyUsage)
    fine = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if purposes is not None and not any(purpose in fine for purpose in purposes):
        says = ", ".join(purpose._name for purpose in purposes)  # noqa: SLF001
        raise CertificateError(
            "it is not for servers", because=f"its extended key usage is {says}", hint=f"{_AGAIN}, with serverAuth"
        )
    if use is not None and not use.digital_signature:
        raise CertificateError(
            "its key may not sign a handshake",
            because="its key usage lacks digitalSignature",
            hint=f"{_AGAIN}, with digitalSignature",
        )


def _covers(leaf: Certificate, wanted: Iterable[str]) -> None:
    from cryptography.x509 import SubjectAlternativeName

    if not extension(leaf, SubjectAlternativeName):
        raise CertificateError(
            "it names no host",
            because="it has no subject alternative names, and a common name counts for no client any more",
            hint=f"{_AGAIN}, with subjectAltName",
        )
    names = names_of(leaf)
    if missing := [name for name in wanted if not covers(names, name)]:
        raise CertificateError(
            f"it is not valid for {', '.join(missing)}",
            because=f"it names {', '.join(names) or 'no host'}",
            hint=f"{_AGAIN} that names {', '.join(missing)}",
        )


def _dates(certificate: Certificate, now: datetime, what: str) -> None:
    if now >= certificate.not_valid_after_utc:
        until = certificate.not_valid_after_utc
        raise CertificateError(f"{what} expired on {until:%Y-%m-%d}", hint=f"{_AGAIN}, and put it into {{cert}}")
    if now < certificate.not_valid_before_utc:
        since = certificate.not_valid_before_utc
        raise CertificateError(
            f"{what} is not valid before {since:%Y-%m-%d %H:%M} UTC", hint="wait for it; or set this machine's clock"
        )


def _signature(certificate: Certificate) -> None:
    used = certificate.signature_hash_algorithm
    if used and used.name in _WEAK:
        raise CertificateError(
            f"the certificate of {_name(certificate)} is signed with {used.name.upper()}, which Go and browsers refuse",
            hint=f"{_AGAIN}, signed with SHA-256",
        )


def _leads(leaf: Certificate, others: list[Certificate], roots: list[Certificate] | None, now: datetime) -> None:
    """Each is signed by the next, and the last by a root (None: public, which only the machine knows)."""
    for certificate in others:
        _is_authority(certificate, "in the chain")
    if roots is None:
        return
    last = (leaf, *others)[-1]
    root = next((root for root in roots if root == last or issued(last, root)), None)
    if root is None:
        signer = last.issuer.rfc4514_string() or "nobody by name"
        have = "; ".join(_name(root) for root in roots) or "nobody"
        raise CertificateError(
            f"nobody vouches for it: {_name(last)} is signed by {signer}",
            because=f"that is neither in {{cert}}, nor in {{ca}} (there: {have})",
            hint="append the intermediate certificates to {cert} (fullchain.pem), or give the root as ca",
        )
    if root != last:
        _is_authority(root, "in {ca}")
    _dates(root, now, f"{_name(root)}, in {{ca}},")


def _is_authority(certificate: Certificate, where: str) -> None:
    from cryptography.x509 import BasicConstraints, KeyUsage

    constraints, use = extension(certificate, BasicConstraints), extension(certificate, KeyUsage)
    # Roots of the first version of X.509 have no extensions at all, and are trusted by being given.
    if (constraints is None and self_signed(certificate)) or (
        constraints and constraints.ca and (use is None or use.key_cert_sign)
    ):
        return
    raise CertificateError(
        f"{_name(certificate)}, {where}, is no CA",
        because="it may not sign certificates (basicConstraints, keyUsage)",
        hint="give the certificate of the CA that signed {cert}",
    )


def _name(certificate: Certificate) -> str:
    return certificate.subject.rfc4514_string() or "nobody by name"


def _remarks(leaf: Certificate, *, private: bool, browsers: bool) -> tuple[str, ...]:
    found = []
    kind = getattr(getattr(leaf.public_key(), "curve", None), "name", type(leaf.public_key()).__name__)
    if browsers and kind in ("secp521r1", "Ed25519PublicKey"):
        found.append(f"not every browser takes its kind of key ({kind.removesuffix('PublicKey')}), for the console")
    days = (leaf.not_valid_after_utc - leaf.not_valid_before_utc) // timedelta(days=1)
    if private and days > APPLE_DAYS:
        found.append(f"it lasts {days} days: Apple's systems refuse what lasts longer than {APPLE_DAYS}")
    return tuple(found)
