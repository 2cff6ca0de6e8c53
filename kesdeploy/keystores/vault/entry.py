"""KES's way into a Vault that somebody else runs: its login, and the engine behind it."""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import TYPE_CHECKING

from kesdeploy.errors import ServiceError, UsageError
from kesdeploy.keystores.outside import secret
from kesdeploy.keystores.vault import door, jwt, names
from kesdeploy.keystores.vault.policy import paste

if TYPE_CHECKING:
    from kesdeploy.clients.vault import Vault
    from kesdeploy.keystores.vault.fields import AppRole, Kubernetes
    from kesdeploy.keystores.words import Work

TOKEN = "VAULT_TOKEN"  # noqa: S105 - the variable's name


def login(work: Work) -> door.Login | door.ServiceAccount | None:
    """What KES will log in with: as the spec's sources have it now, else as it was stored. None when nobody gave it.

    Raises UsageError when a source holds nothing that could be it.
    """
    fields = names.fields(work.spec)
    return _service_account(work, fields.kubernetes) if fields.kubernetes else _approle(work, fields.approle)


def _approle(work: Work, given: AppRole) -> door.Login | None:
    role_id, secret_id = _known(work, names.ROLE_ID, given.id), _known(work, names.SECRET_ID, given.secret)
    return door.Login(role_id, secret_id) if role_id and secret_id else None


def _service_account(work: Work, given: Kubernetes) -> door.ServiceAccount:
    token = _known(work, names.JWT, given.jwt)
    if not token:
        raise UsageError(
            "KES has no login to your Vault",
            because="the service account's token is not given",
            hint="--set keystore.vault.kubernetes.jwt=@FILE",
        )
    jwt.check(work, token)
    return door.ServiceAccount(given.role, token.strip())


def _known(work: Work, name: str, source: str | None) -> str | None:
    return secret(work.home, name, source) if source or work.home.read_secret(name) else None


def logged_in(work: Work, login: door.Login | door.ServiceAccount) -> Vault:
    """Vault as KES. ServiceError in Vault's words when it refuses the login."""
    try:
        return door.as_kes(work, login)
    except ServiceError as error:
        if error.hint:  # it was let in, and may not stay
            raise
        who = "the AppRole's" if isinstance(login, door.Login) else "the service account's"
        raise ServiceError(
            f"Vault refuses {who} login at auth/{names.fields(work.spec).login.engine}",
            because=error.because,
            hint=_login_hint(work, error),
            status=error.status,
        ) from error


def _login_hint(work: Work, error: ServiceError) -> str:
    fields = names.fields(work.spec)
    kind = "kubernetes" if fields.kubernetes else "approle"
    if fields.kubernetes and error.status != HTTPStatus.NOT_FOUND:
        return (
            f"vault read auth/{fields.kubernetes.engine}/role/{fields.kubernetes.role} shows whom it lets in; "
            "Vault asks Kubernetes whether the token still holds"
        )
    if error.status == HTTPStatus.BAD_REQUEST:
        return f"a new secret id, without limits: vault write -f auth/{fields.approle.engine}/role/ROLE/secret-id"
    method, where = fields.login, names.login_namespace(work.spec) or "root"
    place = f"is it at {method.engine!r} in the namespace {where!r}? keystore.vault.{kind}.engine and .namespace"
    # Five refused logins (user_lockout), whose they are: then the right one is refused, too, in these very words.
    return f"{place}; if so, was it locked, for 15 minutes? vault read sys/locked-users"


def version(work: Work, vault: Vault) -> str:
    """The engine's version as Vault says it; the spec's where Vault does not."""
    fields = names.fields(work.spec)
    try:
        found = vault.kv_version(fields.engine)
    except ServiceError as error:
        raise ServiceError(
            f"there is no engine {fields.engine!r} for KES's role",
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
    fields = names.fields(work.spec)
    version, where = fields.version or "v2", names.flag(names.namespace(work.spec))
    return (
        f"vault secrets enable{where} -path={fields.engine} -version={version[1:]} kv; if that is there, the role "
        f"lacks this policy:\n{paste(work.spec, version)}"
    )


def token(work: Work, *, namespace: str | None = None) -> Vault:
    """Vault with the user's token, which is stored nowhere; in the namespace of the keys unless another is named."""
    value = os.environ.get(TOKEN, "")
    if not value:
        raise UsageError(
            "KES has no login to your Vault",
            because="neither keystore.vault.approle.id and .secret nor a token is given",
            hint="--set keystore.vault.approle.id=@FILE --set keystore.vault.approle.secret=@FILE, "
            f"or {TOKEN} in the environment",
        )
    vault = door.vault(work, token=value, namespace=namespace)
    try:
        vault.token_lookup_self()
    except ServiceError as error:
        raise ServiceError(
            f"Vault refuses the token in {TOKEN}", because=error.because, hint="vault login", status=error.status
        ) from error
    return vault
