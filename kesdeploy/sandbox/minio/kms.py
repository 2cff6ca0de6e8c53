"""KES as MinIO uses it: as one identity, with few calls, and with MinIO's names for what goes wrong."""

from __future__ import annotations

import base64
import binascii
import json
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kesdeploy.sandbox.gonet import Trust, describe, trust
from kesdeploy.sandbox.minio.errors import Fatal, KmsError, Refusal
from kesdeploy.sandbox.minio.kms_counters import KmsCounters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.sandbox.minio.kms_settings import KmsSettings

_TRIES = 3
_NOT_FOUND, _DENIED, _BAD = 404, 403, 400
_NOT_AUTHENTIC = "decryption failed: ciphertext is not authentic"
_FAILED = {
    "generate": ("kms:KeyGenerationFailed", "failed to generate data key with KMS key"),
    "decrypt": ("kms:DecryptionFailed", "failed to decrypt ciphertext with KMS key"),
    "create": ("kms:KeyCreationFailed", "failed to create KMS key"),
    "list": ("kms:KeyListingFailed", "failed to list keys at the KMS"),
    "status": ("kms:NotAvailable", "KMS status"),
}
NO_PERMISSION = Refusal(_DENIED, "kms:NotAuthorized", "insufficient permissions to perform KMS operation", KmsError)
NO_KEY = Refusal(_NOT_FOUND, "kms:KeyNotFound", "key with given key ID does not exist", KmsError)
EXISTS = Refusal(409, "kms:KeyAlreadyExists", "key with given key ID already exits", KmsError)  # sic
NOT_AUTHENTIC = Refusal(_BAD, "kms:InvalidCiphertextException", "failed to decrypt ciphertext", KmsError)


@dataclass(frozen=True)
class DataKey:
    """`sealed` is the ciphertext, base64."""

    key: str
    plaintext: bytes = field(repr=False)
    sealed: str


def context(values: Mapping[str, str]) -> bytes:
    """The canonical JSON that KES binds a data key to."""
    text = json.dumps(dict(sorted(values.items())), separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode()


class Kms:
    """One or several KES servers that share a keystore. Every method raises KmsError."""

    def __init__(self, settings: KmsSettings, certs_dir: str) -> None:
        self.endpoints = settings.endpoints
        self.default_key = settings.key
        self.counters = KmsCounters()
        self._files = settings.cert_file, settings.key_file
        self._trust = _trust(settings, settings.ca or f"{certs_dir}/CAs")

    def reload(self) -> None:
        """Read the client certificate again, for new connections; those that are open keep the old one."""
        if self._files[0]:
            self._trust.context.load_cert_chain(*self._files)

    def generate(self, key: str, values: Mapping[str, str]) -> DataKey:
        name = key or self.default_key
        body = {"context": base64.b64encode(context(values)).decode()}
        with self.counters.counted():
            found = self._ask("generate", "POST", f"/v1/key/generate/{name}", body)
        return DataKey(name, base64.b64decode(found["plaintext"]), found["ciphertext"])

    def decrypt(self, key: str, sealed: str, values: Mapping[str, str]) -> bytes:
        body = {"ciphertext": sealed, "context": base64.b64encode(context(values)).decode()}
        with self.counters.counted():
            return base64.b64decode(self._ask("decrypt", "POST", f"/v1/key/decrypt/{key}", body)["plaintext"])

    def create(self, key: str) -> None:
        with self.counters.counted():
            self._ask("create", "POST", f"/v1/key/create/{key}")

    def describe(self, key: str) -> None:
        self._ask("status", "GET", f"/v1/key/describe/{key}")

    def names(self, prefix: str) -> list[str]:
        found = self._ask("list", "GET", f"/v1/key/list/{'' if prefix == '*' else prefix}")
        return list(found.get("names") or [])

    def status(self) -> dict[str, str]:
        """`online` or `offline` by endpoint."""
        return {endpoint: self._online(endpoint) for endpoint in self.endpoints}

    def _online(self, endpoint: str) -> str:
        try:
            self._one(endpoint, "status", "GET", "/v1/status", None)
        except KmsError as error:
            if len(self.endpoints) == 1 and error.code == NO_PERMISSION.code:
                raise
            return "offline"
        return "online"

    def _ask(self, what: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
        code, words = _FAILED[what]
        if not self.endpoints:
            raise KmsError(500, code, words, "kes: no server endpoint")
        order = random.sample(self.endpoints, len(self.endpoints))
        for endpoint in order[:-1]:
            try:
                return self._one(endpoint, what, method, path, body)
            except KmsError as error:
                if error.status < 500:  # noqa: PLR2004
                    raise
        return self._one(order[-1], what, method, path, body)

    def _one(self, endpoint: str, what: str, method: str, path: str, body: Any) -> dict[str, Any]:
        code, words = _FAILED[what]
        url = endpoint.rstrip("/") + path
        for left in reversed(range(_TRIES)):
            try:
                status, content = self._trust.request(method, url, {}, json.dumps(body) if body else None)
            except OSError as error:
                if left and _worth_another(error):
                    time.sleep(random.uniform(0.2, 1.0))  # noqa: S311
                    continue
                why = describe(error, method, url)
                why = why if "certificate" in why else f"kes: connection error: {why}"
                raise KmsError(500, code, words, why) from error
            return _answer(what, status, content)
        raise AssertionError


def _worth_another(error: OSError) -> bool:
    return "certificate" not in str(error).lower()


def _answer(what: str, status: int, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        found = {"message": content.decode(errors="replace").strip()}
    if status < _BAD:
        return dict(found)
    message = str(found.get("message", ""))
    if status == _DENIED:
        raise NO_PERMISSION.error()
    if status == _NOT_FOUND and message == "key does not exist":
        raise NO_KEY.error()
    if status == _BAD and message == "key already exists":
        raise EXISTS.error()
    if status == _BAD and message == _NOT_AUTHENTIC:
        raise NOT_AUTHENTIC.error()
    code, words = _FAILED[what]
    raise KmsError(500, code, words, message)


def _trust(settings: KmsSettings, ca: str) -> Trust:
    _check_ca(ca)
    if settings.cert_file or settings.key_file:
        return _with_files(settings, ca)
    from kesdeploy.sandbox.minio.api_key import as_files

    try:
        with as_files(settings.api_key) as (cert, key):
            return trust(ca=ca, cert=cert, key=key)
    except (ValueError, binascii.Error) as error:
        raise Fatal(f"Failed to connect to KMS: {error}") from error


def _with_files(settings: KmsSettings, ca: str) -> Trust:
    from pathlib import Path

    for kind, path in (("certificate", settings.cert_file), ("private key", settings.key_file)):
        if not Path(path).is_file():
            what = f"Unable to load KES client {kind} as specified by the shell environment"
            raise Fatal(f"Failed to connect to KMS: {what}: open {path}: no such file or directory")
    try:
        return trust(ca=ca, cert=settings.cert_file, key=settings.key_file)
    except OSError as error:
        what = "Unable to load KES client certificate as specified by the shell environment"
        raise Fatal(f"Failed to connect to KMS: {what}: {error}") from error


def _check_ca(ca: str) -> None:
    """A missing file is ignored, as by the real server; one without certificates is not."""
    from pathlib import Path

    path = Path(ca)
    if path.is_file() and b"-----BEGIN CERTIFICATE-----" not in path.read_bytes():
        raise Fatal(f'Failed to connect to KMS: cert: "{ca}" does not contain a valid X.509 PEM-encoded certificate')
