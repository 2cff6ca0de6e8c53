"""A Vault that somebody else runs: what is kept of it, and what a user's token may set up in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.errors import UsageError
from kesdeploy.keystores.vault import door, entry, names, preflight
from kesdeploy.keystores.vault.policy import kes_policy

if TYPE_CHECKING:
    from kesdeploy.keystores.words import Work

RACE = "KV v1 has no atomic creation: let no second KES make keys in the same folder (KV v2 has it)"


def bootstrap(work: Work) -> None:
    """Keep what KES's configuration is made from: the login, and the engine's version."""
    login = entry.login(work) or _made(work)
    if isinstance(login, door.Login):
        door.store(work, login)
    kes = entry.logged_in(work, login)
    try:
        version = preflight.fit(work, kes)
    finally:
        door.leave(kes)
    if version == "v1":
        work.report.note(RACE)
    work.home.write_secret(names.KV_VERSION, version)
    work.home.write_secret(names.SETTLED, _settled(work))


def unsettled(work: Work) -> str | None:
    """Why the bootstrap has to run, from files alone."""
    if door.has(work) is None:
        return "KES has no login to Vault yet"
    if not work.home.read_secret(names.KV_VERSION):
        return "the version of Vault's engine is not known yet"
    if work.home.read_secret(names.SETTLED) != _settled(work):
        return "it is another engine of Vault now"
    return None


def _settled(work: Work) -> str:
    """Whose version is known, as text."""
    return f"{names.address(work.spec)}\n{names.namespace(work.spec)}\n{names.fields(work.spec).engine}"


def _made(work: Work) -> door.Login:
    """Policy, role and login, with the user's token; engine and transit key too, where there are none."""
    fields, role = names.fields(work.spec), names.role(work.spec)
    if names.login_namespace(work.spec) != names.namespace(work.spec):
        raise UsageError(
            "kesdeploy sets up an AppRole only in the namespace of the keys",
            hint="leave keystore.vault.approle.namespace out, or give approle.id and approle.secret",
        )
    vault, mount = entry.token(work), fields.approle.engine
    version = vault.ensure_kv(fields.engine, fields.version or "v2")
    if fields.transit:
        vault.ensure_transit(fields.transit.engine)
        vault.transit(fields.transit.engine, fields.transit.key).ensure()
    vault.ensure_approle(mount)
    vault.write_policy(role, kes_policy(work.spec, version))
    vault.ensure_role(role, [role], mount=mount)
    work.report.note(
        f"Vault: policy and AppRole {role!r} at auth/{mount}, "
        f"keys in {names.under(fields.engine, names.prefix(work.spec))}"
    )
    made = vault.role(role, mount=mount)
    return door.Login(made.id(), made.new_secret_id().value)
