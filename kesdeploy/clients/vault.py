"""OpenBao or HashiCorp Vault, through hvac: what it takes to run one for KES, or to use somebody else's."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from kesdeploy.clients import Answer, Pair, cause, client_context, message
from kesdeploy.clients.approle import Role
from kesdeploy.clients.transit import Transit
from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from requests import Response
    from requests.adapters import HTTPAdapter

# An init that times out goes on in the server, and its keys are lost for ever.
INIT_SECONDS = 60.0


@dataclass(frozen=True)
class Health:
    """`standby` is also true for the moment between unsealing and becoming active."""

    initialized: bool
    sealed: bool
    standby: bool
    version: str


@dataclass(frozen=True)
class InitKeys:
    """What init answers, once and never again. `keys` unseal, or are recovery keys where a seal unseals by itself."""

    keys: tuple[str, ...] = field(repr=False)
    root_token: str = field(repr=False)


@dataclass(frozen=True)
class Token:
    """What a token may. `ttl` and `period` are in seconds, 0 for none. `role`: the AppRole that logged in.

    uses: after how many requests it is worth nothing; 0 for never.
    """

    policies: tuple[str, ...]
    ttl: int
    period: int
    renewable: bool
    role: str = ""
    uses: int = 0


class Vault:
    """A Vault at `address`. Every refusal is a ServiceError with Vault's own words and status, 0 when it is silent.

    `ca` is the only authority trusted; without one, the public roots that requests ships. `pair`: client certificate
    and key, read at once. `timeout` is in seconds.
    Nothing comes from the environment: no VAULT_ variable, no ~/.vault-token, no proxy but `proxy`.
    """

    def __init__(  # noqa: PLR0913
        self,
        address: str,
        *,
        ca: Path | None = None,
        pair: Pair | None = None,
        token: str = "",
        namespace: str = "",
        timeout: float = 15.0,
        proxy: str | None = None,
    ) -> None:
        self.address = address.rstrip("/")
        self._ca, self._token, self._namespace, self._timeout = ca, token, namespace, timeout
        self._context = client_context(ca, pair) if pair else None
        self._proxy = proxy

    def __repr__(self) -> str:
        return f"Vault({self.address!r})"

    def health(self) -> Health:
        """Answers in every state, also sealed and before init."""
        codes = dict.fromkeys(("standby_code", "sealed_code", "uninit_code", "performance_standby_code"), 200)
        what = "Vault does not tell its health"
        body = self._ask(what, lambda: self._global.read_health_status(method="GET", dr_secondary_code=200, **codes))
        return Health(body["initialized"], body["sealed"], body["standby"], body["version"])

    def init(self, *, shares: int = 1, threshold: int = 1, recovery: bool = False) -> InitKeys:
        """Initialise; the answer must be on disk before anything else happens. ServiceError 400 the second time.

        `recovery`: for a seal that unseals by itself, which hands out recovery keys instead of unseal keys.
        """
        kind = "recovery" if recovery else "secret"
        settings = {f"{kind}_shares": shares, f"{kind}_threshold": threshold}
        body = self._ask(
            "Vault cannot be initialised",
            lambda: self._adapter("", timeout=INIT_SECONDS).put("/v1/sys/init", json=settings),
        )
        return InitKeys(tuple(body["recovery_keys_base64" if recovery else "keys_base64"]), body["root_token"])

    def unseal(self, keys: Iterable[str]) -> bool:
        """Give keys until it opens; whether it did. The keys are secrets."""
        for key in keys:
            body = self._ask("Vault cannot be unsealed", partial(self._global.submit_unseal_key, key))
            if not body["sealed"]:
                return True
        return False

    def login_approle(
        self, role_id: str, secret_id: str, *, mount: str = "approle", namespace: str | None = None
    ) -> Token:
        """Log in, and go on as who that is. `namespace` is that of the login alone, `/` being the root's."""
        from hvac.api.auth_methods import AppRole

        what = "Vault refuses the AppRole's login"
        login = partial(self._login(AppRole, namespace), role_id, secret_id)
        return self._logged_in(what, lambda: login(use_token=False, mount_point=mount))

    def login_kubernetes(
        self, role: str, jwt: str, *, mount: str = "kubernetes", namespace: str | None = None
    ) -> Token:
        """The same, with the token of a service account."""
        from hvac.api.auth_methods import Kubernetes

        what = "Vault refuses the service account's login"
        login = partial(self._login(Kubernetes, namespace), role, jwt)
        return self._logged_in(what, lambda: login(use_token=False, mount_point=mount))

    def token_lookup_self(self) -> Token:
        found = self._ask("Vault does not know the token", lambda: self._door.get("/v1/auth/token/lookup-self"))["data"]
        period, renewable = found.get("period") or 0, found.get("renewable", False)
        return Token(tuple(found["policies"]), found["ttl"], period, renewable, _role(found.get("meta")))

    def revoke_self(self) -> None:
        """Make the token worthless. A root token that is gone cannot come back."""
        self._ask("Vault does not revoke the token", lambda: self._door.post("/v1/auth/token/revoke-self"))
        self._become("")

    def capabilities(self, paths: Iterable[str], *, namespace: str | None = None) -> dict[str, tuple[str, ...]]:
        """What the token may do on each path: create, read, list, …, or deny.

        namespace: where the token is from, when that is another one; paths are then as seen from there.
        """
        from hvac.api import SystemBackend

        wanted = list(paths)
        sys = self._sys if namespace is None else self._api(SystemBackend, namespace)
        body = self._ask("Vault does not tell what the token may", lambda: sys.get_capabilities(paths=wanted))
        return {path: tuple(body["data"][path]) for path in wanted}

    def kv_version(self, mount: str) -> str:
        """`v1` or `v2`. Needs any right below the mount; without, or without the mount, ServiceError 403."""
        what = f"Vault does not show the mount {mount!r}"
        found = self._ask(what, lambda: self._door.get(f"/v1/sys/internal/ui/mounts/{mount}"))["data"]
        return _version(mount, found)

    def ensure_kv(self, mount: str, version: str = "v2") -> str:
        """Mount a key-value engine if nothing is there, and return the version that is there."""
        if found := self._mounts().get(f"{mount}/"):
            return _version(mount, found)
        self._mount(mount, "kv", options={"version": version.removeprefix("v")})
        return version

    def transit(self, mount: str, name: str) -> Transit:
        """A key of a transit engine, used with this token."""
        return Transit(self._ask, self._api, mount, name)

    def ensure_transit(self, mount: str) -> None:
        """Mount a transit engine if nothing is there."""
        if f"{mount}/" not in self._mounts():
            self._mount(mount, "transit")

    def write_policy(self, name: str, text: str) -> None:
        what = f"Vault does not take the policy {name!r}"
        self._ask(what, lambda: self._sys.create_or_update_policy(name, text, pretty_print=False))

    def ensure_approle(self, mount: str = "approle") -> None:
        methods = self._ask("Vault does not list its login methods", self._sys.list_auth_methods)["data"]
        if f"{mount}/" not in methods:
            what = f"Vault does not enable AppRole at {mount!r}"
            self._ask(what, lambda: self._sys.enable_auth_method("approle", path=mount))

    def ensure_role(self, name: str, policies: Iterable[str], *, period: str = "5m", mount: str = "approle") -> None:
        """A role as KES needs it: a periodic token, and secret ids that neither expire nor run out."""
        settings = {
            "token_policies": list(policies),
            "token_period": period,
            "token_num_uses": 0,
            "secret_id_ttl": "0",
            "secret_id_num_uses": 0,
        }
        self._ask(
            f"Vault does not take the role {name!r}",
            lambda: self._door.post(f"/v1/auth/{mount}/role/{name}", json=settings),
        )

    def role(self, name: str, *, mount: str = "approle") -> Role:
        """An AppRole: its id, and its secret ids."""
        return Role(self._ask, self._approle, mount, name)

    # hvac has no types: what it gives is Any.
    @cached_property
    def _door(self) -> Any:
        return self._adapter(self._namespace)

    @cached_property
    def _sys(self) -> Any:
        from hvac.api import SystemBackend

        return self._api(SystemBackend)

    @cached_property
    def _global(self) -> Any:
        """Health and seal belong to the server: asked within a namespace, they are refused."""
        from hvac.api import SystemBackend

        return self._api(SystemBackend, "")

    @cached_property
    def _approle(self) -> Any:
        from hvac.api.auth_methods import AppRole

        return self._api(AppRole)

    def _mounts(self) -> dict[str, Any]:
        listed = self._ask("Vault does not list its mounts", self._sys.list_mounted_secrets_engines)
        return dict(listed["data"])

    def _mount(self, mount: str, kind: str, **options: Any) -> None:
        enable = partial(self._sys.enable_secrets_engine, kind, path=mount, **options)
        self._ask(f"Vault does not mount {mount!r}", enable)

    def _login(self, method: Any, namespace: str | None) -> Any:
        return self._api(method, self._namespace if namespace is None else namespace.strip("/")).login

    def _logged_in(self, what: str, call: Callable[[], Response]) -> Token:
        granted = self._ask(what, call)["auth"]
        self._become(granted["client_token"])
        role = _role(granted.get("metadata"))
        uses = granted.get("num_uses") or 0
        return Token(tuple(granted["token_policies"]), granted["lease_duration"], 0, granted["renewable"], role, uses)

    def _api(self, part: Any, namespace: str | None = None) -> Any:
        return part(self._door if namespace is None else self._adapter(namespace))

    def _adapter(self, namespace: str, timeout: float = 0) -> Any:
        from hvac import adapters
        from requests import Session

        session = Session()
        session.trust_env = False
        session.verify = str(self._ca) if self._ca else True
        if self._proxy:
            session.proxies = {"https": self._proxy}
        if self._context:
            session.mount("https://", _showing(self._context))
        adapter: Any = adapters.RawAdapter
        return adapter(
            base_uri=self.address,
            token=self._token,
            namespace=namespace,
            timeout=timeout or self._timeout,
            session=session,
            ignore_exceptions=True,  # the answer tells more than hvac's exception: its status and all of its errors
        )

    def _become(self, token: str) -> None:
        self._token = self._door.token = token

    def _ask(self, what: str, call: Callable[[], Response]) -> Any:
        try:
            response = call()
        except OSError as error:  # every exception of requests is one
            raise ServiceError(what, because=f"{self.address}: {cause(error)}") from error
        answer = Answer(response.status_code, response.headers, response.content)
        if not response.ok:
            raise ServiceError(what, because=message(answer), status=answer.status)
        return answer.json() if answer.body else {}


def _role(about: Mapping[str, Any] | None) -> str:
    return str((about or {}).get("role_name", ""))


def _version(mount: str, found: Mapping[str, Any]) -> str:
    if found["type"] != "kv":
        raise ServiceError(
            f"The mount {mount!r} is no key-value engine", because=f"it is of the type {found['type']!r}"
        )
    return f"v{(found.get('options') or {}).get('version', '1')}"


def _showing(context: ssl.SSLContext) -> HTTPAdapter:
    """What makes requests show the client certificate of a context: it takes files alone by itself."""
    from requests.adapters import HTTPAdapter

    class Showing(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs, ssl_context=context)

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            return super().proxy_manager_for(*args, **kwargs, ssl_context=context)

    return Showing()
