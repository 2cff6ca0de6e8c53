"""KES's way into a Vault that somebody else runs: its login, and the engine behind it."""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import TYPE_CHECKING

from kesdeploy import given
from kesdeploy.errors import ServiceError, UsageError
from kesdeploy.keystores.vault import door, names
from kesdeploy.keystores.vault.policy import kes_policy

if TYPE_CHECKING:
    from kesdeploy.clients.vault import Vault
    from kesdeploy.keystores.vault.door import Login
    from kesdeploy.keystores.words import Work

TOKEN = "VAULT_TOKEN"  # noqa: S105 - the variable's name


def login(work: Work) -> Login | None:
    """The AppRole: stored already, or where the spec says it is. None when nobody gave one."""
    if found := door.stored(work):
        return found
    approle = names.fields(work.spec).approle
    role_id = work.home.read_secret(names.ROLE_ID) or (given.read(names.ROLE_ID, approle.id) if approle.id else "")
    secret_id = work.home.read_secret(names.SECRET_ID) or (
        given.read(names.SECRET_ID, approle.secret) if approle.secret else ""
    )
    return door.Login(role_id, secret_id) if role_id and secret_id else None


def logged_in(work: Work, login: Login) -> Vault:
    try:
        return door.as_kes(work, login)
    except ServiceError as error:
        approle = names.fields(work.spec).approle
        raise ServiceError(
            f"Vault refuses the AppRole's login at auth/{approle.engine}",
            because=error.because,
            hint=_login_hint(work, error),
            status=error.status,
        ) from error


def _login_hint(work: Work, error: ServiceError) -> str:
    fields = names.fields(work.spec)
    approle = fields.approle
    if error.status == HTTPStatus.BAD_REQUEST:
        return f"a new secret id, without limits: vault write -f auth/{approle.engine}/role/ROLE/secret-id"
    where = approle.namespace or fields.namespace or "root"
    return f"is AppRole at {approle.engine!r} in the namespace {where!r}? keystore.vault.approle.engine and .namespace"


def version(work: Work, vault: Vault) -> str:
    """The engine's version as Vault says it; the spec's where Vault does not."""
    fields = names.fields(work.spec)
    try:
        found = vault.kv_version(fields.engine)
    except ServiceError as error:
        raise ServiceError(
            f"there is no engine {fields.engine!r} for KES's AppRole",
            because=error.because,
            hint=_mount_hint(work),
            status=error.status,
        ) from error
    if fields.version and fields.version != found:
        raise ServiceError(
            f"the engine {fields.engine!r} is {found}, and the spec says {fields.version}",
            because="KES reads and writes other paths for each",
            hint=f"keystore.vault.version: {found}, or leave it out",
        )
    return found


def _mount_hint(work: Work) -> str:
    engine = names.fields(work.spec).engine
    policy = kes_policy(work.spec, names.fields(work.spec).version or "v2")
    return (
        f"vault secrets enable -path={engine} -version=2 kv; if that is there, the AppRole lacks this policy:\n"
        f"vault policy write {names.role(work.spec)} - <<'EOF'\n{policy}EOF"
    )


def token(work: Work) -> Vault:
    """Vault with the user's token, which is stored nowhere."""
    value = os.environ.get(TOKEN, "")
    if not value:
        raise UsageError(
            "KES has no login to your Vault",
            because="neither keystore.vault.approle.id and .secret nor a token is given",
            hint="--set keystore.vault.approle.id=@FILE --set keystore.vault.approle.secret=@FILE, "
            f"or {TOKEN} in the environment",
        )
    vault = door.vault(work, token=value)
    try:
        vault.token_lookup_self()
    except ServiceError as error:
        raise ServiceError(
            f"Vault refuses the token in {TOKEN}", because=error.because, hint="vault login", status=error.status
        ) from error
    return vault
