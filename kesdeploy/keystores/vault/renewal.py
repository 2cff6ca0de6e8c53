"""A new secret id for KES's AppRole, and the end of the old one.

The old one stays in `secrets/` until Vault was seen to refuse it: whoever is killed meanwhile is continued by that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kesdeploy import given
from kesdeploy.errors import ServiceError, UsageError
from kesdeploy.keystores.vault import door, entry, names, setup
from kesdeploy.keystores.vault.door import Login

if TYPE_CHECKING:
    from kesdeploy.clients.approle import Role
    from kesdeploy.clients.vault import Vault
    from kesdeploy.keystores.words import Work

OLD = f"{names.SECRET_ID}.old"
REFUSALS = (400, 403)


def renewed(work: Work) -> bool:
    """A kill may leave an old one that is still the present one."""
    old = work.home.read_secret(OLD)
    return bool(old) and old != work.home.read_secret(names.SECRET_ID)


def renew(work: Work) -> None:
    if renewed(work):
        return
    if names.fields(work.spec).managed:
        vault = _operator(work)
        _change(work, vault.role(names.role(work.spec)))
        door.leave(vault)
    else:
        _renew_theirs(work)


def retire(work: Work) -> str:
    """Vault's words to the old one; empty where there is none, or nobody here may destroy it."""
    old = work.home.read_secret(OLD)
    if old is None or not renewed(work):
        return ""
    if names.fields(work.spec).managed:
        _retire_ours(work)
    elif not _retire_theirs(work, old):
        return ""
    refused = _refusal(work, old)
    if not refused:
        raise ServiceError("Vault still takes KES's old secret id", hint=f"kesdeploy up -n {work.spec.name}")
    work.home.secret(OLD).unlink(missing_ok=True)
    return refused


def _change(work: Work, role: Role) -> None:
    """A kill between making and storing costs a secret id that nobody knows; in a Vault of ours, `retire` finds it."""
    work.home.write_secret(OLD, work.home.read_secret(names.SECRET_ID) or "")
    work.home.write_secret(names.SECRET_ID, role.new_secret_id().value)


def _refusal(work: Work, secret_id: str) -> str:
    """Vault's words; empty when it takes the secret id. Anything but a refusal is raised."""
    role_id = work.home.read_secret(names.ROLE_ID) or ""
    try:
        kes = door.as_kes(work, Login(role_id, secret_id))
    except ServiceError as error:
        if error.status in REFUSALS:
            return error.because
        raise
    door.leave(kes)
    return ""


# --- a Vault of ours: nobody else has a secret id there


def _operator(work: Work) -> Vault:
    vault = setup.operator(work)
    if vault is None:
        raise ServiceError(
            "kesdeploy has no login of its own to its Vault any more, so nobody can renew KES's",
            because=f"secrets/{names.OPERATOR_SECRET} does not work",
            hint=f"bring secrets/{names.OPERATOR_ID} and secrets/{names.OPERATOR_SECRET} back from a copy",
        )
    return vault


def _retire_ours(work: Work) -> None:
    """KES's old one, and kesdeploy's own besides, which is used at such times alone."""
    vault = _operator(work)
    kes, own = vault.role(names.role(work.spec)), vault.role(names.OPERATOR_ROLE)
    accessor = kes.accessor(work.home.read_secret(names.SECRET_ID) or "")
    if not accessor:
        raise ServiceError("Vault does not know KES's new secret id", hint=f"kesdeploy up -n {work.spec.name}")
    kes.destroy_all_but(accessor)
    made = own.new_secret_id()
    work.home.write_secret(names.OPERATOR_SECRET, made.value)
    own.destroy_all_but(made.accessor)
    door.leave(vault)


# --- a Vault of somebody else's: others may log in as the same role


def _renew_theirs(work: Work) -> None:
    fields, kept = names.fields(work.spec), work.home.read_secret(names.SECRET_ID)
    if fields.kubernetes:
        raise UsageError(
            "KES has no secret id: it logs in with the token of a service account",
            hint=f"a new token where keystore.vault.kubernetes.jwt says; then: kesdeploy up -n {work.spec.name}",
        )
    source = fields.approle.secret
    if source and not given.changed(source, kept or ""):
        raise UsageError(
            f"KES's secret id is yours: the spec reads it from {source}",
            because="there is the same one as before",
            hint=f"vault write -f auth/{fields.approle.engine}/role/ROLE/secret-id; put that there; "
            "then the same command again",
        )
    role = _permitted(work)
    if source:
        work.home.write_secret(OLD, kept or "")
    else:
        _change(work, role)


def _permitted(work: Work) -> Role:
    """KES's role, as somebody who may renew its secret ids: the user, by VAULT_TOKEN, or KES itself.

    ServiceError with the commands to type where nobody may.
    """
    mount, where = names.fields(work.spec).approle.engine, names.login_namespace(work.spec)
    kes, login = door.vault(work, namespace=where), door.stored(work)
    if login is None:
        raise UsageError("KES has no login to your Vault yet", hint=f"kesdeploy up -n {work.spec.name}")
    name = kes.login_approle(login.role_id, login.secret_id, mount=mount).role
    vault = entry.token(work, namespace=where) if os.environ.get(entry.TOKEN) else kes
    start = f"auth/{mount}/role/{name}/secret-id"
    granted = vault.capabilities([start, f"{start}/destroy"])
    lacking = [path for path, rights in granted.items() if not {"update", "root"}.intersection(rights)]
    if lacking:
        raise ServiceError(
            "kesdeploy may not renew KES's secret id in your Vault",
            because=f"{'the token' if vault is not kes else 'KES'} lacks update on {', '.join(lacking)}",
            hint=f"{entry.TOKEN}=… of somebody who may; or by hand: vault write -f {start}; "
            f"kesdeploy up -n {work.spec.name} --set keystore.vault.approle.secret=@FILE; "
            f"vault write {start}/destroy secret_id=-",
            status=403,
        )
    return vault.role(name, mount=mount)


def _retire_theirs(work: Work, old: str) -> bool:
    """Whether it is gone: somebody may have destroyed it by hand. Without the right to, it is only told."""
    if _refusal(work, old):
        return True
    try:
        _permitted(work).destroy(old)
    except (ServiceError, UsageError) as error:
        work.report.warn(
            f"KES's old secret id still works ({error.what}). {entry.TOKEN}=… kesdeploy up -n {work.spec.name}, or: "
            f"vault write auth/{names.fields(work.spec).approle.engine}/role/ROLE/secret-id/destroy "
            f"secret_id=@{work.home.secret(OLD)}"
        )
        return False
    return True
