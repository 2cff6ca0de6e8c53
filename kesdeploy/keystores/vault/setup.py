"""What KES needs inside of an open Vault of ours: mount, policy, AppRole. Each step is safe to repeat.

First as root, once; then root's token is revoked and kesdeploy goes on as an AppRole of its own.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from kesdeploy.errors import ServiceError
from kesdeploy.keystores.vault import door, names, opening
from kesdeploy.keystores.vault.door import Login
from kesdeploy.keystores.vault.policy import check_rights, kes_policy, operator_policy

if TYPE_CHECKING:
    from kesdeploy.clients.vault import Vault
    from kesdeploy.keystores.words import Work


def bootstrap(work: Work) -> None:
    """Open it, and make it ready for KES. Raises StartOver or DataProtected when it cannot be opened any more."""
    opening.opened(work, door.vault(work))
    root = _root(work)
    vault = root or operator(work)
    if vault is None:
        _only_kes_is_left(work)
        return
    if root:
        ensure_operator(work, root)
    ensure_kes(work, vault)
    if root:
        retire_root(work, root)
    else:
        door.leave(vault)
    work.home.write_secret(names.SETTLED, settled(work))


def settled(work: Work) -> str:
    """What was set up, as text: where it differs from what is kept, the bootstrap must run again."""
    return f"{names.fields(work.spec).engine}\n{names.role(work.spec)}\n{kes_policy(work.spec, 'v2')}"


def ensure_operator(work: Work, root: Vault) -> None:
    """An AppRole of kesdeploy's own, proven before root may go."""
    root.ensure_approle()
    root.write_policy(names.OPERATOR_ROLE, operator_policy(work.spec))
    root.ensure_role(names.OPERATOR_ROLE, [names.OPERATOR_ROLE])
    ensure_login(work, root, names.OPERATOR_ROLE, names.OPERATOR_ID, names.OPERATOR_SECRET)


def ensure_kes(work: Work, vault: Vault) -> None:
    """Mount, policy and AppRole of KES; then ask as KES itself what it may."""
    fields, role = names.fields(work.spec), names.role(work.spec)
    version = vault.ensure_kv(fields.engine)
    if version != "v2":
        raise ServiceError(f"the engine {fields.engine!r} of our own Vault is {version}", because="v2 is needed")
    vault.write_policy(role, kes_policy(work.spec, version))
    vault.ensure_role(role, [role])
    ensure_login(work, vault, role, names.ROLE_ID, names.SECRET_ID)
    login = door.stored(work)
    assert login
    kes = door.as_kes(work, login)
    check_rights(work, kes, version)
    door.leave(kes)


def ensure_login(work: Work, vault: Vault, role: str, role_id: str, secret_id: str) -> None:
    """A login in `secrets/` that works. A kill between making and storing costs a secret id that nobody knows."""
    login = door.stored(work, role_id, secret_id)
    if login and _works(work, login):
        return
    made = vault.role(role)
    door.store(work, Login(made.id(), made.new_secret_id().value), role_id, secret_id)


def retire_root(work: Work, root: Vault) -> None:
    """Revoke the root token, and forget it: in this order, or a copy that still works could be left behind."""
    login = door.stored(work, names.OPERATOR_ID, names.OPERATOR_SECRET)
    assert login
    door.vault(work).login_approle(login.role_id, login.secret_id)
    root.revoke_self()
    _forget_root(work)


def _forget_root(work: Work) -> None:
    answer = opening.kept(work)
    answer.pop("root_token", None)
    opening.keep(work, answer)


def _root(work: Work) -> Vault | None:
    """Vault as root, while the setup is not finished."""
    token = opening.kept(work).get("root_token")
    if not token:
        return None
    vault = door.vault(work, token=token)
    try:
        vault.token_lookup_self()
    except ServiceError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        # It was revoked, and we were killed before we forgot it.
        _forget_root(work)
        return None
    return vault


def operator(work: Work) -> Vault | None:
    """Vault as kesdeploy's own AppRole; None when that does not work any more."""
    login = door.stored(work, names.OPERATOR_ID, names.OPERATOR_SECRET)
    if login is None or not _works(work, login):
        return None
    vault = door.vault(work)
    vault.login_approle(login.role_id, login.secret_id)
    return vault


def _only_kes_is_left(work: Work) -> None:
    """Nobody may change anything in this Vault any more; that is no reason to stop what works."""
    login = door.stored(work)
    if login is None or not _works(work, login):
        what = "kesdeploy has no login for its own Vault any more"
        raise opening.lost(work, what, f"neither secrets/{names.OPERATOR_SECRET} nor secrets/{names.SECRET_ID} works")
    check_rights(work, door.as_kes(work, login), "v2")
    work.home.write_secret(names.SETTLED, settled(work))
    work.report.warn(
        "kesdeploy's own login to its Vault is gone (secrets/vault-operator-*). KES works; its credentials cannot be "
        "rotated until those files are brought back from a copy"
    )


def _works(work: Work, login: Login) -> bool:
    """Whether Vault takes this login. Anything but a refusal is raised."""
    vault = door.vault(work)
    try:
        vault.login_approle(login.role_id, login.secret_id)
    except ServiceError as error:
        if error.status in (400, 403):
            return False
        raise
    door.leave(vault)
    return True
