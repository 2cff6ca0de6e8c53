"""The images of the local store: which of the catalogue's are here, and moving them between machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.catalogue import Component, catalogue
from kesdeploy.engines.choose import open_engine
from kesdeploy.errors import ImageError
from kesdeploy.result import Result

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.engines import Engine


def listed(choice: str) -> Result:
    """Every component of the catalogue: where it is looked for, whether it is here, what is known against it."""
    engine = open_engine(choice)
    try:
        return Result("images list", {"images": [_row(engine, component) for component in catalogue().values()]})
    finally:
        engine.close()


def _row(engine: Engine, component: Component) -> dict[str, object]:
    here = next((s.reference for s in component.sources if engine.image(s.reference)), "")
    return {
        "component": component.name,
        "version": component.version,
        "here": here,
        "sources": [source.reference for source in component.sources],
        "advisories": [advisory.id for advisory in component.advisories],
    }


def load(choice: str, archive: Path) -> Result:
    """Load an archive made by `podman save`, `docker save` or `kesdeploy images save`."""
    if not archive.is_file():
        raise ImageError(f"cannot read {archive}", because="there is no such file")
    engine = open_engine(choice)
    try:
        return Result("images load", {"file": str(archive), "images": list(engine.load(archive))})
    finally:
        engine.close()


def save(choice: str, archive: Path) -> Result:
    """Everything of the catalogue that is here, as one archive for a machine without a registry."""
    engine = open_engine(choice)
    try:
        here = [s.reference for c in catalogue().values() for s in c.sources if engine.image(s.reference)]
        if not here:
            raise ImageError("none of the catalogue's images is here", hint="kesdeploy images list")
        engine.save(tuple(here), archive)
        return Result("images save", {"file": str(archive), "images": here})
    finally:
        engine.close()
