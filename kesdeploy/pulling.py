"""The question of `--images auto`: can all of these be had? Answered within seconds, whatever a registry does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from kesdeploy.engines import Transfer
from kesdeploy.errors import KesdeployError, in_words
from kesdeploy.fetching import Layers, fetch, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.catalogue import Source
    from kesdeploy.engines import Engine, Progress
    from kesdeploy.own_images import Wanted
    from kesdeploy.report import Reporter

QUESTION = 8.0  # seconds for all of it
SILENCE = 4.0  # seconds without a line, after which one source is dropped
_SAYS_NOTHING = ("Trying to pull",)  # what an engine says before the registry has answered


class _Dropped(Exception):
    """Ends a pull that is no longer wanted, from inside its progress callback."""


class _Race:
    """The pulls of one component, all sources at once. The first whose registry sends something goes on alone."""

    def __init__(self, engine: Engine, wanted: Wanted, changed: threading.Condition, progress: Progress) -> None:
        self._engine = engine
        self._wanted = wanted
        self._changed = changed
        self._progress = progress
        self._left = len(wanted.sources)
        self._over = False
        self.winner = ""
        self.done = False
        self.refusals: list[str] = []
        for source in wanted.sources:
            threading.Thread(target=self._pull, args=(source,), daemon=True).start()

    @property
    def lost(self) -> bool:
        return self._left == 0 and not self.done

    def drop(self) -> None:
        self._over = True

    def _pull(self, asked: Source) -> None:
        source, digest = asked.reference, self._wanted.digest(asked)
        try:
            fetch(self._engine, source, digest, progress=lambda line: self._heard(source, line), stall=SILENCE, tries=1)
            self._heard(source, Transfer("done"))
            self._end(source, "")
        except _Dropped:
            self._end(source, f"{source}: not the first")
        except KesdeployError as error:
            self._end(source, refusal(self._engine, self._wanted, asked, error))
        except Exception as error:  # whoever waits for this thread has to hear of it
            self._end(source, f"{source}: {in_words(error)}")
            raise

    def _heard(self, source: str, line: Transfer) -> None:
        with self._changed:
            if self._over or self.winner not in ("", source):
                raise _Dropped
            if not line.text.startswith(_SAYS_NOTHING) and not self.winner:
                self.winner = source
                self._changed.notify_all()
        self._progress(line)

    def _end(self, source: str, why: str) -> None:
        with self._changed:
            self._left -= 1
            if not why:
                self.done = True
            else:
                self.refusals.append(why)
                self.winner = "" if self.winner == source else self.winner
            self._changed.notify_all()


def race(engine: Engine, wanted: Mapping[str, Wanted], report: Reporter) -> list[str]:
    """Pull every component from whichever source answers first. [] when all are here, else why not, one line each.

    Mixed answers are a no: then nothing is waited for.
    """
    changed = threading.Condition()
    with report.following("Asking the registries") as show, changed:
        layers = Layers(show)
        races = {name: _Race(engine, each, changed, layers) for name, each in wanted.items()}
        _wait(races, changed, until=time.monotonic() + QUESTION)
        refused = {n: r for n, r in races.items() if not r.winner and not r.done}
        if refused:
            for each in races.values():
                each.drop()
            return [f"{n}: {'; '.join(r.refusals) or 'no answer'}" for n, r in refused.items()]
    return _finish(races, changed, report, layers)


def _wait(races: Mapping[str, _Race], changed: threading.Condition, *, until: float) -> None:
    """Until each component has a source that answers, or one can have none, or time is up."""
    while not all(r.winner or r.done for r in races.values()) and not any(r.lost for r in races.values()):
        left = until - time.monotonic()
        if left <= 0 or not changed.wait(left):
            return


def _finish(races: Mapping[str, _Race], changed: threading.Condition, report: Reporter, layers: Layers) -> list[str]:
    """What can be had is waited for; its own silence is the only limit."""
    with report.following("Pulling the images") as layers.show, changed:
        while not all(r.done for r in races.values()) and not any(r.lost for r in races.values()):
            changed.wait(1.0)
        lost = [f"{n}: {'; '.join(r.refusals)}" for n, r in races.items() if not r.done]
        for each in races.values():
            each.drop()
    return lost
