"""Secrets that the user brings: read from where the spec points, and refused when a server could not read them back."""

from __future__ import annotations

import json
import os
from pathlib import Path

from kesdeploy.errors import UsageError, in_words
from kesdeploy.minio_rules import unreadable

# MinIO's own least length of a root password, in bytes (internal/auth/credentials.go).
LEAST_PASSWORD = 8
_LARGEST = 1_000_000


def part(of: str, source: str) -> str:
    """The source of one value in the JSON mapping that another source holds: for `read`, no user writes it."""
    return f"part:{of}:{source}"


def read(name: str, source: str) -> str:
    """The secret at `@FILE` or `env:NAME`. UsageError when there is none, or one that cannot be used."""
    if source.startswith("part:"):
        return _part(name, *source.split(":", 2)[1:])
    if source.startswith("env:"):
        value, missing = _variable(source.removeprefix("env:"))
    else:
        value, missing = _file(source.removeprefix("@"))
    if not value:
        raise UsageError(
            f"no {name} in {source}", because=missing, hint="put it there, or let the spec name another place"
        )
    check(name, value)
    return value


def _variable(name: str) -> tuple[str, str]:
    """Its value, else why there is none."""
    try:
        return os.environb.get(os.fsencode(name), b"").decode(), "the variable is not set, or empty"
    except UnicodeDecodeError as error:
        return "", in_words(error)


def head(path: Path, most: int) -> bytes:
    """The first bytes of a file, so many at most: a device has no end."""
    with path.open("rb") as file:
        return file.read(most)


def changed(source: str, kept: str) -> bool:
    """Whether the source now holds another value than the one that is kept. A source that is gone changes nothing."""
    try:
        return read("", source) != kept
    except UsageError:
        return False


def check(name: str, value: str) -> None:
    """Refuse a root password that MinIO would not take, or not read back. Never repeats it."""
    if name != "root-password":
        return
    reason = unreadable(value)
    if len(value.encode()) < LEAST_PASSWORD:
        reason = f"it has fewer than {LEAST_PASSWORD} bytes"
    if reason:
        raise UsageError("MinIO cannot use this root password", because=reason, hint="choose another one")


def _part(name: str, of: str, source: str) -> str:
    try:
        value = json.loads(read(name, source))[of]
    except (ValueError, KeyError, TypeError) as error:
        because = f"{of} is missing" if isinstance(error, KeyError) else "it is no JSON mapping"
        raise UsageError(f"no {name} in {source}", because=because, hint="put the whole file back") from None
    if not value or not isinstance(value, str):
        raise UsageError(f"no {name} in {source}", because=f"{of} is no text", hint="put the whole file back")
    return value


def _file(path: str) -> tuple[str, str]:
    try:
        # Editors end a file with a line end; it is not part of the secret.
        data = head(Path(path).expanduser(), _LARGEST + 1)
        if len(data) > _LARGEST:
            return "", f"it is longer than {_LARGEST} bytes"
        found = data.decode()
        return found.removesuffix("\n").removesuffix("\r"), "the file is empty"
    except (OSError, ValueError, RuntimeError) as error:  # no text, no path at all, or the home of an unknown user
        return "", in_words(error)
