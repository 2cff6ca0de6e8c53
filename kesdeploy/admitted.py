"""Identities that a spec lets in, as `@FILE`: what KES computes from a certificate, a private key or an API key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy import pki
from kesdeploy.errors import CertificateError, Problem, SpecError, in_words
from kesdeploy.pki.identity import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.home import Home
    from kesdeploy.spec import Spec

_PLACES = re.compile(r"kes\.(admin|policies\..+\.identities(\.\d+)?)")
_OURS = ("minio", "operator")


def resolved(value: Any, path: str = "") -> Any:
    """A spec's tree, or the value at this dotted path of it, with identities in the place of files.

    Raises SpecError for a file that holds none.
    """
    if isinstance(value, dict):
        return {key: resolved(below, f"{path}.{key}".lstrip(".")) for key, below in value.items()}
    if isinstance(value, list):
        return [resolved(below, f"{path}.{place}") for place, below in enumerate(value)]
    if isinstance(value, str) and value.startswith("@") and _PLACES.fullmatch(path):
        return _computed(path, value.removeprefix("@"))
    return value


def laid_over(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The same for values by dotted path."""
    return {path: resolved(value, path) for path, value in overrides.items()}


def _computed(path: str, file: str) -> str:
    try:
        return of(Path(file).expanduser().read_bytes())
    except OSError as error:
        raise _problem(path, f"{file}: {in_words(error)}") from error
    except CertificateError as error:
        raise _problem(path, f"{file}: {error.what}: {error.because}") from error


def of(content: bytes) -> str:
    """The identity of a certificate, a private key or an API key. Raises CertificateError."""
    text = content.strip()
    if text.startswith(PREFIX.encode()):
        return pki.identity(pki.key_of(text.decode(errors="replace")))
    if b"-----BEGIN CERTIFICATE-----" in text and pki.describe(text).is_ca:
        raise CertificateError(
            "KES does not see this certificate",
            because="it is an authority's (CA:TRUE, as `openssl req -x509` makes them)",
        )
    return pki.identity(text)


def refuse_ours(spec: Spec, home: Home) -> None:
    """Raises SpecError where the spec gives away an identity that is this deployment's own."""
    ours = {identity: name for name in _OURS if (identity := _our(home, name))}
    found = [
        _wrong(path, f"this is the deployment's own identity {ours[identity]!r}, and has its policy already")
        for path, identity in spec.kes.identities
        if identity in ours
    ]
    if found:
        hint = f"a client of its own: {client_certificate(home)}" if spec.kes.auth == "certificate" else _HINT
        raise SpecError("the spec gives away an identity of kesdeploy's", found=tuple(found), hint=hint)


def _our(home: Home, name: str) -> str:
    try:
        return pki.identity(home.identity(name)[1].read_bytes())
    except (OSError, CertificateError):
        return ""  # it is missing or damaged: another one will be made, or asked for


_HINT = "a client of its own: `kesdeploy kes identity new` makes an API key and says its identity"


def client_certificate(home: Home) -> str:
    """What makes a client's key and certificate where KES takes no others, to type in a shell (OpenSSL 3)."""
    authority = f"-CA {home.ca_cert} -CAkey {home.ca_key}"
    extensions = "-addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth"
    pair = "-newkey ed25519 -nodes -keyout app.key -out app.crt -subj /CN=app -days 397"
    return f"openssl req -x509 {pair} {authority} {extensions}"


def _wrong(path: str, what: str) -> Problem:
    return Problem("spec", f"{path}: {what}")


def _problem(path: str, what: str) -> SpecError:
    return SpecError("an identity cannot be computed", found=(_wrong(path, what),), hint=_HINT)
