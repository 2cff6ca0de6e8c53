"""Names of keys: what KES takes, what this deployment's keystore takes, and which are known without asking."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kesdeploy import kes_rules, kes_section
from kesdeploy.errors import UsageError
from kesdeploy.spec import Bucket, key_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kesdeploy.spec import Spec

_SHOWN = 80


def asked(name: str) -> str:
    """A name as KES takes it. UsageError otherwise: what is no name could be part of another path."""
    return _checked(name, kes_rules.name)


def prefix(text: str) -> str:
    """The beginning of names, without the star that people end it with: KES would look for one."""
    text = text.removesuffix("*")
    if not re.fullmatch(r"[0-9A-Za-z_-]{0,80}", text) or text.startswith("-"):
        because = "names are made of A-Z, a-z, 0-9, '-' and '_', and do not begin with '-'"
        raise UsageError(f"no key's name begins with {text[:_SHOWN]!r}", because=because, hint="kesdeploy key list")
    return text


def new(spec: Spec, name: str) -> str:
    """A name for a key that MinIO shall use, and that this keystore can keep. UsageError otherwise."""
    _checked(name, key_name)
    would = with_keys(spec, (name,))
    path = f"minio.buckets.{len(spec.minio.buckets)}.key: "
    found = (*kes_section.complaints(would.kes, would.key_names), *would.keystore.complaints(would))
    for problem in found:
        if problem.message.startswith(path):
            because, hint = problem.message.removeprefix(path), problem.hint or "choose another name"
            raise UsageError(f"this deployment can have no key {name!r}", because=because, hint=hint)
    return name


def with_keys(spec: Spec, names: Sequence[str]) -> Spec:
    """The spec as it would be if buckets had these keys: what is checked of those is checked of them."""
    buckets = (*spec.minio.buckets, *(Bucket(name="key", key=name) for name in names))
    return spec.model_copy(update={"minio": spec.minio.model_copy(update={"buckets": buckets})})


def _checked(name: str, rule: Callable[[str], str]) -> str:
    try:
        return rule(name)
    except ValueError as error:
        raise UsageError(
            f"no key is called {name[:_SHOWN]!r}", because=str(error), hint="choose another name"
        ) from None
