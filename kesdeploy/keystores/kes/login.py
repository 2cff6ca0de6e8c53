"""Who MinIO is to a KES that others run, and whether it is known there."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kesdeploy import pki
from kesdeploy.durations import WARN_DAYS
from kesdeploy.errors import CertificateError, ServiceError
from kesdeploy.keystores.outside import secret
from kesdeploy.keystores.reaching import authority, refuse_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kesdeploy.clients.kes import Kes
    from kesdeploy.keystores.kes.fields import KesFields
    from kesdeploy.keystores.words import Work

API_KEY, CERTIFICATE, KEY, CA = "kes-api_key", "kes-certificate", "kes-key", "kes-ca.crt"
SECTION = "keystore.kes"
# Its alert, or what is left of the connection when ours was still being written.
_CUT_OFF = ("TLS", "EOF", "reset", "Broken pipe", "closed connection")


def reach(work: Work, fields: KesFields) -> None:
    """That each endpoint is a KES with a certificate that holds, which talks to a client like MinIO.

    Of several, one is enough: the others are warned of. Raises UsageError, CertificateError or ServiceError.
    """
    for endpoint in fields.endpoints:
        refuse_loopback(endpoint, f"{SECTION}.endpoints", who="MinIO")
    ca = authority(fields.ca, f"{SECTION}.ca")
    failed: list[ServiceError] = []
    with _pair(work, fields) as pair:
        for endpoint in fields.endpoints:
            try:
                _greet(work, endpoint, ca, pair)
            except ServiceError as error:
                failed.append(error)
    if len(failed) == len(fields.endpoints):
        raise failed[0]
    for down in failed:
        work.report.warn(f"{down.what}: {down.because}; MinIO uses the others meanwhile")


def use(work: Work, fields: KesFields) -> None:
    """That MinIO's identity may use the default key. ServiceError with KES's status, 0 when nobody answers."""
    ca = authority(fields.ca, f"{SECTION}.ca")
    first, *others = fields.endpoints
    with _pair(work, fields) as pair:
        kes = _kes(work, first, ca, pair, tuple(others))
        kes.generate(work.spec.key_name)


def _greet(work: Work, endpoint: str, ca: Path | None, pair: tuple[Path, Path]) -> None:
    try:
        _kes(work, endpoint, ca, pair).version()
    except ServiceError as error:
        raise ServiceError(
            f"no KES at {endpoint}" if error.status else f"{endpoint} cannot be reached",
            because=error.because,
            hint=_advice(endpoint, error),
            status=error.status,
        ) from error


def _advice(endpoint: str, error: ServiceError) -> str:
    if "its certificate is refused" in error.because:
        return f"{SECTION}.ca: the PEM file of the CA that signed it; and an address that is in its certificate"
    if any(word in error.because for word in _CUT_OFF):
        pair = f"{SECTION}.certificate and {SECTION}.key"
        return f"does it take only clients of its own CA (tls.auth: on)? Then: {pair}, issued by its operator"
    return f"{SECTION}.endpoints: is that the right address? curl -vk {endpoint}/version"


def _kes(work: Work, endpoint: str, ca: Path | None, pair: tuple[Path, Path], others: tuple[str, ...] = ()) -> Kes:
    from kesdeploy.clients.kes import Kes

    return Kes(endpoint, ca, *pair, min(work.timeout, 10), others=others)


@contextmanager
def _pair(work: Work, fields: KesFields) -> Iterator[tuple[Path, Path]]:
    """MinIO's certificate and key, in files for as long as this lasts; a throw-away pair while there is none."""
    there = work.home.identity("minio")
    if not (fields.api_key or fields.certificate) and all(file.exists() for file in there):
        yield there
        return
    with TemporaryDirectory() as folder:
        pair = Path(folder, "crt"), Path(folder, "key")
        for file, data in zip(pair, _made(work, fields), strict=True):
            file.write_bytes(data)
        yield pair


def _made(work: Work, fields: KesFields) -> tuple[bytes, bytes]:
    if fields.certificate:
        certificate = secret(work.home, CERTIFICATE, f"@{fields.certificate}").encode()
        key = secret(work.home, KEY, fields.key).encode()
        _check(work, certificate, key)
        return certificate, key
    own = pki.key_of(secret(work.home, API_KEY, fields.api_key).strip()) if fields.api_key else None
    request = pki.LeafRequest("minio", (), pki.Usage.CLIENT, key="ed25519")
    leaf = pki.Authority.create("kesdeploy", work.now).issue(request, work.now, own)
    return leaf.cert_pem, leaf.key_pem


def _check(work: Work, certificate: bytes, key: bytes) -> None:
    """What KES would overlook, or say in riddles, of a client certificate. CertificateError."""
    described = pki.describe(certificate)
    if pki.identity(key) != described.identity:
        raise CertificateError(
            "the client certificate and its key do not belong together",
            because=f"{SECTION}.key is that of another certificate",
            hint="openssl x509 -noout -pubkey -in CERTIFICATE; openssl pkey -pubout -in KEY: both have to be the same",
        )
    if described.is_ca:
        raise CertificateError(
            "KES overlooks a client certificate with CA:TRUE",
            because=described.subject,
            hint="issue it again with basicConstraints=CA:FALSE (openssl req -x509 needs -addext for that)",
        )
    if (days := described.days_left(work.now)) < WARN_DAYS:
        work.report.warn(f"MinIO's client certificate for that KES has {days} days left")
