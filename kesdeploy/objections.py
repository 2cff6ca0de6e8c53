"""What pydantic refused, in words for the user.

One text a path, with the value that was given and the key that was probably meant. A value that may be a secret is
never repeated.
"""

from __future__ import annotations

import difflib
import re
import reprlib
import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SECRET = {"secret": True}
"""The `json_schema_extra` that marks a field whose value is not to be shown."""
UNSHOWN = "unshown"
"""The type of an error (PydanticCustomError) whose value may be a secret by mistake."""

_NEVER: dict[object, str] = {
    "enclave": "KES has no enclaves: they are of MinIO's commercial KMS, and of a KES mode that was removed in 2023. "
    "What keeps keys apart here is a deployment of its own, or kes.key_prefix",
    "keys": "KES reads it and creates none; kesdeploy creates key_name and the keys of minio.buckets",
    "root": "KES calls it admin.identity since 2021, and ignores this name since 2022; write kes.admin",
}
"""Keys that people know from elsewhere, and why there are none here."""

_PLAIN: dict[str, str] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number is needed here"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false is needed here"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number is needed here"),
    "less_than_equal": "{le} at the most",
    "greater_than_equal": "{ge} at the least",
}
"""What pydantic says of its own types, in plain words."""


class _Shortened(reprlib.Repr):
    """Short, and without the password of an address: it goes first, for what is cut may be the `@` behind it."""

    def repr_str(self, x: str, level: int) -> str:
        return super().repr_str(re.sub(r"://.*@", "://…@", x, flags=re.DOTALL), level)


_short = _Shortened()
_short.maxstring = _short.maxother = 80
_short.maxlevel = 1


def objections(error: ValidationError, model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """`path: what is wrong`, one for each thing that is."""
    for item in error.errors(include_url=False):
        path = ".".join([*([prefix] if prefix else []), *map(quoted, item["loc"])])
        # A check over several fields names them itself.
        yield f"{path}: {_what(item, model)}" if path else _what(item, model)


def is_secret(model: type[BaseModel], path: str) -> bool:
    """Whether the field at this dotted path is marked as a secret."""
    found = _at(model, tuple(path.split(".")))
    return found is not None and (_marked(found) or any(_marked(part) for part in _parts(found)))


def did_you_mean(word: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def quoted(part: str | int) -> str:
    """A part of a path as it can be printed."""
    return part if isinstance(part, str) and part and part.isprintable() else repr(part)


def _what(item: Any, model: type[BaseModel]) -> str:
    loc, kind = item["loc"], item["type"]
    if kind == "extra_forbidden" and loc[-1] in _NEVER:
        return f"unknown key: {_NEVER[loc[-1]]}"
    if kind == "extra_forbidden":
        return f"unknown key{did_you_mean(loc[-1], _keys(model, loc[:-1]))}"
    if kind == "missing":
        return "required"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "a mapping is needed here"
    plain = _PLAIN.get(kind, "").format_map(item.get("ctx", {}))
    what = plain or str(item["msg"]).removeprefix("Value error, ")
    shown = kind != UNSHOWN and _may_be_shown(model, loc)
    return f"{what} (given: {_short.repr(item['input'])})" if shown else what


def _keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that are known where an unknown one was found."""
    return [key for part in _options(_at(model, loc)) if _is_model(part) for key in _fields(part)]


def _may_be_shown(model: type[BaseModel], loc: tuple[str | int, ...]) -> bool:
    """Only a plain value of a field that we know, which is not marked as a secret: a whole section may hold one."""
    found = _at(model, loc)
    if found is None or not loc or _marked(found):
        return False
    return not any(_is_model(part) or _marked(part) for part in _parts(found))


def _at(model: type[BaseModel], loc: tuple[str | int, ...]) -> Any:
    """The field (or bare annotation) at that place, or None."""
    here: Any = model
    for part in loc:
        here = next((below for option in _options(here) if (below := _below(option, part)) is not None), None)
    return here


def _below(option: Any, part: str | int) -> Any:
    if _is_model(option):
        return _fields(option).get(str(part))
    if get_origin(option) in (tuple, list):
        return get_args(option)[0]
    return get_args(option)[1] if get_origin(option) is dict else None


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _options(found: Any) -> list[Any]:
    """What may stand there: the members of a union, without their annotations."""
    if isinstance(found, FieldInfo):
        return _options(found.annotation)
    if get_origin(found) is Annotated:
        return _options(get_args(found)[0])
    if get_origin(found) in (Union, types.UnionType):
        return [option for part in get_args(found) for option in _options(part)]
    return [found]


def _parts(found: Any) -> Iterator[Any]:
    """An annotation and everything inside it."""
    annotation = found.annotation if isinstance(found, FieldInfo) else found
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _marked(found: Any) -> bool:
    infos = [found, *getattr(found, "__metadata__", ())]
    return any(isinstance(info, FieldInfo) and info.json_schema_extra == SECRET for info in infos)


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)
