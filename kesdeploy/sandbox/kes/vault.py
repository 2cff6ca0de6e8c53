"""Keys in Vault or OpenBao: AppRole or Kubernetes login, KV v1 or v2, transit, as the real KES uses them."""

from __future__ import annotations

import base64
import json
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy.sandbox.gonet import Trust, describe, trust
from kesdeploy.sandbox.kes.flags import Fatal
from kesdeploy.sandbox.kes.keystore import Exists, Missing, Unavailable, Unreachable

if TYPE_CHECKING:
    from kesdeploy.sandbox.kes.keystore_config import Login, VaultStore

_TRIES = 3
_SOON = 30.0  # seconds of life under which a token is replaced at once
_SEALED = "vault: key store is sealed"


class Refused(Exception):
    """Vault answered with an error. The text has the shape of HashiCorp's own client."""

    def __init__(self, method: str, url: str, status: int, errors: list[str]) -> None:
        lines = "".join(f"\n* {e}" for e in errors)
        super().__init__(f"Error making API request.\n\nURL: {method} {url}\nCode: {status}. Errors:\n{lines}")
        self.status = status


class Vault:
    """A login that is kept alive, and a flag that says whether Vault was sealed at the last look."""

    def __init__(self, config: VaultStore) -> None:
        self._config = config
        self._base = config.endpoint.rstrip("/")
        self._trust = _trust(config)
        self._token = ""
        self._sealed = False
        self._closed = threading.Event()
        if config.version not in ("v1", "v2"):
            raise Fatal(f"vault: invalid engine API version '{config.version}'")
        try:
            auth = self._login()
        except (Refused, OSError) as error:
            raise Fatal(str(error)) from error
        threading.Thread(target=self._ping, daemon=True).start()
        threading.Thread(target=self._renew, args=(auth,), daemon=True).start()

    def __str__(self) -> str:
        return f"Hashicorp Vault: {self._config.endpoint}"

    def status(self) -> None:
        try:
            health = self._health()
        except (Refused, OSError) as error:
            raise Unavailable(str(error)) from error
        if not health.get("initialized"):
            raise Unreachable("kes: keystore unreachable: vault: not initialized")
        if health.get("sealed"):
            raise Unreachable(f"kes: keystore unreachable: {_SEALED}")

    def create(self, name: str, value: bytes) -> None:
        path = self._path(name, "data")
        found = self._ask("create", path, "GET", path)
        if found:
            raise self._exists(name, path, found)
        if self._config.transit:
            value = self._seal(path, value)
        body: dict[str, Any] = {name: value.decode()}
        if self._config.version == "v2":
            body = {"options": {"cas": 0}, "data": body}
        self._ask("create", path, "PUT", path, body)

    def get(self, name: str) -> bytes:
        path = self._path(name, "data")
        where = "/".join(p for p in (self._config.prefix, name) if p)
        entry = self._ask("read", where, "GET", path + ("?version=1" if self._config.version == "v2" else ""))
        if self._config.version == "v2":
            entry = entry.get("data") or {}
        if not entry:
            raise Missing
        value = entry.get(name)
        if value is None:
            raise Unavailable(f"vault: failed to read '{where}': entry exists but no secret key is present")
        if str(value).startswith("vault:v1:"):
            return self._open(where, str(value))
        return str(value).encode()

    def delete(self, name: str) -> None:
        where = "/".join(p for p in (self._config.prefix, name) if p)
        self._ask("delete", where, "DELETE", self._path(name, "metadata"))

    def names(self) -> list[str]:
        path = self._path("", "metadata")
        return [str(n) for n in self._ask("list", path, "GET", path + "?list=true").get("keys") or []]

    def close(self) -> None:
        self._closed.set()

    def _path(self, name: str, kind: str) -> str:
        parts = (self._config.engine, kind if self._config.version == "v2" else "", self._config.prefix, name)
        return "/".join(p.strip("/") for p in parts if p.strip("/"))

    def _exists(self, name: str, path: str, found: dict[str, Any]) -> Exception:
        if self._config.version == "v1" and name not in found:
            return Unavailable(f"vault: entry exist but failed to read '{path}': invalid K/V v1 format")
        if self._config.version == "v2" and name not in (found.get("data") or {}):
            return Unavailable(f"vault: failed to read '{path}': entry exists but no secret key is present")
        return Exists()

    def _seal(self, path: str, value: bytes) -> bytes:
        engine, key = self._config.transit or ("", "")
        body = {"plaintext": base64.b64encode(value).decode()}
        sealed = str(self._ask("create", path, "POST", f"{engine}/encrypt/{key}", body).get("ciphertext"))
        if not sealed.startswith("vault:v1:"):
            why = "failed to encrypt key: invalid vault response"
            raise Unavailable(f"vault: failed to create '{path}': {why}")
        return sealed.encode()

    def _open(self, where: str, sealed: str) -> bytes:
        if not self._config.transit:
            raise Unavailable(f"vault: failed to read '{where}': key is encrypted with vault transit key")
        engine, key = self._config.transit
        answer = self._ask("read", where, "POST", f"{engine}/decrypt/{key}", {"ciphertext": sealed})
        return base64.b64decode(answer["plaintext"])

    def _ask(self, verb: str, what: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The `data` of Vault's answer, {} when there is nothing there. Raises Unavailable."""
        if self._sealed:
            raise Unavailable(_SEALED)
        try:
            return self._call(method, path, body, namespace=self._config.namespace).get("data") or {}
        except (Refused, OSError) as error:
            raise Unavailable(f"vault: failed to {verb} '{what}': {error}") from error

    def _login(self) -> dict[str, Any]:
        login: Login = self._config.login
        body = dict(login.fields)
        if login.jwt_file:
            body["jwt"] = Path(login.jwt_file).read_text(encoding="utf-8")
        namespace = "" if login.namespace == "/" else login.namespace or self._config.namespace
        answer = self._call("PUT", f"auth/{login.engine}/login", body, namespace=namespace, token="")
        auth: dict[str, Any] = answer.get("auth") or {}
        self._token = str(auth.get("client_token") or "")
        return auth

    def _health(self) -> dict[str, Any]:
        """Asked without a token or namespace; every state is a 299 so that none counts as an error."""
        codes = "&".join(f"{n}=299" for n in ("uninitcode", "sealedcode", "standbycode", "drsecondarycode"))
        return self._call("GET", f"sys/health?{codes}", None, token="")

    def _call(
        self, method: str, path: str, body: Any, *, namespace: str = "", token: str | None = None
    ) -> dict[str, Any]:
        """One request, tried again on 5xx and on broken connections. Raises Refused, OSError."""
        url = f"{self._base}/v1/{path}"
        headers = {"X-Vault-Request": "true"}
        headers |= {"X-Vault-Namespace": namespace} if namespace else {}
        headers |= {"X-Vault-Token": self._token if token is None else token}
        for left in reversed(range(_TRIES)):
            try:
                status, content = self._trust.request(method, url, headers, json.dumps(body) if body else None)
            except OSError as error:
                if left and "certificate" not in str(error):
                    time.sleep(1.0)
                    continue
                raise OSError(describe(error, method, url)) from error
            if status < 500 or not left:  # noqa: PLR2004
                break
            time.sleep(1.0)
        return _answer(method, url, status, content)

    def _ping(self) -> None:
        while True:
            with suppress(Refused, OSError):  # then the last known state stays, as in the real server
                self._sealed = bool(self._health().get("sealed"))
            if self._closed.wait(self._config.ping):
                return

    def _renew(self, auth: dict[str, Any]) -> None:
        while ttl := float(auth.get("lease_duration") or 0):
            wait = 3.0 if ttl < _SOON else 0.8 * ttl
            if self._closed.wait(wait):
                return
            if not self._sealed:
                auth = self._prolong(auth)

    def _prolong(self, auth: dict[str, Any]) -> dict[str, Any]:
        with suppress(Refused, OSError):  # then a new login is tried
            if auth.get("renewable") and float(auth["lease_duration"]) >= _SOON:
                return self._call("PUT", "auth/token/renew-self", {"increment": 0}).get("auth") or auth
        try:
            return self._login()
        except (Refused, OSError):
            return {**auth, "lease_duration": 1}


def _trust(config: VaultStore) -> Trust:
    if config.ca and not Path(config.ca).exists():
        raise Fatal(f"vault: failed to open '{config.ca}': stat {config.ca}: no such file or directory")
    try:
        return trust(ca=config.ca, cert=config.cert, key=config.key, system=not config.ca, timeout=60.0)
    except OSError:
        # The real server drops this error (vault.go, ConfigureTLS), and then knows no CA but the system's either.
        return trust(ca="", timeout=60.0)


def _answer(method: str, url: str, status: int, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        found = {"errors": [content[:200].decode(errors="replace")]}
    if status == 404 and not (found.get("errors")):  # noqa: PLR2004
        return {}
    if status >= 400:  # noqa: PLR2004
        raise Refused(method, url, status, [str(e) for e in found.get("errors") or []])
    return dict(found)
