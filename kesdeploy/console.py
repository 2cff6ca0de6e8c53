"""The console: alone in printing.

Talk (steps, notes, warnings, errors, prompts) goes to stderr; data goes to stdout, as text for people or, with
`--json`, as exactly one document (one a line with `--follow` and `--watch`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any, ClassVar, Final, Literal, TextIO, TypeAlias

from kesdeploy import complaint
from kesdeploy.blocks import Block, lines_of
from kesdeploy.errors import KesdeployError, Problem
from kesdeploy.hidden import Hidden
from kesdeploy.live import Steps
from kesdeploy.prompt import Choice, Prompt, anything
from kesdeploy.result import Result, document, of_error
from kesdeploy.terminal import Mark, Terminal, defused

View: TypeAlias = Callable[[dict[str, Any]], str | Iterable[Block]]

_CLEAR: Final = "\033[H\033[2J\033[3J"


class NobodyReads(KesdeployError):
    """The reader of our output is gone (`| head`): the end, and no error."""

    exit_code: ClassVar[int] = 0
    code: ClassVar[str] = "nobody-reads"


class Console:
    """What the user sees. A Reporter, safe to use from several threads at once.

    json: one document on stdout instead of text. verbose: errors show where they happened. quiet: only warnings and
    errors.
    secrets: texts to replace in everything that is printed, see `hide`.
    """

    def __init__(
        self,
        out: TextIO | None = None,
        err: TextIO | None = None,
        *,
        json: bool = False,
        verbose: bool = False,
        quiet: bool = False,
        secrets: Iterable[str] = (),
    ) -> None:
        self.json: Final = json
        self.verbose: Final = verbose
        self.quiet: Final = quiet
        self._out = Terminal(out or sys.stdout)
        self._err = Terminal(err or sys.stderr, vital=False)
        self._steps = Steps(self._err)
        self._hidden = Hidden(secrets)
        self._warnings: list[Problem] = []
        self._answered: Literal["", "document", "lines"] = ""

    # --- talk

    def step(self, title: str) -> AbstractContextManager[None]:
        return nullcontext() if self.quiet else self._steps.step(self._clean(" ".join(title.split())))

    @contextmanager
    def following(self, title: str) -> Iterator[Callable[[Sequence[str]], None]]:
        if self.quiet:
            yield lambda _: None
            return
        with self._steps.following(self._clean(" ".join(title.split()))) as show:
            yield lambda below: show([self._clean(line) for line in below])

    def note(self, text: str) -> None:
        if not self.quiet:
            self._say("note", text)

    def warn(self, text: str) -> None:
        self._warnings.append(Problem("warning", self._hidden.text(text)))
        self._say("warn", text)

    def hide(self, secret: str) -> None:
        """Print REDACTED wherever this text would appear. A last net, for what servers repeat."""
        self._hidden.add(secret)

    def tell(self, blocks: Iterable[Block]) -> None:
        """Blocks as talk: what a prompt is about."""
        self._steps.say(*self._cleaned(lines_of(blocks, self._err)))

    def ask(
        self,
        prompt: str,
        *,
        default: str = "",
        secret: bool = False,
        choices: Sequence[Choice] = (),
        validate: Callable[[str], str] = anything,
    ) -> str:
        """What the user types, once `validate` has no complaint about it. Interrupted on Ctrl-C and Ctrl-D."""
        return self._prompt.ask(prompt, default=default, secret=secret, choices=choices, validate=validate)

    def confirm(self, prompt: str, *, default: bool = False) -> bool:
        return self._prompt.confirm(prompt, default=default)

    @property
    def interactive(self) -> bool:
        """Whether somebody is there to be asked."""
        return not self.json and self._err.tty and bool(sys.stdin) and sys.stdin.isatty()

    # --- data

    def show(self, result: Result, view: View, *, reveal: bool = False) -> int:
        """Print the result and give back its exit code.

        reveal: the secrets in it are what was asked for (`env`, `key dek`, `key decrypt`; nothing else).
        """
        if self.json:
            self._document(result, reveal=reveal)
        else:
            shown = self._viewed(result, view, self._out, reveal=reveal)
            self._print(shown)
            self._speak_of(result, shown)
        return result.exit_code

    def stream(self, line: dict[str, Any] | str | Block) -> None:
        """One line of `--follow`: a document (NDJSON), or text. NobodyReads when nobody does."""
        if isinstance(line, str):
            self._print(self._clean(line) + "\n")
        elif not isinstance(line, dict):
            self._print("".join(f"{text}\n" for text in self._cleaned(lines_of([line], self._out))))
        else:
            self._answered = "lines"
            self._print(self._encoded(self._hidden.data(line), indent=None))
        if self._out.gone:
            raise NobodyReads("nobody reads the output")

    def clear_and_show(self, result: Result, view: View) -> None:
        """The result of this moment, for `--watch`: in the place of the last one on a terminal, below it elsewhere.

        Its problems stand with it: what is said elsewhere would be wiped away.
        """
        if self.json:
            self.stream(document(self._complete(result)))
            return
        told = [f"{line}\n" for problem in result.problems for line in self._told(result, problem, self._out)]
        shown = self._viewed(result, view, self._out, reveal=False)
        self._print("".join([_CLEAR if self._out.live else "", shown, *(["\n"] if told else []), *told]))
        if self._out.gone:
            raise NobodyReads("nobody reads the output")

    def fail(self, error: BaseException, *, command: str = "kesdeploy") -> int:
        """Say what went wrong, in three lines at most, and give back the exit code. Never raises."""
        mine = complaint.known(error)
        if isinstance(mine, NobodyReads):
            return mine.exit_code
        with suppress(KesdeployError):  # stdout may be what failed
            self._fail_on_stdout(of_error(command, mine))
        first, *others = complaint.lines(mine)
        self._steps.say(f"{self._err.paint('error:', 'red')} {self._clean(first)}", *map(self._clean, others))
        if self.verbose:
            self._steps.say(*map(self._clean, complaint.trace(error)))
        return mine.exit_code

    # --- how

    @property
    def _prompt(self) -> Prompt:
        return Prompt(self.tell)

    def _say(self, mark: Mark, text: str) -> None:
        self._steps.say(f"{self._err.mark(mark)} {self._clean(text)}")

    def _speak_of(self, result: Result, shown: str) -> None:
        """The problems that were told neither as warnings nor in what was shown to the same reader."""
        apart = self._err.tty and not self._out.tty
        for problem in result.problems:
            if problem not in self._warnings and (apart or problem.message not in shown):
                self._steps.say(*self._told(result, problem, self._err))

    def _told(self, result: Result, problem: Problem, terminal: Terminal) -> list[str]:
        mark = terminal.mark("warn" if result.ok else "failed")
        hint = [f"  try: {self._clean(problem.hint)}"] if problem.hint else []
        return [f"{mark} {self._clean(problem.message)}", *hint]

    def _viewed(self, result: Result, view: View, terminal: Terminal, *, reveal: bool) -> str:
        shown = view(result.data if reveal else self._hidden.data(result.data))
        if isinstance(shown, str):
            return shown if shown.endswith("\n") or not shown else f"{shown}\n"
        return "".join(f"{line}\n" for line in lines_of(shown, terminal))

    def _document(self, result: Result, *, reveal: bool) -> None:
        self._answered = "document"
        body = document(self._complete(result))
        self._print(self._encoded(body if reveal else self._hidden.data(body), indent=2))

    def _fail_on_stdout(self, failed: Result) -> None:
        """The failure as the only document, or as the last one of several; a document that was printed stays alone."""
        if self.json and self._answered == "lines":
            self.stream(document(self._complete(failed)))
        elif self.json and not self._answered:
            self._document(failed, reveal=False)

    def _complete(self, result: Result) -> Result:
        new = tuple(problem for problem in self._warnings if problem not in result.problems)
        return replace(result, problems=result.problems + new)

    def _print(self, text: str) -> None:
        with self._steps.aside():
            self._out.write(text)

    def _clean(self, text: str) -> str:
        return defused(self._hidden.text(text))

    def _cleaned(self, lines: Iterable[str]) -> list[str]:
        return [self._hidden.text(line) for line in lines]

    def _encoded(self, body: Any, *, indent: int | None) -> str:
        import json

        return json.dumps(body, indent=indent, ensure_ascii=not self._out.unicode, default=str) + "\n"
