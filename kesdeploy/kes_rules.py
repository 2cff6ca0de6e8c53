"""What names, identities, patterns and routes KES takes, and what it takes otherwise than it is meant.

For the spec and for the rendered configuration alike. Each gives the value back, or raises ValueError with the reason.
Source: auth.go, kesconf/config.go and kms-go's policy.go (2025-03-12).
"""

from __future__ import annotations

import difflib
import re
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

from kesdeploy.kes_routes import ROUTES, reaches
from kesdeploy.objections import UNSHOWN

DISABLED = "disabled"
_SEVERAL = re.compile(r"(/v1/(key|policy|identity)/)\*/(.*)")
_VERBS = {"key": ("create", "generate", "decrypt"), "policy": ("describe", "read"), "identity": ("describe", "list")}


def proxy(value: str) -> str:
    """An HTTP proxy as Go takes it from HTTPS_PROXY, but without a login, which every look at the container shows."""
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/") or url.query:
        raise PydanticCustomError(UNSHOWN, "a proxy is written http://HOST:PORT, as in http://proxy.example.org:3128")
    if url.username or url.password:
        raise PydanticCustomError(
            UNSHOWN,
            "whoever may look at containers would see the proxy's login; use one that needs none",
        )
    if url.hostname == "localhost" or url.hostname.startswith("127.") or url.hostname == "::1":
        raise ValueError("KES runs in a pod, where that address is the pod itself; let the proxy listen on another")
    if url.port is None:
        raise ValueError("its port is missing, as in http://proxy.example.org:3128")
    return value.rstrip("/")


def name(value: str) -> str:
    if not re.fullmatch(r"(?!-)[0-9A-Za-z_-]{1,80}(?<!-)", value) or not value.strip("_"):
        raise ValueError("a name is 1 to 80 of A-Z, a-z, 0-9, '-' and '_', with no '-' at either end")
    return value


def identity(value: str) -> str:
    """What is given instead of one may be a secret: it is not repeated."""
    # KES compares the text: one capital letter, and nobody has this identity.
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise PydanticCustomError(UNSHOWN, "{what}", {"what": _no_identity(value)})
    return value


def admin(value: str) -> str:
    return value if value == DISABLED else identity(value)


def _no_identity(value: str) -> str:
    if value.startswith("kes:v1:"):
        return (
            "this is an API key, and secret; an identity is what KES computes from it: "
            "put the key into a file and write @FILE (and make a new one, if others can read this)"
        )
    if "-----BEGIN" in value:
        return "this is a certificate or key; put it into a file and write @FILE, and its identity is computed"
    if value.lower() == DISABLED:
        return f"write {DISABLED} in lower case"
    if re.fullmatch(r"[0-9a-fA-F]{64}", value):
        return f"KES compares the text, so it has to be lower case: {value.lower()}"
    if re.search(r"[/\\]|\.(crt|cert|cer|pem|key)$", value):
        return "this is a file's name; write @FILE, and its identity is computed"
    return "an identity is 64 lower-case hexadecimal digits, or @FILE (a certificate, a private key or an API key)"


def pattern(value: str) -> str:
    """A pattern of a policy, when it matches anything."""
    if "*" in value[:-1] or "?" in value:
        raise ValueError(
            "KES matches prefixes: only a '*' at the very end counts, and means whatever follows. "
            f"So this would match nothing{_instead(value)}"
        )
    if not reaches(value):
        raise ValueError(f"no request has such a path: this would match nothing{_meant(value)}")
    return value


def _instead(value: str) -> str:
    several = _SEVERAL.fullmatch(value)
    if not several:
        return ""
    start, kind, rest = several.groups()
    lines = (f"{start}{verb}/{rest}" for verb in _VERBS[kind])
    return f"; name each operation: {', '.join(line for line in lines if reaches(line))}, …"


def _meant(value: str) -> str:
    """What was probably meant, as the end of a sentence."""
    for other in (f"{value}*", f"{value}/*", value.rstrip("/"), f"/{value}"):
        if value and reaches(other):
            return f"; did you mean {other!r}?"
    if any(value.startswith(route) for route in ROUTES if route.endswith("/")):
        return ": a name is 1 to 80 of A-Z, a-z, 0-9, '-' and '_', with no '-' at either end"
    close = difflib.get_close_matches(value, ROUTES, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def route(value: str) -> str:
    """A path of the API as KES registers it: of any other one, KES ignores the settings."""
    if value not in ROUTES:
        close = difflib.get_close_matches(value, ROUTES, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"not a path of KES's API, as it is registered: with a '/' at the end where names follow{meant}"
        )
    return value
