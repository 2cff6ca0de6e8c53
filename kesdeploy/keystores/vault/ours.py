"""The two quick questions about a Vault that kesdeploy runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.errors import CertificateError, ServiceError
from kesdeploy.keystores.vault import door, names, opening, setup

if TYPE_CHECKING:
    from kesdeploy.keystores.words import Work

FORBIDDEN = 403


def unsettled(work: Work) -> str | None:
    """Why the bootstrap has to run, or None. A few quick requests."""
    try:
        seen = door.seen(work)
    # Without our CA it cannot be asked; the CA is made again before it is.
    except (CertificateError, ServiceError) as error:
        return f"it does not answer: {error.because or error.what}"
    if not seen.initialized:
        return "it is not initialised yet"
    if seen.sealed:
        return "it is sealed"
    return _unfinished(work)


def _unfinished(work: Work) -> str | None:
    login = door.stored(work)
    if login is None:
        return "KES has no login to it yet"
    if "root_token" in opening.kept(work):
        return "its setup was not finished"
    if work.home.read_secret(names.SETTLED) != setup.settled(work):
        return "it is not set up as it should be"
    return _refused(work, login)


def _refused(work: Work, login: door.Login) -> str | None:
    """Whether Vault no longer lets KES in, or at its keys: somebody may have ended either."""
    entered = door.admits(work, login)
    if entered is None:
        return "it refuses KES's login"
    try:
        engine, where = names.fields(work.spec).engine, names.under(names.prefix(work.spec), work.spec.key_name)
        status, _ = entered.read(f"{engine}/data/{where}")
    finally:
        entered.leave()
    return "it refuses KES its keys" if status == FORBIDDEN else None
