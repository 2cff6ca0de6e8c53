"""Server certificates that the user brings: looked at before anything changes, forgotten when taken back."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy import pki
from kesdeploy.errors import CertificateError, in_words
from kesdeploy.files import translated
from kesdeploy.topology import leaves

if TYPE_CHECKING:
    from datetime import datetime

    from kesdeploy.deployment import Deployment
    from kesdeploy.home import Home
    from kesdeploy.resources import Resource
    from kesdeploy.server_certificate import ServerCertificate
    from kesdeploy.spec import Spec

SERVERS = {"minio": leaves.MINIO_PART, "kes": leaves.KES_PART}
"""Who may have a certificate of the user's: the section of the spec, and the part of the deployment."""


@dataclass(frozen=True)
class Offer:
    """What would be served, as it was read: from where the spec says, or from the copy once that place is gone."""

    part: str
    section: str
    given: ServerCertificate
    cert: bytes
    key: bytes = field(repr=False)
    ca: bytes | None


def refuse_unfit(deployment: Deployment) -> tuple[str, ...]:
    """What is worth knowing of those that will do. CertificateError for the first that a client would not take."""
    found: list[str] = []
    spec, up = deployment.spec, f"kesdeploy up -n {deployment.name}"
    for section in SERVERS:
        try:
            offer = offered(spec, deployment.home, section)
            found += examined(offer, spec, deployment.now) if offer else ()
        except CertificateError as error:
            hint = f"{error.hint}; then: {up}. Or, for one of ours again: {up} --set {section}.certificate=null"
            raise CertificateError(error.what, because=error.because, hint=hint) from error
    return tuple(found)


def offered(spec: Spec, home: Home, section: str) -> Offer | None:
    """CertificateError when a file of it is neither where the spec says, nor was copied before."""
    part = SERVERS[section]
    given = leaves.section(spec, part)
    if given is None:
        return None
    ca = _read(home, f"@{given.ca}", f"{part}-ca.crt", f"{section}.certificate.ca") if given.ca else None
    cert = _read(home, f"@{given.cert}", f"{part}.crt", f"{section}.certificate.cert")
    return Offer(part, section, given, cert, _read(home, given.key, f"{part}.key", f"{section}.certificate.key"), ca)


def examined(offer: Offer, spec: Spec, now: datetime) -> tuple[str, ...]:
    """What is worth knowing of one that will do. CertificateError otherwise, with the files in it, and what to do."""
    from kesdeploy.clients.handshake import refuse_untrusted

    names = leaves.called(spec, offer.part)
    try:
        pair = pki.server_pair(offer.cert, offer.key)
        _refuse_no_text(offer)
        _refuse_other_host(offer, pki.describe(pair.cert_pem).names, names[-1])
        remarks = pki.refuse_unfit(pair.cert_pem, offer.ca, names, now, browsers=offer.section == "minio")
        for name in names:
            refuse_untrusted(pair, offer.ca, name)
    except CertificateError as error:
        raise _told(error, offer) from error
    has = pki.describe(pair.cert_pem).names
    uncovered = [name for name in spec.network.extra_names if not pki.covers(has, name)]
    remarks += (f"it is not valid for {', '.join(uncovered)} of network.extra_names",) if uncovered else ()
    return tuple(f"your certificate for {offer.part}: {remark}" for remark in remarks)


def _refuse_no_text(offer: Offer) -> None:
    """They are kept as text."""
    for place, data in (("{cert}", offer.cert), ("{key}", offer.key), ("{ca}", offer.ca or b"")):
        try:
            data.decode()
        except UnicodeDecodeError as error:
            hint = f"leave in {place} only what stands from -----BEGIN to -----END"
            raise CertificateError(f"{place} holds bytes beside its PEM blocks that are no text", hint=hint) from error


def _refuse_other_host(offer: Offer, names: tuple[str, ...], host: str) -> None:
    """It may well be a good one, for the name that clients really use."""
    named = next((name for name in names if "*" not in name), "")
    if named and not pki.covers(names, host):
        flag = f"certs import: --host {named}; up: --set {offer.section}.certificate.host={named}"
        raise CertificateError(
            f"it is not valid for {host}",
            because=f"it names {', '.join(names)}",
            hint=f"say what clients call it ({flag}); or have your CA issue another that names {host}",
        )


def _told(error: CertificateError, offer: Offer) -> CertificateError:
    what, because, hint = (_with_files(text, offer.given) for text in (error.what, error.because, error.hint))
    what = f"your certificate for {offer.part} cannot be used: {what}"
    return CertificateError(what, because=because, hint=hint or "have your CA issue another")


def _with_files(text: str, given: ServerCertificate) -> str:
    named = {"{cert}": given.cert, "{key}": given.key.removeprefix("@"), "{ca}": given.ca or "ca"}
    for place, name in named.items():
        text = text.replace(place, name)
    return text


def _read(home: Home, source: str, kept: str, path: str) -> bytes:
    found, missing = _source(source)
    if found is None:
        found = home.read(f"secrets/{kept}")
    if found is None:
        raise CertificateError(
            f"{path}: {source.removeprefix('@')} cannot be read",
            because=missing,
            hint=f"put it there, or name another place: --set {path}=…",
        )
    return found


def _source(source: str) -> tuple[bytes | None, str]:
    if source.startswith("env:"):
        value = os.environ.get(source.removeprefix("env:"))
        return (value.encode() if value else None), "the variable is not set, or empty"
    try:
        return Path(source.removeprefix("@")).expanduser().read_bytes(), ""
    except (OSError, ValueError, RuntimeError) as error:  # no path at all, or the home of an unknown user
        return None, in_words(error)


def forget(deployment: Deployment, wanted: tuple[Resource, ...]) -> None:
    """Copies of certificates that the spec does not name any more, once something else is served."""
    addresses = {resource.address for resource in wanted}
    for part in SERVERS.values():
        copies = [deployment.home.secret(f"{part}{end}") for end in (".crt", ".key", "-ca.crt")]
        if leaves.section(deployment.spec, part) or not any(copy.exists() for copy in copies):
            continue
        folder = deployment.home.path(f"certs/{part}")
        served = () if f"certificate/{part}" in addresses else (folder / "public.crt", folder / "private.key")
        for file in (*served, *copies):
            with translated(file), suppress(FileNotFoundError):
                file.unlink()
