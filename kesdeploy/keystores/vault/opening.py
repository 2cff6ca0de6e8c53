"""From a Vault that nobody ever used, or that was restarted, to one that is open. Each step is safe to repeat."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kesdeploy.clients.waiting import wait_until
from kesdeploy.errors import DataProtected, ServiceError, StateError, UsageError
from kesdeploy.home import SYSTEM
from kesdeploy.keystores.startover import StartAgain, StartOver
from kesdeploy.keystores.vault import names

if TYPE_CHECKING:
    from kesdeploy.clients.vault import Vault
    from kesdeploy.keystores.words import Work

# It unseals itself within two seconds (measured: 0.1 to 2.0), or never; so long that a busy machine makes it too.
UNSEALS_ITSELF = 10.0
CONTAINER = "container/vault"
FORGOTTEN = (names.ROLE_ID, names.SECRET_ID, names.OPERATOR_ID, names.OPERATOR_SECRET, names.SETTLED)


def opened(work: Work, vault: Vault) -> None:
    """Initialised, unsealed, and answering."""
    health = wait_until(vault.health, timeout=work.timeout, hopeless=work.hopeless)
    if not health.initialized:
        _initialise(work, vault)
        health = vault.health()
    if health.sealed:
        _unseal(work, vault)
    # Until it has elected itself, every request is refused.
    wait_until(lambda: _active(vault), timeout=work.timeout, hopeless=work.hopeless)


def kept(work: Work) -> dict[str, Any]:
    """What init answered: keys, and the root token until it is revoked. Empty while there is nothing."""
    text = work.home.read_secret(names.INIT)
    try:
        return dict(json.loads(text)) if text and text.strip() else {}
    except (ValueError, TypeError, RecursionError) as error:
        file = work.home.secret(names.INIT)
        raise StateError(f"{file} is damaged", hint="put it back from your copy of secrets/") from error


def keep(work: Work, answer: dict[str, Any]) -> None:
    work.home.write_secret(names.INIT, json.dumps(answer, indent=1))


def same_kind(work: Work) -> None:
    """The seal and the product are those that it was initialised with. Raises UsageError: neither can be changed."""
    before = kept(work).get("kind")
    if before and before != _kind(work):
        raise UsageError(
            f"the Vault of {work.spec.name!r} cannot become {_kind(work)}",
            because=f"it was initialised as {before}, and its data can be read by nothing else",
            hint="put keystore.vault.product and keystore.vault.seal back, or use another name: -n OTHER",
        )


def lost(work: Work, what: str, because: str = "") -> DataProtected | StartOver:
    """The error for a Vault that cannot be opened any more: made again only while nothing depends on it."""
    up = f"kesdeploy up -n {work.spec.name}"
    if holds_data(work):
        return DataProtected(
            f"{what}; the data here cannot be read without it",
            because=because,
            hint=f"bring back {work.home.root}/secrets and {work.home.root}/vault as they were, then: {up}",
        )
    return StartOver(what, container=CONTAINER, folder="vault", because=because, hint=up)


def holds_data(work: Work) -> bool:
    """Whether anything was ever encrypted with a key of this Vault."""
    home = work.home
    return (
        bool(home.guarded_keys()) or any(home.path("minio").glob(SYSTEM)) or any(home.path("minio").glob(f"*/{SYSTEM}"))
    )


def _initialise(work: Work, vault: Vault) -> None:
    if holds_data(work):
        raise lost(work, "the Vault that held the keys is gone, and an empty one is in its place")
    for name in FORGOTTEN:
        work.home.secret(name).unlink(missing_ok=True)
    answer = vault.init(recovery=names.fields(work.spec).static)
    # Before anything else: without it, what was just initialised is lost.
    keep(work, {"kind": _kind(work), "keys": list(answer.keys), "root_token": answer.root_token})


def _unseal(work: Work, vault: Vault) -> None:
    if names.fields(work.spec).static:
        try:
            wait_until(lambda: _unsealed(vault), timeout=min(work.timeout, UNSEALS_ITSELF))
        except ServiceError as error:
            because = f"{error.because} (secrets/{names.SEAL_KEY})"
            otherwise = lost(work, "the Vault does not unseal itself", because)
            # It looks for its key at its start alone: an operator may have sealed it since.
            raise StartAgain("the Vault is sealed", container=CONTAINER, otherwise=otherwise) from error
        return
    keys = kept(work).get("keys")
    if not keys:
        raise lost(work, "the Vault is sealed, and its unseal keys are gone", f"no secrets/{names.INIT}")
    if not vault.unseal(keys):
        raise lost(work, "the Vault stays sealed", f"it wants more keys than secrets/{names.INIT} has")


def _unsealed(vault: Vault) -> None:
    if vault.health().sealed:
        raise ServiceError("the Vault is sealed", because="it stays sealed with the key file it was given")


def _active(vault: Vault) -> None:
    if vault.health().standby:
        raise ServiceError("the Vault is not active", because="it has not elected itself yet")


def _kind(work: Work) -> str:
    fields = names.fields(work.spec)
    return f"{fields.product} with seal {'static' if fields.static else 'shares'}"
