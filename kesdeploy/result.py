"""What a command comes back with. Commands return it, the console alone speaks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kesdeploy.errors import KesdeployError, Problem

SCHEMA = 1


@dataclass(frozen=True)
class Result:
    """The outcome of one command.

    data: plain JSON (dict, list, str, int, float, bool, None), the same for people and for programs.
    exit_code: as in the tree of errors.py; 0 when done.
    """

    command: str
    data: dict[str, Any] = field(default_factory=dict)
    ok: bool = True
    problems: tuple[Problem, ...] = ()
    exit_code: int = 0


def document(result: Result) -> dict[str, Any]:
    """The one document that `--json` prints (schema 1)."""
    return {
        "schema": SCHEMA,
        "command": result.command,
        "ok": result.ok,
        "data": result.data,
        "problems": [asdict(problem) for problem in result.problems],
    }


def of_error(command: str, error: KesdeployError) -> Result:
    """The result of a command that failed."""
    return Result(command, ok=False, problems=error.problems, exit_code=error.exit_code)
