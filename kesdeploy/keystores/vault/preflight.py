"""A Vault that somebody else runs, asked before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kesdeploy.errors import ServiceError
from kesdeploy.keystores.reaching import authority, refuse_loopback
from kesdeploy.keystores.vault import door, entry, names
from kesdeploy.keystores.vault.policy import check_rights

if TYPE_CHECKING:
    from kesdeploy.clients.vault import Vault
    from kesdeploy.keystores.words import Work


def preflight(work: Work) -> None:
    """Everything that KES will need of it, in the order in which it can fail. Vault's own words, and the fix."""
    refuse_loopback(names.address(work.spec), "keystore.vault.address")
    authority(names.fields(work.spec).ca, "keystore.vault.ca")
    _open(work, door.vault(work))
    login = entry.login(work)
    if login is None:
        entry.token(work)
        return
    kes = entry.logged_in(work, login)
    check_rights(work, kes, entry.version(work, kes))
    door.leave(kes)


def _open(work: Work, vault: Vault) -> None:
    address = names.address(work.spec)
    try:
        health = vault.health()
    except ServiceError as error:
        raise _unreachable(work, error) from error
    if not health.initialized:
        raise ServiceError(
            f"the Vault at {address} is not initialised yet",
            because="health: initialized=false",
            hint="vault operator init",
        )
    if health.sealed:
        raise ServiceError(
            f"the Vault at {address} is sealed",
            because="health: sealed=true",
            hint="vault operator unseal (whoever has its unseal keys), then the same command again",
            status=503,
        )


def _unreachable(work: Work, error: ServiceError) -> ServiceError:
    if "certificate" in error.because:
        hint = (
            "keystore.vault.ca: the PEM file of the CA that signed it; the address: a name that is in its certificate"
        )
    else:
        host = urlsplit(names.address(work.spec))
        hint = f"is it running there? curl -k https://{host.netloc}/v1/sys/health"
    return ServiceError("your Vault cannot be reached", because=error.because, hint=hint, status=error.status)
