"""The engine's own logins, where `podman login` and `docker login` leave them (containers-auth.json(5)).

A service does not read the files of whoever asks it, so the login goes along with the request, as the engine's own
command line does it. Logins that a credential helper keeps are left to the service.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HUB = ("docker.io", "index.docker.io", "https://index.docker.io/v1/")


def login_header(reference: str) -> dict[str, str]:
    """The header for what a reference names, {} without a login for it. It holds a password: never shown."""
    found = login(reference)
    if found is None:
        return {}
    text = json.dumps({"username": found[0], "password": found[1]})
    return {"X-Registry-Auth": base64.urlsafe_b64encode(text.encode()).decode()}


def login(reference: str) -> tuple[str, str] | None:
    """User and password of the first file that has some; the entry that names most of the reference counts."""
    for file in _files():
        logins = _logins(file)
        for name in _names(reference):
            if found := _pair(logins.get(name)):
                return found
    return None


def _files() -> Iterator[Path]:
    if own := os.environ.get("REGISTRY_AUTH_FILE"):
        yield Path(own)
        return
    home, runtime = Path.home(), os.environ.get("XDG_RUNTIME_DIR")
    yield Path(runtime or f"/run/containers/{os.getuid()}", "containers/auth.json" if runtime else "auth.json")
    yield home / ".config/containers/auth.json"
    yield Path(os.environ.get("DOCKER_CONFIG") or home / ".docker", "config.json")


def _logins(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_bytes())["auths"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _names(reference: str) -> Iterator[str]:
    """`host/a/b`, `host/a`, `host`, and what else the Docker Hub is called."""
    name = reference.partition("@")[0]
    name = name if ":" not in name.rpartition("/")[2] else name.rpartition(":")[0]
    while name:
        yield name
        if name in _HUB:
            yield from _HUB
        name = name.rpartition("/")[0]


def _pair(entry: Any) -> tuple[str, str] | None:
    secret = entry.get("auth") if isinstance(entry, dict) else None
    try:
        user, colon, password = base64.b64decode(secret or "").decode().partition(":")
    except (ValueError, TypeError):
        return None
    return (user, password) if colon and user else None
