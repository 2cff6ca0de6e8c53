"""How a deployment's Vault is reached from this machine."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy.errors import ServiceError
from kesdeploy.keystores.vault import names

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.clients import Door
    from kesdeploy.clients.vault import Vault
    from kesdeploy.keystores.words import Work
    from kesdeploy.spec import Spec

# `up` and `status` ask every time: a Vault that is there answers in milliseconds.
QUICK = 5.0
REQUEST = 15.0


@dataclass(frozen=True)
class Seen:
    """What Vault says of itself to anybody."""

    initialized: bool
    sealed: bool


@dataclass(frozen=True)
class Login:
    """What an AppRole logs in with. Secret."""

    role_id: str
    secret_id: str

    def __repr__(self) -> str:
        return "Login(…)"


def authority(work: Work) -> Path | None:
    """The CA's file that vouches for Vault; None for the public ones."""
    from pathlib import Path

    fields = names.fields(work.spec)
    if fields.managed:
        return work.home.ca_cert
    return Path(fields.ca).expanduser() if fields.ca else None


def vault(work: Work, *, token: str = "") -> Vault:
    """Through hvac, in the namespace of the keys."""
    from kesdeploy.clients.vault import Vault

    namespace = names.fields(work.spec).namespace or ""
    return Vault(
        names.address(work.spec), ca=authority(work), token=token, namespace=namespace.strip("/"), timeout=REQUEST
    )


def stored(work: Work, role_id: str = names.ROLE_ID, secret_id: str = names.SECRET_ID) -> Login | None:
    """The login in `secrets/`, once both halves are there."""
    halves = work.home.read_secret(role_id), work.home.read_secret(secret_id)
    return Login(halves[0], halves[1]) if halves[0] and halves[1] else None


def store(work: Work, login: Login, role_id: str = names.ROLE_ID, secret_id: str = names.SECRET_ID) -> None:
    work.home.write_secret(role_id, login.role_id)
    work.home.write_secret(secret_id, login.secret_id)


def as_kes(work: Work, login: Login) -> Vault:
    """Vault as KES sees it. ServiceError when it refuses the login."""
    approle = names.fields(work.spec).approle
    found = vault(work)
    found.login_approle(login.role_id, login.secret_id, mount=approle.engine, namespace=approle.namespace)
    return found


def leave(vault: Vault) -> None:
    """Give the token back. One that may not even do that runs out by itself."""
    with suppress(ServiceError):
        vault.revoke_self()


def seen(work: Work) -> Seen:
    """Quick: without hvac, whose import alone takes longer than the answer. ServiceError when there is none."""
    answer = _quick(work).ask("GET", "/v1/sys/health")
    body = answer.json()
    if not isinstance(body, dict) or "initialized" not in body:
        raise ServiceError("what answers is no Vault", because=f"HTTP {answer.status}", status=answer.status)
    return Seen(body["initialized"], body["sealed"])


def admits(work: Work, login: Login) -> bool:
    """Whether Vault lets KES's AppRole in; quick as well."""
    import json

    approle = names.fields(work.spec).approle
    headers = {"Content-Type": "application/json"}
    if namespace := _login_namespace(work.spec):
        headers["X-Vault-Namespace"] = namespace
    body = json.dumps({"role_id": login.role_id, "secret_id": login.secret_id}).encode()
    quick = _quick(work)
    answer = quick.ask("PUT", f"/v1/auth/{approle.engine}/login", body=body, headers=headers)
    if not _good(answer.status):
        return False
    headers["X-Vault-Token"] = answer.json()["auth"]["client_token"]
    quick.ask("POST", "/v1/auth/token/revoke-self", headers=headers)
    return True


def _login_namespace(spec: Spec) -> str:
    fields = names.fields(spec)
    given = fields.approle.namespace if fields.approle.namespace is not None else fields.namespace
    return (given or "").strip("/")


def _quick(work: Work) -> Door:
    from kesdeploy.clients import Door

    try:
        return Door(names.address(work.spec), ca=authority(work), timeout=QUICK)
    except OSError as error:
        raise ServiceError("the CA's file cannot be read", because=str(error)) from error


def _good(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's own numbers
