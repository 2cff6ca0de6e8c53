"""Templates to text. StrictUndefined: a variable that is missing is an error, never an empty string.

Values are quoted the way the server that reads them parses them, so that they survive; what it could not read back is
refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy.errors import UsageError

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, context: Mapping[str, Any]) -> str:
    """The text of `templates/NAME` with these variables."""
    return _environment().get_template(template).render(**context)


def as_yaml(value: object) -> str:
    """A JSON string is a YAML string, whatever it holds."""
    return json.dumps(value, ensure_ascii=False)


def as_hcl(value: object) -> str:
    """An HCL string: JSON's escapes, and no `${` or `%{` interpolation."""
    text = json.dumps(str(value), ensure_ascii=False)
    return text.replace("${", "$${").replace("%{", "%%{")


def minio_env(value: object, what: str) -> str:
    """`"value"` as MinIO's env file parser reads it back (cmd/common-main.go, parsEnvEntry): one pair of quotes is taken off, nothing else.

    Raises UsageError for what MinIO would lose: white space at either end (values are trimmed), line ends, NUL, and a
    value beginning with `env` (taken for a remote source and blanked).
    """
    text = str(value)
    if reason := unreadable(text):
        raise UsageError(f"MinIO cannot read this {what} back", because=reason, hint="choose another value")
    return f'"{text}"'


def unreadable(text: str) -> str:
    """Why MinIO would not read this value back, or an empty string."""
    if any(c in text for c in "\n\r\0"):
        return "it has a line end or a NUL inside"
    # Go's TrimSpace, which str.strip covers: U+0085 and U+00A0 too.
    if text != text.strip():
        return "it has white space at an end, which MinIO trims"
    if text.startswith("env"):
        return "it begins with 'env', which MinIO takes for the address of a remote configuration"
    return ""


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_folder()),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - YAML, HCL and env files, not HTML; every value goes through a filter below
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(yaml=as_yaml, hcl=as_hcl, minio_env=minio_env)
    return environment


def _folder() -> str:
    """`templates/`: inside the package when installed, beside it in a checkout or an editable install."""
    inside = Path(str(files("kesdeploy"))) / "templates"
    return str(inside if inside.is_dir() else Path(__file__).parents[1] / "templates")
