"""An error as a person reads it: what, because, try. Three lines, and one for each problem of a spec."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kesdeploy.errors import Interrupted, KesdeployError, Problem, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

# A server's page of HTML is no cause that anybody reads.
_LONGEST: Final = 600


def known(error: BaseException) -> KesdeployError:
    """The error as one of ours. Ctrl-C is Interrupted; everything else that reaches the top is a bug."""
    match error:
        case KesdeployError():
            error.hint = error.hint or _advised(error.because)
            return error
        case KeyboardInterrupt() | EOFError():
            return Interrupted("interrupted", hint="run the same command again: it continues where this one stopped")
        case OSError(filename=str() as name) if told := _of_a_deployment(error, Path(name)):
            return told
        case _:
            return KesdeployError(
                "kesdeploy made a mistake",
                because=_named(error),
                hint="the same command with -v shows where; please report it",
            )


def _of_a_deployment(error: OSError, path: Path) -> KesdeployError | None:
    """A file of a deployment that somebody removed, or may not be read, is no bug."""
    from kesdeploy.files import unusable
    from kesdeploy.home import deployment_of

    try:
        name = deployment_of(path)
    except KesdeployError:  # nobody knows where deployments lie
        return None
    told = unusable(error, path, "use") if name else None
    if told and isinstance(error, FileNotFoundError):
        told.hint = f"kesdeploy up -n {name} makes it again, or says what is needed"
    return told


def _advised(because: str) -> str:
    """What to type about somebody's words, where they are known."""
    if not because:
        return ""
    from kesdeploy.explain import advice

    found = advice(because)
    return found.next if found else ""


def lines(error: KesdeployError) -> Iterator[str]:
    """What, `because: …`, `try: …`. A SpecError has a line for each problem, its path first, instead of the cause."""
    yield _line(error.what)
    if isinstance(error, SpecError):
        yield from (f"  {_problem(problem)}" for problem in error.found)
    elif error.because:
        yield f"  because: {_line(error.because)}"
    if error.hint:
        yield f"  try: {_line(error.hint)}"


def trace(error: BaseException) -> Iterator[str]:
    """Where it happened, the first cause first: no local variables, and of a foreign error its first line only."""
    below = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if below is not None:
        yield from trace(below)
    for entry in traceback.format_tb(error.__traceback__):
        yield from entry.rstrip("\n").split("\n")
    yield _named(error)


def _named(error: BaseException) -> str:
    # Only its first line: validation libraries repeat the refused value, which may be a secret, in the following ones.
    words = str(error).strip().split("\n", 1)[0]
    return f"{type(error).__qualname__}: {words}" if words else type(error).__qualname__


def _problem(problem: Problem) -> str:
    return _line(f"{problem.message} ({problem.hint})" if problem.hint else problem.message)


def _line(text: str) -> str:
    """One line, whatever the server sent."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
