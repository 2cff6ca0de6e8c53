"""The images of a deployment in a registry of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kesdeploy.errors import ImageError, UsageError
from kesdeploy.fetching import Layers, push
from kesdeploy.image_store import opened
from kesdeploy.local_images import here
from kesdeploy.references import reference, repository, split
from kesdeploy.refused_pulls import meaning
from kesdeploy.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kesdeploy.engines import Image
    from kesdeploy.image_store import Store
    from kesdeploy.own_images import Wanted
    from kesdeploy.report import Reporter


def mirror(choice: str, name: str, registry: str, components: Sequence[str], report: Reporter) -> Result:
    """Push what is here to REGISTRY/NAME:TAG, and say by which digest others find it there."""
    registry = registry.rstrip("/")
    try:
        reference(f"{registry}/kes:1")
    except ValueError as error:
        hint = "kesdeploy images mirror registry.example:5000/team"
        raise UsageError(f"{registry!r} is no registry", because=str(error), hint=hint) from error
    with opened(choice, name) as store:
        rows = [_pushed(store, component, registry, report) for component in _here(store, components, report)]
    return Result("images mirror", {"registry": registry, "images": rows})


def _here(store: Store, components: Sequence[str], report: Reporter) -> tuple[str, ...]:
    chosen = store.chosen(components)
    there = tuple(component for component in chosen if here(store.engine, store.wanted(component)))
    missing = [component for component in chosen if component not in there]
    if missing and (components or not there):
        raise ImageError(f"not here: {', '.join(missing)}", hint=f"kesdeploy images pull {' '.join(missing)}")
    if missing:
        report.warn(f"not here, and so not pushed: {', '.join(missing)}; kesdeploy images pull first")
    return there


def _pushed(store: Store, component: str, registry: str, report: Reporter) -> dict[str, Any]:
    ask = store.wanted(component)
    found = here(store.engine, ask)
    assert found
    source, image = found
    new = f"{registry}/{_last(source.reference)}"
    with report.following(f"Pushing {new}") as show:
        digest = _push(store, image, new, Layers(show))
    return {
        "component": component,
        "from": source.reference,
        "to": new,
        "digest": digest,
        "entrypoint": _entrypoint(ask, source.entrypoint),
    }


def _push(store: Store, image: Image, new: str, layers: Layers) -> str:
    """The name is there only for the push."""
    before = store.engine.image(new)
    store.engine.tag(image.id, new)
    try:
        return push(store.engine, new, progress=layers)
    except ImageError as error:
        meant = meaning(new, error.because, engine=store.engine.info().name)
        because = f"{error.because} ({meant})" if meant else error.because
        raise ImageError(error.what, because=because, hint=error.hint) from error
    finally:
        if before is None:
            store.engine.remove_image(new)
        else:
            store.engine.tag(before.id, new)


def _last(name: str) -> str:
    """`minio:TAG` of `quay.io/minio/minio:TAG`; an image without a tag gets `latest`."""
    last = split(name)[0].rpartition("/")[2]
    return last if ":" in last else f"{repository(name).rpartition('/')[2]}:latest"


def _entrypoint(ask: Wanted, own: tuple[str, ...]) -> list[str]:
    """Only where it is not what the component has anyway."""
    return list(own) if own and own != ask.component.entrypoint else []
