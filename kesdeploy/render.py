"""Templates to text. StrictUndefined: a variable that is missing is an error, never an empty string.

Values are quoted the way the server that reads them parses them, so that they survive; what it could not read back is
refused.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kesdeploy import variables
from kesdeploy.errors import UsageError
from kesdeploy.minio_rules import unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

_UNPRINTED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_INTERPOLATED = re.compile(r"[$%](?={)")


def render(template: str, context: Mapping[str, Any]) -> str:
    """The text of `templates/NAME` with these variables."""
    return _environment().get_template(template).render(**context)


def as_yaml(value: object) -> str:
    """Quote a value as JSON, which is YAML as well once what YAML does not print is escaped.

    KES replaces a text that is `${NAME}` from its environment, however it is quoted (kesconf/config.go): as base64 it
    does not see it.
    """
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(as_yaml, value))}]"
    if isinstance(value, str) and variables.whole(value):
        return f"!!binary {base64.b64encode(value.encode()).decode()}"
    return _UNPRINTED.sub(_escaped, json.dumps(value, ensure_ascii=False, default=_foreign))


def _foreign(value: object) -> NoReturn:
    str(value)  # A variable that is missing names itself here.
    raise TypeError(f"{type(value).__name__} cannot be written as YAML")


def as_hcl(value: object) -> str:
    r"""Quote text for HCL: JSON's escapes, and a `$` before a `{` as `\u0024`.

    OpenBao reads HCL 1, which knows no `$${`: it keeps both (seen with 2.7.2), and swallows quotes inside of `${…}`.
    """
    return _INTERPOLATED.sub(_escaped, as_yaml(str(value)))


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def as_unit(value: object) -> str:
    """Quote a word of a systemd unit: as C does, and with `%` doubled, which begins a specifier (systemd.unit(5))."""
    text = str(value).replace("%", "%%")
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def minio_env(value: object, what: str) -> str:
    """Quote a value for MinIO's env file, whose parser takes off one pair of quotes, and nothing else.

    Source: cmd/common-main.go, parsEnvEntry. Raises UsageError for what MinIO would lose: white space at either end
    (values are trimmed), line ends, NUL, a line over 64 KiB, and a value beginning with `env` (taken for a remote
    source and blanked).
    """
    text = str(value)
    if reason := unreadable(text):
        raise UsageError(f"MinIO cannot read this {what} back", because=reason, hint="choose another value")
    return f'"{text}"'


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
    environment.filters.update(yaml=as_yaml, hcl=as_hcl, minio_env=minio_env, unit=as_unit)
    return environment


def _folder() -> str:
    """`templates/`: inside the package when installed, beside it in a checkout or an editable install."""
    inside = Path(str(files("kesdeploy"))) / "templates"
    return str(inside if inside.is_dir() else Path(__file__).parents[1] / "templates")
