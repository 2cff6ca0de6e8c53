"""Google, as far as kesdeploy asks it: the login of a service account, and Secret Manager's REST interface.

Shapes and error texts as Google's API reference and error reports show them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

PROJECT = "hhaz-keys-1234"
EMAIL = f"kes@{PROJECT}.iam.gserviceaccount.com"


@cache
def private_key() -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key_file(**changed: Any) -> dict[str, Any]:
    """What Google gives for a service account; None leaves a part out."""
    whole = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": private_key(),
        "client_email": EMAIL,
        "client_id": "123456789012345678901",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "universe_domain": "googleapis.com",
    }
    return {name: value for name, value in {**whole, **changed}.items() if value is not None}


@dataclass
class SecretManager:
    """Secrets by name, with the states of their versions. Set `refuse` and `forbid` to have it say no."""

    refuse: tuple[int, str, str] | None = None
    """Status, error and description, for every login."""
    forbid: tuple[int, str, str, str] | None = None
    """HTTP's status, Google's, reason and message, for every look at a version."""
    secrets: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)

    def __call__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict, Any]:
        url = urlsplit(path)
        self.asked.append(f"{method} {path}")
        if url.path == "/token":
            return self._login(parse_qs(body.decode())["assertion"][0])
        if url.path == "/":
            return 404, {}, None
        if headers.get("Authorization") != "Bearer the-token":
            return 401, {}, _error(401, "UNAUTHENTICATED", "CREDENTIALS_MISSING", "Request had no credentials.")
        return self._secret(url.path)

    def _login(self, assertion: str) -> tuple[int, dict, Any]:
        part = assertion.split(".")[1]
        self.claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        if self.refuse:
            status, error, text = self.refuse
            return status, {}, {"error": error, "error_description": text}
        return 200, {}, {"access_token": "the-token", "expires_in": 3599, "token_type": "Bearer"}

    def _secret(self, path: str) -> tuple[int, dict, Any]:
        _, _, _, project, _, name, *rest = path.split("/")
        if self.forbid and rest:
            status, code, reason, text = self.forbid
            return status, {}, _error(status, code, reason, text)
        if name not in self.secrets or (rest and not self.secrets[name]):
            what = f"Secret [projects/1/secrets/{name}]{' or version [1]' if rest else ''} not found"
            return 404, {}, _error(404, "NOT_FOUND", "", f"{what} or has no versions.")
        if rest and self.secrets[name][0] != "ENABLED":
            text = f"Secret Version [projects/1/secrets/{name}/versions/1] is in {self.secrets[name][0]} state."
            return 400, {}, _error(400, "FAILED_PRECONDITION", "", text)
        return 200, {}, {"name": f"projects/{project}/secrets/{name}"}


def _error(code: int, status: str, reason: str, message: str) -> dict[str, Any]:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    return {"error": {"code": code, "message": message, "status": status, **({"details": [info]} if reason else {})}}
