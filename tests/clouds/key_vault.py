"""Azure, as far as KES uses it: the login of an app registration, and the secrets of a vault.

Shapes and error texts as Azure's REST reference and error reports show them; KES's own use: internal/keystore/azure.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "99999999-8888-7777-6666-555555555555"
SECRET = "8Q~the-value-of-a-client-secret"
TRACE = "Trace ID: 0f0f Correlation ID: 1e1e Timestamp: 2026-01-01 00:00:00Z"


@dataclass
class KeyVault:
    """Secrets by name, with their versions oldest first. Set `refuse` and `forbid` to have it say no."""

    name: str = "hhaz"
    login: str = "https://login.microsoftonline.com"
    tenant: str = TENANT
    """The one that the vault is in."""
    known: bool = True
    """Whether the login has heard of the tenants that it is asked for."""
    refuse: tuple[int, str] | None = None
    """Status and description, for every login."""
    forbid: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    """What a request needs (get, list, set, delete, purge) -> status, inner code and message."""
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    deleted: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    versions: Any = field(default_factory=lambda: itertools.count(1))

    def __call__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict, Any]:
        url = urlsplit(path)
        self.asked.append(f"{method} {url.path}")
        if url.path == "/common/discovery/instance":
            return 200, {}, self._instance()
        if not url.path.startswith(("/secrets", "/deletedsecrets")) and url.path != "/":
            return self._login(url.path, parse_qs(body.decode()))
        if url.path == "/" or "Bearer the-token" not in headers.get("Authorization", ""):
            challenge = f'Bearer authorization="{self.login}/{self.tenant}", resource="https://vault.azure.net"'
            return 401, {"WWW-Authenticate": challenge}, _error("Unauthorized", "AKV10000: Request is missing a token.")
        return self._vault(method, url.path.strip("/").split("/"), body)

    # --- the login

    def _instance(self) -> dict[str, Any]:
        host = urlsplit(self.login).netloc
        return {
            "tenant_discovery_endpoint": f"{self.login}/{self.tenant}/v2.0/.well-known/openid-configuration",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }

    def _login(self, path: str, form: dict[str, list[str]]) -> tuple[int, dict, Any]:
        tenant = path.split("/")[1]
        if path.endswith("openid-configuration"):
            if not self.known:
                text = f"AADSTS90002: Tenant '{tenant}' not found. Check the tenant ID."
                return 400, {}, {"error": "invalid_tenant", "error_description": f"{text} {TRACE}"}
            base = f"{self.login}/{tenant}"
            return (
                200,
                {},
                {
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                },
            )
        if self.refuse:
            status, text = self.refuse
            return status, {}, {"error": "invalid_client", "error_description": f"{text} {TRACE}"}
        if form.get("client_secret") != [SECRET]:
            text = f"AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{CLIENT}'."  # noqa: E501
            return 401, {}, {"error": "invalid_client", "error_description": f"{text} {TRACE}"}
        return (
            200,
            {},
            {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "the-token"},
        )

    # --- the vault

    def _vault(self, method: str, parts: list[str], body: bytes) -> tuple[int, dict, Any]:
        area, name, version = parts[0], *[*parts[1:], "", ""][:2]
        need = _needed(method, area, version, name)
        if need in self.forbid:
            status, inner, text = self.forbid[need]
            return status, {}, _error("Forbidden", text, inner)
        if area == "deletedsecrets":
            return self._deleted(method, name)
        return getattr(self, f"_{need}")(name, version, body)

    def _deleted(self, method: str, name: str) -> tuple[int, dict, Any]:
        if name not in self.deleted:
            return 404, {}, _error("SecretNotFound", f"Deleted Secret not found: {name}")
        if method == "GET":
            return (
                200,
                {},
                {"recoveryId": self._id("deletedsecrets", name), **self._bundle(name, "", self.deleted[name])},
            )
        del self.deleted[name]
        return 204, {}, None

    def _get(self, name: str, version: str, _: bytes) -> tuple[int, dict, Any]:
        there = self.secrets.get(name, {})
        if not there or (version and version not in there):
            return 404, {}, _error("SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        return 200, {}, self._bundle(name, version, there)

    def _list(self, name: str, _: str, __: bytes) -> tuple[int, dict, Any]:
        if not name:
            return 200, {}, {"value": [self._item(known, "") for known in self.secrets], "nextLink": None}
        versions = self.secrets.get(name, {})
        return 200, {}, {"value": [self._item(name, version) for version in versions], "nextLink": None}

    def _set(self, name: str, _: str, body: bytes) -> tuple[int, dict, Any]:
        if not re.fullmatch(r"[0-9a-zA-Z-]{1,127}", name):
            return 400, {}, _error("BadParameter", f"The request URI contains an invalid name: {name}")
        if name in self.deleted:
            text = f"Secret {name} is currently in a deleted but recoverable state"
            return 409, {}, _error("Conflict", text, "ObjectIsDeletedButRecoverable")
        version = f"{next(self.versions):032x}"
        self.secrets.setdefault(name, {})[version] = json.loads(body)["value"]
        return 200, {}, self._bundle(name, version, self.secrets[name])

    def _delete(self, name: str, _: str, __: bytes) -> tuple[int, dict, Any]:
        if name not in self.secrets:
            return 404, {}, _error("SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        self.deleted[name] = self.secrets.pop(name)
        return 200, {}, self._bundle(name, "", self.deleted[name])

    def _id(self, *parts: str) -> str:
        return "/".join((f"https://{self.name}.vault.azure.net", *filter(None, parts)))

    def _item(self, name: str, version: str) -> dict[str, Any]:
        created = int(version or "1", 16)
        return {
            "id": self._id("secrets", name, version),
            "attributes": {"enabled": True, "created": created, "updated": created},
        }

    def _bundle(self, name: str, version: str, there: dict[str, str]) -> dict[str, Any]:
        version = version or next(reversed(there))
        return {**self._item(name, version), "value": there[version]}


def _needed(method: str, area: str, version: str, name: str) -> str:
    if area == "deletedsecrets":
        return "purge" if method == "DELETE" else "get"
    if method == "GET":
        return "list" if version == "versions" or not name else "get"
    return "set" if method == "PUT" else "delete"


def _error(code: str, message: str, inner: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **({"innererror": {"code": inner}} if inner else {})}}
