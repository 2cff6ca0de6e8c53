"""Running steps: on a terminal a line each, with a spinner and the seconds; elsewhere one line when a step ends."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kesdeploy.terminal import Mark, Terminal, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_FRAMES: Final = ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\")
_TICK = 0.1
_MINUTE = 60


@dataclass(frozen=True)
class _Step:
    title: str
    began: float
    below: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


class Steps:
    """Steps that run side by side, and the lines that stand above them. Safe to use from several threads."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._lock = threading.RLock()
        self._running: dict[int, _Step] = {}
        self._ticker: threading.Thread | None = None
        self._drawn = 0
        self._count = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        with self.following(title):
            yield

    @contextmanager
    def following(self, title: str) -> Iterator[Callable[[Sequence[str]], None]]:
        """A step with lines below it while it runs; they show from the next tick on."""
        number = self._begin(title)
        try:
            yield lambda below: self._below(number, below)
        except BaseException:
            self._end(number, "failed")
            raise
        self._end(number, "ok")

    def say(self, *lines: str) -> None:
        """Lines that stay."""
        with self._lock:
            self._draw("".join(f"{line}\n" for line in lines))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Nothing of ours is on the screen while the block writes elsewhere (it may be the same terminal)."""
        with self._lock:
            running, self._running = self._running, {}
            self._draw("")
            try:
                yield
            finally:
                self._running = running
                self._draw("")

    def _begin(self, title: str) -> int:
        with self._lock:
            self._count += 1
            self._running[self._count] = _Step(title, time.monotonic())
            if self._terminal.live:
                self._draw("")
                self._tick()
            return self._count

    def _below(self, number: int, lines: Sequence[str]) -> None:
        with self._lock:
            if step := self._running.get(number):
                self._running[number] = replace(step, below=tuple(lines))

    def _end(self, number: int, mark: Mark) -> None:
        with self._lock:
            step = self._running.pop(number)
            took = f" ({elapsed(step.seconds)})" if self._terminal.live and step.seconds >= _TICK else ""
            self._draw(f"{self._terminal.mark(mark)} {step.title}{self._terminal.paint(took, 'dim')}\n")

    def _draw(self, above: str) -> None:
        """Replace the live region in one write, so that it does not flicker."""
        if not self._terminal.live:
            if above:
                self._terminal.write(above)
            return
        erase = f"\033[{self._drawn}A\033[J" if self._drawn else ""
        lines = self._region()
        self._drawn = len(lines)
        if text := erase + above + "".join(f"{line}\n" for line in lines):
            self._terminal.write(text)

    def _region(self) -> list[str]:
        frames = _FRAMES[0] if self._terminal.unicode else _FRAMES[1]
        frame = self._terminal.paint(frames[int(time.monotonic() / _TICK) % len(frames)], "cyan")
        lines = [line for step in self._running.values() for line in _lines(step, frame)]
        width, ellipsis = (self._terminal.width or 0) - 3, self._terminal.encodable("…")
        # What does not fit on the screen cannot be erased again.
        return [
            f"{mark} {fit(self._terminal.encodable(text), width, ellipsis)}"
            for mark, text in lines[: max(self._terminal.height - 2, 1)]
        ]

    def _tick(self) -> None:
        if self._ticker is None:
            self._ticker = threading.Thread(target=self._keep_ticking, name="spinner", daemon=True)
            self._ticker.start()

    def _keep_ticking(self) -> None:
        while True:
            time.sleep(_TICK)
            with self._lock:
                if not self._running:
                    self._ticker = None
                    return
                self._draw("")


def _lines(step: _Step, frame: str) -> list[tuple[str, str]]:
    return [(frame, _running(step)), *((" ", line) for line in step.below)]


def _running(step: _Step) -> str:
    return f"{step.title} … {elapsed(int(step.seconds))}" if step.seconds >= 1 else step.title


def elapsed(seconds: float) -> str:
    """`0.4 s`, `12 s`, `1 min 05 s`."""
    if isinstance(seconds, float) and seconds < 10:  # noqa: PLR2004 - two digits are what a person reads
        return f"{seconds:.1f} s"
    if seconds < _MINUTE:
        return f"{int(seconds)} s"
    return f"{int(seconds) // _MINUTE} min {int(seconds) % _MINUTE:02d} s"
