"""The images that a deployment needs: which are here, from where the rest comes, and what is known against them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kesdeploy import choosing, flaws, images, opening, topology
from kesdeploy.catalogue import Component, catalogue, pairs, version_of
from kesdeploy.catalogue import flaws as known_flaws
from kesdeploy.engines.choose import open_engine
from kesdeploy.errors import ImageError, Problem, UsageError
from kesdeploy.home import Home
from kesdeploy.local_images import here, is_known_by
from kesdeploy.opening import Wish
from kesdeploy.own_images import wanted
from kesdeploy.result import Result
from kesdeploy.state import State, StateFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kesdeploy.catalogue import Advisory, Source
    from kesdeploy.engines import Engine, Image
    from kesdeploy.own_images import Wanted
    from kesdeploy.report import Reporter

_TOOLS = ("mc",)
_USUAL = ("kes", "minio", *_TOOLS)


@dataclass(frozen=True)
class Store:
    """A local store, and the deployment that is meant, if any.

    needed: the components that it takes. spec: the references that its spec names.
    """

    engine: Engine
    needed: tuple[str, ...]
    spec: Mapping[str, str]
    state: State

    def wanted(self, component: str) -> Wanted:
        return wanted(component, self.spec)

    def chosen(self, components: Sequence[str]) -> tuple[str, ...]:
        """Those that the user names, else what is needed. UsageError for one that nobody knows."""
        if unknown := [name for name in components if name not in catalogue()]:
            raise UsageError(f"there is no component {unknown[0]!r}", hint=f"one of: {', '.join(catalogue())}")
        return tuple(components) or self.needed


@contextmanager
def opened(choice: str, name: str) -> Iterator[Store]:
    """The store, and the named deployment's wishes; without a name the only deployment's, if there is one."""
    home = _home(name)
    if home is None:
        store = Store(open_engine(choice), _USUAL, {}, State(""))
    else:
        spec, state = opening.load(Wish("images", home.name), home), StateFile.open(home).value
        engine = open_engine(spec.engine if choice == "auto" else choice, state.engine or None)
        needed = tuple(dict.fromkeys((*topology.components(spec), *_TOOLS)))
        store = Store(engine, needed, choosing.named(spec), state)
    try:
        yield store
    finally:
        store.engine.close()


def _home(name: str) -> Home | None:
    if name:
        return opening.existing(Wish("images", name))
    there = [home for home in Home.all() if home.spec.exists()]
    return there[0] if len(there) == 1 else None


def listed(choice: str, name: str = "") -> Result:
    """Every component: what is asked for and by whom, what is here, and what is known against it."""
    with opened(choice, name) as store:
        rows = [_row(store, component) for component in catalogue().values()]
        known = [asdict(pair) for pair in pairs()]
        return Result("images list", {"deployment": store.state.deployment, "images": rows, "pairs": known})


def _row(store: Store, component: Component) -> dict[str, Any]:
    ask = store.wanted(component.name)
    source, image = here(store.engine, ask) or (None, None)
    reference = (source or ask.sources[0]).reference
    version = version_of(reference) or ask.version
    return {
        "component": component.name,
        "version": version,
        "needed": component.name in store.needed,
        "asked_by": ask.asked_by,
        "here": source.reference if source else "",
        **_image(ask, source, image),
        "sources": [each.reference for each in ask.sources],
        "elsewhere": [{"reference": each.reference, "note": each.note} for each in component.elsewhere],
        "situation": component.situation,
        "advisories": [_advisory(store, each) for each in known_flaws(component.name, reference, version)],
    }


def _image(ask: Wanted, source: Source | None, image: Image | None) -> dict[str, Any]:
    expected = ask.digest(source or ask.sources[0])
    sure = next((d.certainty for d in ask.component.digests if d.digest == expected), "") if expected else ""
    found = {"expected": expected, "certainty": sure}
    if image is None:
        return found | {"id": "", "digest": "", "size": 0, "architecture": "", "published": None}
    known = is_known_by(image, expected) if expected else None
    digest = expected if known else image.digest
    return found | {
        "id": image.id,
        "digest": digest,
        "size": image.size,
        "architecture": image.architecture,
        "published": known,
    }


def _advisory(store: Store, advisory: Advisory) -> dict[str, Any]:
    return {**asdict(advisory), "acknowledged": advisory.id in store.state.acknowledged}


def pull(choice: str, name: str, components: Sequence[str], report: Reporter, *, again: bool = False) -> Result:
    """What is missing, from the first source that has it. One that cannot be had does not keep back the others."""
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    with opened(choice, name) as store:
        for component in store.chosen(components):
            ask = store.wanted(component)
            found = None if again else here(store.engine, ask)
            try:
                source, image = found or images.obtain(store.engine, ask, "missing", report)
            except ImageError as error:
                problems += error.problems
                continue
            rows.append({"component": component, "image": source.reference, "id": image.id, "pulled": found is None})
    code = ImageError.exit_code if problems else 0
    return Result("images pull", {"images": rows}, not problems, tuple(problems), code)


def acknowledge(name: str, report: Reporter) -> Result:
    """Record that the user knows the advisories of today: `up` says no more of them."""
    wish = Wish("images acknowledge", name)
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment:
        return Result(wish.command, {"deployment": home.name, "advisories": list(flaws.acknowledge(deployment))})
