"""A Vault that somebody else runs, asked before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kesdeploy.errors import ServiceError
from kesdeploy.keystores.reaching import authority, refuse_loopback, unused_proxy
from kesdeploy.keystores.vault import door, entry, names, pair, transit
from kesdeploy.keystores.vault.policy import check_rights

if TYPE_CHECKING:
    from kesdeploy.clients.vault import Vault
    from kesdeploy.keystores.words import Work


def preflight(work: Work) -> None:
    """Everything that KES will need of it, in the order in which it can fail. Vault's own words, and the fix."""
    refuse_loopback(names.address(work.spec), "keystore.vault.address")
    authority(names.fields(work.spec).ca, "keystore.vault.ca")
    pair.check(work)
    _open(work, door.vault(work))
    login = entry.login(work)
    if login is None:
        entry.token(work)
        return
    kes = entry.logged_in(work, login)
    try:
        fit(work, kes)
    finally:
        door.leave(kes)


def fit(work: Work, kes: Vault) -> str:
    """Whether KES finds what it needs behind its login; the engine's version."""
    version = entry.version(work, kes)
    granted = check_rights(work, kes, version)
    transit.check(work, kes, granted)
    return version


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
    return ServiceError(
        "your Vault cannot be reached", because=error.because, hint=_next(work, error.because), status=error.status
    )


def _next(work: Work, because: str) -> str:
    # First: some of TLS's alerts speak of a certificate too, and mean ours. Some servers hang up before they are read.
    if any(word in because.lower() for word in ("alert", "eof", "reset by peer", "broken pipe")):
        return "it asks for a client certificate of an authority that it knows: keystore.vault.tls.cert and .key"
    if "certificate" in because:
        return "keystore.vault.ca: the PEM file of the CA that signed it; the address: a name in its certificate"
    if "WRONG_VERSION_NUMBER" in because:
        return "it does not speak TLS there, and keys must not travel in the clear: tls_cert_file of its listener"
    return f"is it running there? curl -k https://{urlsplit(names.address(work.spec)).netloc}/v1/sys/health{unused_proxy(work.spec.kes.proxy)}"
