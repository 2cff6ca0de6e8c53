"""The certificate that KES shows to a Vault that asks for one.

KES skips a pair that it cannot parse, and with it the CA, and says nothing (vault.go: the error of ConfigureTLS is
dropped). So it is parsed here.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kesdeploy import pki
from kesdeploy.durations import WARN_DAYS
from kesdeploy.errors import CertificateError
from kesdeploy.keystores.outside import secret
from kesdeploy.keystores.vault import names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kesdeploy.keystores.words import Work

CERT, KEY = "keystore.vault.tls.cert", "keystore.vault.tls.key"


@dataclass(frozen=True)
class ClientPair:
    """Both in PEM."""

    cert: str
    key: str = field(repr=False)


def of(work: Work) -> ClientPair | None:
    """The pair, None where the spec has none. UsageError when one of its files cannot be read."""
    tls = names.fields(work.spec).tls
    if tls is None:
        return None
    return ClientPair(secret(work.home, names.TLS_CERT, f"@{tls.cert}"), secret(work.home, names.TLS_KEY, tls.key))


def check(work: Work) -> None:
    """Whether KES could show it. Raises CertificateError; warns of one that ends soon."""
    pair = of(work)
    if pair is None:
        return
    _refuse_literal_line_ends(pair.key)
    try:
        info = pki.describe(pair.cert.encode())
    except CertificateError as error:
        raise CertificateError(f"{CERT} cannot be used", because=_words(error), hint="a PEM file is needed") from error
    if _owner(pair.key) != info.identity:
        raise CertificateError(f"{KEY} is the key of another certificate than {CERT}", hint="give both of one pair")
    _dates(work, info)


def _owner(key: str) -> str:
    from kesdeploy.pki.identity import identity_of
    from kesdeploy.pki.pem import load_key

    try:
        private: Any = load_key(key.encode())
    except CertificateError as error:
        hint = "an unencrypted PEM file is needed: openssl pkey -in OLD -out NEW"
        raise CertificateError(f"{KEY} cannot be used", because=_words(error), hint=hint) from error
    return identity_of(private.public_key())


def _refuse_literal_line_ends(key: str) -> None:
    if r"\n" in key and "\n" not in key.strip():
        raise CertificateError(
            f"{KEY} is in one line",
            because=r"it has the two characters \n where its lines should end",
            hint="name the file itself: @FILE",
        )


def _dates(work: Work, info: pki.CertificateInfo) -> None:
    days = info.days_left(work.now)
    if work.now >= info.not_after:
        raise CertificateError(f"the certificate of {CERT} expired on {info.not_after:%Y-%m-%d}", hint="renew it")
    if days < WARN_DAYS:
        work.report.warn(f"the certificate that KES shows to Vault has {days} days left ({CERT})")


def _words(error: CertificateError) -> str:
    return f"{error.what}: {error.because}" if error.because else error.what


@contextmanager
def files(work: Work) -> Iterator[tuple[Path, Path] | None]:
    """The pair as private files for the moment: TLS libraries read nothing else."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    pair = of(work)
    if pair is None:
        yield None
        return
    with TemporaryDirectory() as folder:
        found = Path(folder, "crt"), Path(folder, "key")
        for path, text in zip(found, (pair.cert, pair.key), strict=True):
            path.touch(0o600)
            path.write_text(text)
        yield found
