"""Google: the login of a service account, and Secret Manager: REST, which kesdeploy asks, and gRPC, as KES does.

Shapes and error texts as Google's API reference and error reports show them; KES's own use: internal/keystore/gcp.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from clouds import grpc
from clouds.grpc import fields, message

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
    payloads: dict[str, bytes] = field(default_factory=dict)
    """What the first version of each holds."""
    denied: dict[str, str] = field(default_factory=dict)
    """Method of gRPC -> why it is refused."""
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

    # --- gRPC

    def called(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """One call of google.cloud.secretmanager.v1.SecretManagerService."""
        method, given = path.rpartition("/")[2], fields(body)
        self.asked.append(method)
        if not signed(headers.get("authorization", "").removeprefix("Bearer ")):
            return grpc.UNAUTHENTICATED, "Request had invalid authentication credentials.", b""
        if method in self.denied:
            return grpc.PERMISSION_DENIED, self.denied[method], b""
        return getattr(self, f"_{method}")(given)

    def _CreateSecret(self, given: dict[int, bytes]) -> tuple[int, str, bytes]:  # noqa: N802 - the method's own name
        name = given[2].decode()
        if name in self.secrets:
            return grpc.ALREADY_EXISTS, f"Secret [{name}] already exists.", b""
        self.secrets[name] = []
        return grpc.OK, "", message((1, f"{given[1].decode()}/secrets/{name}"))

    def _AddSecretVersion(self, given: dict[int, bytes]) -> tuple[int, str, bytes]:  # noqa: N802
        name = given[1].decode().rpartition("/")[2]
        self.secrets[name].append("ENABLED")
        self.payloads.setdefault(name, fields(given[2])[1])
        return grpc.OK, "", message((1, f"{given[1].decode()}/versions/{len(self.secrets[name])}"))

    def _AccessSecretVersion(self, given: dict[int, bytes]) -> tuple[int, str, bytes]:  # noqa: N802
        *_, name, _, version = given[1].decode().split("/")
        if version != "1" or not self.secrets.get(name):
            return grpc.NOT_FOUND, f"Secret [{name}] not found or has no versions.", b""
        return grpc.OK, "", message((1, given[1]), (2, message((1, self.payloads[name]))))

    def _ListSecrets(self, given: dict[int, bytes]) -> tuple[int, str, bytes]:  # noqa: N802
        parent = given[1].decode()
        return grpc.OK, "", message(*((1, message((1, f"{parent}/secrets/{name}"))) for name in self.secrets))

    def _DeleteSecret(self, given: dict[int, bytes]) -> tuple[int, str, bytes]:  # noqa: N802
        name = given[1].decode().rpartition("/")[2]
        if name not in self.secrets:
            return grpc.NOT_FOUND, f"Secret [{name}] not found.", b""
        del self.secrets[name]
        self.payloads.pop(name, None)
        return grpc.OK, "", b""


def signed(token: str) -> bool:
    """Whether the service account itself signed this token."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    head, _, signature = token.rpartition(".")
    public = load_pem_private_key(private_key().encode(), None).public_key()
    try:
        public.verify(base64.urlsafe_b64decode(signature + "=="), head.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    claims = json.loads(base64.urlsafe_b64decode(head.partition(".")[2] + "=="))
    return claims["iss"] == EMAIL


def _error(code: int, status: str, reason: str, message: str) -> dict[str, Any]:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    return {"error": {"code": code, "message": message, "status": status, **({"details": [info]} if reason else {})}}
