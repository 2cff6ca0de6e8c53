"""How a deployment's Vault is reached from this machine."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy.errors import ServiceError
from kesdeploy.keystores.vault import names, pair

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kesdeploy.clients import Door
    from kesdeploy.clients.vault import Vault
    from kesdeploy.keystores.words import Work

# `up` and `status` ask every time: a Vault that is there answers in milliseconds.
QUICK = 5.0
REQUEST = 15.0


@dataclass(frozen=True)
class Seen:
    """What Vault says of itself to anybody."""

    initialized: bool
    sealed: bool
    cluster: str = ""
    """Its own id, since it was initialised; empty while it is sealed."""


@dataclass(frozen=True)
class Login:
    """What an AppRole logs in with. Secret."""

    role_id: str
    secret_id: str

    def __repr__(self) -> str:
        return "Login(…)"

    @property
    def body(self) -> dict[str, str]:
        return {"role_id": self.role_id, "secret_id": self.secret_id}


@dataclass(frozen=True)
class ServiceAccount:
    """What a Kubernetes service account logs in with. Secret, but for the role."""

    role: str
    jwt: str

    def __repr__(self) -> str:
        return f"ServiceAccount({self.role!r}, …)"

    @property
    def body(self) -> dict[str, str]:
        return {"role": self.role, "jwt": self.jwt}


def authority(work: Work) -> Path | None:
    """The CA's file that vouches for Vault; None for the public ones."""
    from pathlib import Path

    fields = names.fields(work.spec)
    if fields.managed:
        return work.home.ca_cert
    return Path(fields.ca).expanduser() if fields.ca else None


def vault(work: Work, *, token: str = "", namespace: str | None = None) -> Vault:
    """Through hvac, in the namespace of the keys unless another is named."""
    from kesdeploy.clients.vault import Vault

    with pair.files(work) as shown:
        return Vault(
            names.address(work.spec),
            ca=authority(work),
            pair=shown,
            token=token,
            namespace=names.namespace(work.spec) if namespace is None else namespace,
            timeout=REQUEST,
            proxy=work.spec.kes.proxy,
        )


def stored(work: Work, role_id: str = names.ROLE_ID, secret_id: str = names.SECRET_ID) -> Login | None:
    """The AppRole's login in `secrets/`, once both halves are there."""
    halves = work.home.read_secret(role_id), work.home.read_secret(secret_id)
    return Login(halves[0], halves[1]) if halves[0] and halves[1] else None


def store(work: Work, login: Login, role_id: str = names.ROLE_ID, secret_id: str = names.SECRET_ID) -> None:
    work.home.write_secret(role_id, login.role_id)
    work.home.write_secret(secret_id, login.secret_id)


def has(work: Work) -> Login | ServiceAccount | None:
    """What KES logs in with now: what is stored."""
    kubernetes = names.fields(work.spec).kubernetes
    if kubernetes is None:
        return stored(work)
    jwt = work.home.read_secret(names.JWT)
    return ServiceAccount(kubernetes.role, jwt.strip()) if jwt else None


def as_kes(work: Work, login: Login | ServiceAccount) -> Vault:
    """Vault as KES sees it. ServiceError when it refuses the login, or lets in for a number of requests alone."""
    method, found = names.fields(work.spec).login, vault(work)
    where = {"mount": method.engine, "namespace": names.login_namespace(work.spec)}
    if isinstance(login, Login):
        token = found.login_approle(login.role_id, login.secret_id, **where)
    else:
        token = found.login_kubernetes(login.role, login.jwt, **where)
    if token.uses:
        # KES logs in anew when a token's time is over, not when it was used up: all it says from then on is 403.
        leave(found)
        role = login.role if isinstance(login, ServiceAccount) else token.role or "ROLE"
        where_to = f"{names.flag(names.login_namespace(work.spec))} auth/{method.engine}/role/{role}"
        raise ServiceError(
            f"KES's token would be used up after {token.uses} requests, and KES would not notice",
            because=f"the role's token_num_uses is {token.uses}",
            hint=f"vault write{where_to} token_num_uses=0",
        )
    return found


def leave(vault: Vault) -> None:
    """Give the token back. One that may not even do that runs out by itself."""
    with suppress(ServiceError):
        vault.revoke_self()


# --- quick: without hvac, whose import alone takes longer than the answer


def seen(work: Work) -> Seen:
    """What it says of itself. ServiceError when there is no answer."""
    answer = _quick(work).ask("GET", "/v1/sys/health")
    body = answer.json()
    if not isinstance(body, dict) or "initialized" not in body:
        raise ServiceError("what answers is no Vault", because=f"HTTP {answer.status}", status=answer.status)
    return Seen(body["initialized"], body["sealed"], str(body.get("cluster_id") or ""))


def admits(work: Work, login: Login | ServiceAccount) -> Entered | None:
    """KES's way in, to be left again; None when Vault refuses it."""
    import json

    quick, headers = _quick(work), _headers(names.login_namespace(work.spec))
    path = f"/v1/auth/{names.fields(work.spec).login.engine}/login"
    answer = quick.ask("PUT", path, body=json.dumps(login.body).encode(), headers=headers)
    if not _good(answer.status):
        return None
    return Entered(quick, answer.json()["auth"]["client_token"], names.namespace(work.spec))


@dataclass(frozen=True)
class Entered:
    """A login of KES's, as long as one question takes."""

    door: Door
    token: str
    namespace: str

    def __repr__(self) -> str:
        return "Entered(…)"

    def read(self, path: str) -> tuple[int, Mapping[str, object]]:
        """HTTP's status, and `data` of the answer."""
        answer = self.door.ask("GET", f"/v1/{path}", headers=_headers(self.namespace, self.token))
        return answer.status, answer.json().get("data") or {} if _good(answer.status) else {}

    def leave(self) -> None:
        with suppress(ServiceError):
            self.door.ask("POST", "/v1/auth/token/revoke-self", headers=_headers("", self.token))


def _headers(namespace: str, token: str = "") -> dict[str, str]:
    found = {"Content-Type": "application/json", "X-Vault-Namespace": namespace, "X-Vault-Token": token}
    return {name: value for name, value in found.items() if value}


def _quick(work: Work) -> Door:
    from kesdeploy.clients import Door

    try:
        with pair.files(work) as shown:
            at, proxy = names.address(work.spec), work.spec.kes.proxy
            return Door(at, ca=authority(work), pair=shown, timeout=QUICK, proxy=proxy)
    except OSError as error:
        raise ServiceError("the CA's file cannot be read", because=str(error)) from error


def _good(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's own numbers
