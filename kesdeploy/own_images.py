"""Which sources are asked for an image, and who says so: the spec, the environment, the user's file, the catalogue."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.catalogue import Component, Source, catalogue, digest_of, known_source, version_of
from kesdeploy.catalogue_form import Own, read_own
from kesdeploy.errors import UsageError, in_words
from kesdeploy.references import reference, split

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "KESDEPLOY_IMAGES"
"""Names the user's file, where it is not the usual one."""
_VARIABLE = "KESDEPLOY_IMAGE_"


@dataclass(frozen=True)
class Wanted:
    """One component, and the sources that may be asked for it, in order.

    asked_by: `spec`, a variable's name, a file's path, or `catalogue`. named: the very reference that the user gave.
    """

    component: Component
    sources: tuple[Source, ...]
    asked_by: str = "catalogue"
    named: str = ""

    @property
    def version(self) -> str:
        return version_of(self.sources[0].reference) or self.component.version

    def names(self, reference: str, digest: str) -> bool:
        """Whether an image that was chosen under that name is the one that the user named."""
        name, given = split(self.named)
        return name == reference and given in ("", digest)

    def digest(self, source: Source) -> str:
        """What an image from there must have, "" where nobody knows."""
        return digest_of(self.component.name, source)

    def entrypoint(self, source: Source) -> tuple[str, ...]:
        return source.entrypoint or self.component.entrypoint


def wanted(component: str, spec: Mapping[str, str]) -> Wanted:
    """The sources of a component. `spec` has the references that the spec names, by component. Raises UsageError."""
    known, given = catalogue()[component], from_environment()
    if component in spec:
        return Wanted(known, (_named(component, spec[component]),), "spec", spec[component])
    if component in given:
        return Wanted(known, (_named(component, given[component]),), variable(component), given[component])
    if own := _of_the_file(component):
        return Wanted(known, (*own, *known.sources), str(file()))
    return Wanted(known, known.sources)


def variable(component: str) -> str:
    return f"{_VARIABLE}{component.upper()}"


def from_environment() -> dict[str, str]:
    """The references of `KESDEPLOY_IMAGE_KES=…` and its like, by component. Raises UsageError for what is none."""
    found = {name: os.environ.get(variable(name), "") for name in catalogue()}
    for name, value in found.items():
        try:
            reference(value or "none")
        except ValueError as error:
            hint = f"export {variable(name)}=REGISTRY/NAME:TAG, or unset {variable(name)}"
            raise UsageError(f"{variable(name)} names no image", because=str(error), hint=hint) from error
    return {name: value for name, value in found.items() if value}


def file() -> Path:
    """The user's own catalogue: what `KESDEPLOY_IMAGES` names, else ~/.config/kesdeploy/images.yaml."""
    if named := os.environ.get(FILE):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "kesdeploy/images.yaml")


def _of_the_file(component: str) -> tuple[Source, ...]:
    found: tuple[Source, ...] = getattr(_own(), component)
    return tuple(_with_digest(source) for source in found)


def _own() -> Own:
    path = file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if FILE not in os.environ:
            return Own()
        raise UsageError(f"{FILE} names {path}", because="there is no such file", hint=f"unset {FILE}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read", because=in_words(error), hint=f"ls -ld {path}") from error
    return read_own(text, where=str(path))


def _named(component: str, given: str) -> Source:
    """A reference of the user's, with what the catalogue knows of it. A digest in it stands over every other."""
    name, digest = split(given)
    known = known_source(component, name) or Source(name)
    return replace(known, digest=digest or known.digest)


def _with_digest(source: Source) -> Source:
    name, digest = split(source.reference)
    return replace(source, reference=name, digest=digest or source.digest)
