"""One image from one source: by digest where one is known, again where the network broke, and told layer by layer."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from kesdeploy.errors import EngineError, ImageError
from kesdeploy.references import by_digest
from kesdeploy.refused_pulls import meaning, passing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kesdeploy.catalogue import Source
    from kesdeploy.engines import Engine, Image, Progress, Transfer
    from kesdeploy.errors import KesdeployError
    from kesdeploy.own_images import Wanted

T = TypeVar("T")
STALL = 30.0
"""Seconds without a word from a registry, after which a pull is given up."""
TRIES = 3
_FIRST_PAUSE = 1.0  # seconds, doubled each time
_BAR = 20


def fetch(
    engine: Engine, reference: str, digest: str, *, progress: Progress, stall: float = STALL, tries: int = TRIES
) -> Image:
    """Pull it, and give it the name `reference`. Raises ImageError.

    With a digest only those bytes are taken, whoever has them: the engine compares.
    """
    asked = by_digest(reference, digest) if digest else reference
    image = _patiently(lambda: engine.pull(asked, stall=stall, progress=progress), tries)
    if asked != reference:
        engine.tag(image.id, reference)
    return engine.image(reference) or image


def refusal(engine: Engine, ask: Wanted, source: Source, error: KesdeployError) -> str:
    """Why a source did not give it: in the registry's words, and what they mean."""
    words, known = error.because or error.what, ask.digest(source)
    asked = by_digest(source.reference, known) if known else source.reference
    meant = meaning(asked, words, engine=engine.info().name)
    return f"{source.reference}: {words}" + (f" ({meant})" if meant else "")


def push(engine: Engine, reference: str, *, progress: Progress) -> str:
    """Push it; the digest that the registry has it by. Raises ImageError."""
    return _patiently(lambda: engine.push(reference, stall=STALL, progress=progress), TRIES)


def _patiently(call: Callable[[], T], tries: int) -> T:
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

    again = Retrying(
        stop=stop_after_attempt(tries),
        wait=wait_exponential(multiplier=_FIRST_PAUSE, max=8),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )
    return again(call)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ImageError | EngineError) and passing(error.because)


class Layers:
    """What a transfer tells, as lines to show: a bar for each layer."""

    def __init__(self, show: Callable[[Sequence[str]], None]) -> None:
        self.show = show
        self._layers: dict[str, str] = {}

    def __call__(self, line: Transfer) -> None:
        if line.layer:
            self._layers[line.layer] = f"{line.layer[:12]:12}  {_far(line)}"
            with suppress(RuntimeError):  # another thread's layer is new; its own call shows both
                self.show(tuple(self._layers.values()))


def _far(line: Transfer) -> str:
    if not line.total:
        return line.text.lower()
    full = min(line.done * _BAR // line.total, _BAR)
    return f"[{'#' * full}{'.' * (_BAR - full)}] {line.done / 1e6:.1f} of {line.total / 1e6:.1f} MB"
