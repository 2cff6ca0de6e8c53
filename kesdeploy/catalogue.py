"""The images that kesdeploy knows (catalogue.yaml): references, digests, advisories, and the order of versions."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.catalogue_form import Advisory, Catalogue, Component, Digest, Pair, Source, read

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Advisory", "Component", "Digest", "Pair", "Source"]

_DATE = re.compile(r"(?:RELEASE\.)?(\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z)")
_NUMBERS = re.compile(r"v?(\d+(?:\.\d+)*)")


@cache
def _whole() -> Catalogue:
    file = Path(__file__).with_name("catalogue.yaml")
    return read(file.read_text(encoding="utf-8"), where=file.name)


def catalogue() -> Mapping[str, Component]:
    """Every component by name."""
    return _whole().components


def pairs() -> tuple[Pair, ...]:
    """The releases that were seen to work together."""
    return _whole().pairs


def known_pair(kes: str, minio: str) -> Pair | None:
    return next((pair for pair in pairs() if (pair.kes, pair.minio) == (kes, minio)), None)


def digest_of(component: str, source: Source) -> str:
    """The digest that an image from there must have, "" where nobody knows: its own, or its release's.

    A community build has the name of a release, and other bytes.
    """
    if source.digest or source.kind == "community":
        return source.digest
    version = version_of(source.reference)
    return next((d.digest for d in catalogue()[component].digests if d.version == version), "")


def known_source(component: str, reference: str) -> Source | None:
    """What the catalogue knows of exactly that reference."""
    known = catalogue()[component]
    return next((s for s in (*known.sources, *known.elsewhere) if s.reference == reference), None)


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


def flaws(component: str, reference: str, version: str) -> tuple[Advisory, ...]:
    """What is known to be wrong with an image. Of a build whose makers keep a list of their own, nothing is known."""
    source = known_source(component, reference)
    return () if source and source.advisories_at else advisories(component, version)


def _has_fix(component: str, version: str, fixed_in: str) -> bool:
    return bool(_order(component, version)) and not is_older(component, version, fixed_in)


def _order(component: str, version: str) -> tuple[int, ...]:
    """Numbers to compare, () when `version` is not of the component's kind (a sandbox image, `latest`)."""
    dated = catalogue()[component].version.endswith("Z")
    match = (_DATE if dated else _NUMBERS).match(version)
    return tuple(int(n) for n in re.findall(r"\d+", match[1])) if match else ()
