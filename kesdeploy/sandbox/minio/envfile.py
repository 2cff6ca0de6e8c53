"""The file that MINIO_CONFIG_ENV_FILE names, read exactly as MinIO reads it, oddities included."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.sandbox.minio.errors import Fatal

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_BLANKS = "\t\n\v\f\r \x85\xa0"  # what Go's TrimSpace takes off, for text as it stands in such files
_QUOTES = "\"'"
_MIN_QUOTED = 2


def parse(text: str) -> list[tuple[str, str]]:
    """Names and values in order. Raises Fatal.

    `export` goes even without a blank behind it, one pair of equal quotes goes, nothing else is interpreted: no
    escapes, no `$VAR`, no comments behind a value.
    """
    return [_entry(line) for line in map(_trim, text.split("\n")) if line and not line.startswith("#")]


def load(path: str, environment: MutableMapping[str, str]) -> None:
    """Put the file's values over those of `environment`. A file that does not exist is no error."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except OSError as error:
        why = f"open {path}: {(error.strerror or 'error').lower()}"
        raise Fatal(f"Unable to read the config environment file: {why}") from error
    for name, value in parse(text):
        if name and "\0" not in name + value:
            environment[name] = value


def _entry(line: str) -> tuple[str, str]:
    name, equals, value = _trim(line.removeprefix("export")).partition("=")
    if not equals:
        why = f"envEntry malformed; {line}, expected to be of form 'KEY=value'"
        raise Fatal(f"Unable to read the config environment file: {why}")
    if len(value) >= _MIN_QUOTED and value[0] == value[-1] and value[0] in _QUOTES:
        value = value[1:-1]
    return name, value


def _trim(text: str) -> str:
    return text.strip(_BLANKS)
