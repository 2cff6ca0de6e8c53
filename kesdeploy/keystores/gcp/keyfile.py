"""A service account's key file: the one JSON that Google gives, of which KES is told four parts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kesdeploy import given
from kesdeploy.errors import UsageError
from kesdeploy.keystores.outside import secret

if TYPE_CHECKING:
    from kesdeploy.home import Home

PARTS = ("client_email", "client_id", "private_key_id", "private_key")
_EMAIL = re.compile(r"[\w.-]+@[\w.-]+")
_MAKE = "gcloud iam service-accounts keys create FILE --iam-account EMAIL; kesdeploy policy gcp has the whole command"
# What else looks like a credentials file, by its `type`.
_OTHER = {
    "authorized_user": "it is your own login (gcloud auth application-default login), which KES cannot use",
    "external_account": "it is for workload identity federation, which KES cannot use",
    "impersonated_service_account": "it impersonates a service account, which KES cannot do",
}


@dataclass(frozen=True)
class Account:
    """A service account, as KES is told of it."""

    client_email: str
    client_id: str
    private_key_id: str
    private_key: str

    def __repr__(self) -> str:
        return f"Account({self.client_email})"

    @property
    def pem(self) -> str:
        r"""The key with real line ends. Written as `\n` they are two letters, of which KES makes one as well."""
        return self.private_key.replace("\\n", "\n")


def store(part: str) -> str:
    """The name in `secrets/` of a part."""
    return f"gcp-{part}"


def account(home: Home, source: str) -> Account:
    """The account in the file; once that is gone, in what was kept of it. UsageError says what is wrong with it."""
    try:
        text = given.read("service account", source)
    except UsageError:
        if not all(home.read_secret(store(part)) for part in PARTS):
            raise
        return Account(**{part: secret(home, store(part), None) for part in PARTS})
    return parsed(text, source)


def parsed(text: str, source: str) -> Account:
    """The account in a key file's text. UsageError says what is wrong with it, and repeats nothing of it."""
    try:
        found = json.loads(text)
    except ValueError:
        raise _refused(source, _no_json(text)) from None
    if reason := _wrong(found):
        raise _refused(source, reason)
    known = Account(**{part: found[part] for part in PARTS})
    if not _is_key(known.pem):
        raise _refused(source, "its private_key is no PEM key; a line of it may be missing")
    return known


def _no_json(text: str) -> str:
    if text.startswith("/") and "\n" not in text:
        return "it holds a path, not JSON; the path itself belongs here: @FILE"
    return "it is not JSON; Google's older P12 files do not serve"


def _wrong(found: Any) -> str:
    """Why KES cannot log in with this, or an empty string."""
    if not isinstance(found, dict):
        return "it is no JSON mapping"
    kind = found.get("type")
    if "installed" in found or "web" in found:
        return "it is an OAuth client's, for people who log in; KES needs a service account's"
    return _incomplete(found) if kind == "service_account" else _OTHER.get(str(kind), "its type is not service_account")


def _incomplete(found: dict[str, Any]) -> str:
    missing = [part for part in PARTS if not found.get(part) or not isinstance(found[part], str)]
    if missing:
        return f"it lacks {', '.join(missing)}"
    if not _EMAIL.fullmatch(found["client_email"]):
        return "its client_email is no address"
    if found.get("universe_domain", "googleapis.com") != "googleapis.com":
        return f"KES knows googleapis.com alone, and it is for {found['universe_domain']}"
    return ""


def _is_key(pem: str) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _refused(source: str, reason: str) -> UsageError:
    return UsageError(f"{source} is no key file of a service account", because=reason, hint=_MAKE)
