"""Secrets that a spec only points at."""

from __future__ import annotations

import os
from pathlib import Path

from kesdeploy.errors import UsageError


def given(name: str, source: str) -> str:
    """The secret at `@FILE` or `env:NAME`. UsageError when there is none."""
    if source.startswith("env:"):
        value, missing = os.environ.get(source.removeprefix("env:"), ""), "the variable is not set, or empty"
    else:
        value, missing = _read(source.removeprefix("@"))
    if not value:
        raise UsageError(
            f"no {name} in {source}", because=missing, hint="put it there, or let the spec name another place"
        )
    return value


def _read(path: str) -> tuple[str, str]:
    try:
        # Editors end a file with a line end; it is not part of the secret.
        return Path(path).expanduser().read_text().removesuffix("\n").removesuffix("\r"), "the file is empty"
    except (OSError, UnicodeDecodeError) as error:
        return "", str(error)
