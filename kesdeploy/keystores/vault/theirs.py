"""A Vault that somebody else runs: what is kept of it, and what a user's token may set up in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.errors import UsageError
from kesdeploy.keystores.vault import door, entry, names
from kesdeploy.keystores.vault.policy import check_rights, kes_policy

if TYPE_CHECKING:
    from kesdeploy.keystores.vault.door import Login
    from kesdeploy.keystores.words import Work


def bootstrap(work: Work) -> None:
    """Keep what KES's configuration is made from: the login, the engine's version, the authority's file."""
    _keep_authority(work)
    login = entry.login(work) or _made(work)
    door.store(work, login)
    kes = entry.logged_in(work, login)
    version = entry.version(work, kes)
    check_rights(work, kes, version)
    door.leave(kes)
    work.home.write_secret(names.KV_VERSION, version)


def unsettled(work: Work) -> str | None:
    """Why the bootstrap has to run, from files alone."""
    if door.stored(work) is None:
        return "KES has no login to Vault yet"
    if not work.home.read_secret(names.KV_VERSION):
        return "the version of Vault's engine is not known yet"
    if authority_changed(work):
        return "the CA's file is another one now"
    return None


def authority_changed(work: Work) -> bool:
    path = door.authority(work)
    if path is None or not path.is_file():
        return False
    return path.read_text().strip() != (work.home.read_secret(names.CA) or "").strip()


def _keep_authority(work: Work) -> None:
    path = door.authority(work)
    if path and path.is_file() and authority_changed(work):
        work.home.write_secret(names.CA, path.read_text())


def _made(work: Work) -> Login:
    """Policy, role and login, with the user's token; the engine too, where there is none."""
    fields, role = names.fields(work.spec), names.role(work.spec)
    if fields.approle.namespace not in (None, fields.namespace):
        raise UsageError(
            "kesdeploy sets up an AppRole only in the namespace of the keys",
            hint="leave keystore.vault.approle.namespace out, or give approle.id and approle.secret",
        )
    vault, mount = entry.token(work), fields.approle.engine
    version = vault.ensure_kv(fields.engine)
    vault.ensure_approle(mount)
    vault.write_policy(role, kes_policy(work.spec, version))
    vault.ensure_role(role, [role], mount=mount)
    work.report.note(
        f"Vault: policy and AppRole {role!r} at auth/{mount}, keys in {fields.engine}/{names.prefix(work.spec)}"
    )
    return door.Login(vault.role_id(role, mount=mount), vault.new_secret_id(role, mount=mount))
