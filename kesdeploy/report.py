"""How deeper code tells what it is doing, without knowing who listens (the console implements it)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Reporter(Protocol):
    """Whoever shows progress. Safe to call from several threads at once."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """A step that is running now: ✓ when the block ends, ✗ when it raises."""

    def following(self, title: str) -> AbstractContextManager[Callable[[Sequence[str]], None]]:
        """A step with lines below it, that each call replaces; where nothing can be replaced, they are not shown."""

    def note(self, text: str) -> None:
        """Something worth a line, no more."""

    def warn(self, text: str) -> None:
        """Something the user should act on; also ends up in the result's problems."""


class Silent:
    """A Reporter that says nothing."""

    def step(self, title: str) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def following(self, title: str) -> AbstractContextManager[Callable[[Sequence[str]], None]]:  # noqa: ARG002
        return nullcontext(lambda _: None)

    def note(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass
