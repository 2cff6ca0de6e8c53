"""Who asks, and what they may: certificates to identities, identities to policies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from kesdeploy.sandbox.kes.flags import Fatal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.sandbox.kes.config import Policy

_MAX_NAME = 80


class Denied(Exception):
    """An answer other than what was asked for: HTTP status and message. `cause` is for the log alone."""

    def __init__(self, status: int, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.cause = cause


def identify(certificates: tuple[bytes, ...]) -> str:
    """SHA-256 of the public key of the one certificate that is no CA's. Raises Denied."""
    leaves = [identity for identity in map(_identity, certificates) if identity]
    if not leaves:
        raise Denied(400, "tls: client certificate is required")
    if len(leaves) > 1:
        raise Denied(400, "tls: received more than one client certificate")
    return leaves[0]


@lru_cache(maxsize=256)
def _identity(certificate: bytes) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    found = x509.load_der_x509_certificate(certificate)
    try:
        if found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return ""
    except x509.ExtensionNotFound:
        pass
    spki = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def valid_name(name: str) -> bool:
    """1 to 80 of `0-9A-Za-z_-`, no `-` at either end, not `_` alone."""
    good = all((c.isascii() and c.isalnum()) or c in "_-" for c in name)
    return bool(name) and good and name != "_" and len(name) <= _MAX_NAME and name.strip("-") == name


def valid_pattern(pattern: str) -> bool:
    """What may be listed: empty, `*`, or the beginning of a name with or without a `*` behind it."""
    if pattern in ("", "*"):
        return True
    good = all((c.isascii() and c.isalnum()) or c in "_-" for c in pattern.removesuffix("*"))
    return good and pattern != "_" and len(pattern) <= _MAX_NAME and pattern[0] != "-" and pattern[-1] != "-"


@dataclass(frozen=True)
class Rules:
    """Policies by name and by the identity that has them."""

    admin: str
    policies: Mapping[str, Policy]
    names: Mapping[str, str]

    def check(self, identity: str, path: str) -> str:
        """Why `identity` may not use `path`, or "". Deny rules count first; a trailing `*` is a prefix."""
        if identity == self.admin:
            return ""
        if identity not in self.names:
            return "access denied: identity not found"
        policy = self.policies[self.names[identity]]
        if any(_matches(p, path) for p in policy.deny) or not any(_matches(p, path) for p in policy.allow):
            return f"access denied: rejected by policy '{self.names[identity]}'"
        return ""


def rules(admin: str, policies: Mapping[str, Policy]) -> Rules:
    """Judge names and identities, as the real server does only once it listens. Raises Fatal."""
    owners: dict[str, str] = {}
    for name, policy in policies.items():
        if not valid_name(name):
            raise Fatal(f"kes: policy name '{name}' is empty, too long or contains invalid characters")
        for identity in policy.identities:
            if not valid_name(identity):
                raise Fatal(f"kes: identity '{identity}' is empty, too long or contains invalid characters")
            if identity in owners:
                why = "identity already has a policy"
                raise Fatal(f"kes: cannot assign policy '{name}' to '{identity}': {why}")
            owners[identity] = name
    return Rules(admin, policies, owners)


def _matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
