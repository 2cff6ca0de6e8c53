"""Questions in a terminal, one at a time, asked again until the answer is right. Typer's own prompts."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy.blocks import Block, Item, Lines, Table
from kesdeploy.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


@dataclass(frozen=True)
class Choice:
    """One of several answers: what it is called on the command line, and what it means."""

    value: str
    title: str
    summary: str = ""


def anything(answer: str) -> str:  # noqa: ARG001
    """A validator without complaints."""
    return ""


class Prompt:
    """Asks on stderr. `tell` prints blocks there."""

    def __init__(self, tell: Callable[[Iterable[Block]], None]) -> None:
        self._tell = tell

    def ask(
        self,
        prompt: str,
        *,
        default: str = "",
        secret: bool = False,
        choices: Sequence[Choice] = (),
        validate: Callable[[str], str] = anything,
    ) -> str:
        """The answer that `validate` has no complaint about (it says what is wrong, or nothing).

        A secret is not echoed. With `choices` the answer is the value of one, typed as its number or name.
        """
        if choices:
            self._list(choices)
        while True:
            typed = self._typed(prompt, default, secret=secret)
            answer = _chosen(typed, choices) if choices and typed is not None else typed
            if typed is None:
                complaint = "those bytes are no text in this terminal's encoding"
            elif answer is None:
                complaint = f"type a number from 1 to {len(choices)}, or a name"
            else:
                complaint = validate(answer)
            if answer is not None and not complaint:
                return answer
            self._tell([Item("failed", complaint)])

    def confirm(self, prompt: str, *, default: bool) -> bool:
        import typer

        with self._interruptible():
            return typer.confirm(prompt, default=default, err=True)

    def _list(self, choices: Sequence[Choice]) -> None:
        rows = [(f"{number}) {choice.value}", _explained(choice)) for number, choice in enumerate(choices, 1)]
        self._tell([Table((), rows), Lines(())])

    def _typed(self, prompt: str, default: str, *, secret: bool) -> str | None:
        """What was typed; None when it is no text."""
        import typer

        with self._interruptible(own_line=not secret):
            try:
                typed = typer.prompt(prompt, default=default, show_default=bool(default), hide_input=secret, err=True)
                typed.encode()  # in the C locale Python passes bytes that are no text on as surrogates
            except UnicodeError:
                return None
        # A secret may begin or end with white space; whoever uses it refuses that with the reason.
        return str(typed) if secret else str(typed).strip()

    @contextmanager
    def _interruptible(self, *, own_line: bool = True) -> Iterator[None]:
        import typer

        try:
            yield
        except (typer.Abort, KeyboardInterrupt, EOFError):
            if own_line:  # what was typed still stands on it; a hidden prompt ends its line itself
                self._tell([Lines([""])])
            raise Interrupted("interrupted", hint="nothing was changed; run the same command again") from None


def _chosen(typed: str, choices: Sequence[Choice]) -> str | None:
    """The choice with this number, this name, or the only one whose name begins so."""
    if typed.isdecimal() and 1 <= int(typed) <= len(choices):
        return choices[int(typed) - 1].value
    values = [choice.value for choice in choices]
    if typed in values:
        return typed
    alike = [value for value in values if typed and value.startswith(typed.lower())]
    return alike[0] if len(alike) == 1 else None


def _explained(choice: Choice) -> str:
    return f"{choice.title}: {choice.summary}" if choice.summary else choice.title
