"""`${NAME}`: who replaces it, and who does not.

KES replaces a value of its configuration that is `${NAME}` and nothing else, from the environment of its container,
which is nobody's to fill. A spec replaces nothing: secrets are read with `env:NAME`, and the rest is the shell's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kesdeploy.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_ANY = re.compile(r"\$\{[^}]*\}")


class Literal(str):
    """Text that is meant as it stands, whatever it looks like."""

    __slots__ = ()


def whole(text: str) -> bool:
    """Whether KES takes this for a variable. It trims first, as `strip` does at the least."""
    return text.strip().startswith("${") and text.strip().endswith("}")


def unreplaced(tree: object, problems: Collection[Problem]) -> Iterator[Problem]:
    """A problem for each value of a spec that names a variable, unless something else is wrong with it already."""
    for path, text in _texts(tree, "", set()):
        if (found := _ANY.search(text)) and not _complained(path, problems):
            shell = f'--set {path}="{text}"' if '"' not in text else f"--set {path}=VALUE"
            hint = f"write the value, or have the shell put it in: {shell}; a secret is given as env:NAME"
            yield Problem("spec", f"{path}: nothing replaces {found[0]} here", hint)


def replaced(tree: object, problems: Collection[Problem]) -> Iterator[Problem]:
    """A problem for each value that KES would replace, unless something else is wrong with it already."""
    for path, text in _texts(tree, "", set()):
        if whole(text) and not _complained(path, problems):
            yield Problem("spec", f"{path}: KES would put a variable of its environment here")


def _complained(path: str, problems: Collection[Problem]) -> bool:
    return any(f"{problem.message.partition(': ')[0]}.".startswith(f"{path}.") for problem in problems)


def _texts(tree: object, path: str, seen: set[int]) -> Iterator[tuple[str, str]]:
    """Path and text of every value that is text, and not meant as it stands."""
    if isinstance(tree, (dict, list)) and id(tree) not in seen:  # YAML's aliases may repeat, and lead back
        seen.add(id(tree))
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _texts(value, f"{path}.{key}".lstrip("."), seen)
    elif isinstance(tree, str) and not isinstance(tree, Literal):
        yield path, tree
