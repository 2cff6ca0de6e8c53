"""explain: what an error text means."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Annotated

import typer

from kesdeploy.cli import explain_views as views
from kesdeploy.cli import options as o
from kesdeploy.cli.running import run

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.explain import Answer
    from kesdeploy.result import Result

MOST_LINES = 5000
"""Of a longer text the last ones are read."""
_STDIN = "-"


def add_to(app: typer.Typer) -> None:
    app.command()(explain)


def _ids() -> list[str]:
    from kesdeploy.explain import entries

    return [entry.id for entry in entries()]


def explain(
    text: Annotated[
        list[str] | None,
        typer.Argument(help="An error text, or the name of one; standard input when left out.", autocompletion=_ids),
    ] = None,
    name: o.Name = "",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """What an error of KES, MinIO, Vault, mc, Podman or Docker means, how to be sure, and what to type next.

    Exit 0 also when nothing of it is known: that is said. Secrets in the text are never repeated.

    Example: podman logs minio 2>&1 | kesdeploy explain
             kesdeploy explain "x509: certificate signed by unknown authority"
    """

    def work(console: Console) -> Result:  # noqa: ARG001
        words = " ".join(text or ())
        if words in ("", _STDIN):
            return _known() if _nobody_pipes(words) else _explained(_piped(), name)
        return _explained([words], name)

    run("explain", work, views.explained, json=json, verbose=verbose)


def _nobody_pipes(words: str) -> bool:
    """Whether standard input is a terminal, or closed: nothing is to come from it unless it was asked for."""
    return sys.stdin is None or (not words and sys.stdin.isatty())


def _piped() -> list[str]:
    """The last lines of standard input, whatever its bytes are."""
    raw = getattr(sys.stdin, "buffer", None)
    lines = (line.decode(errors="replace") for line in raw) if raw else iter(sys.stdin)
    return [line.rstrip("\r\n") for line in deque(lines, maxlen=MOST_LINES)]


def _explained(lines: list[str], name: str) -> Result:
    from kesdeploy.errors import UsageError
    from kesdeploy.explain import answers
    from kesdeploy.result import Result

    if not any(line.strip() for line in lines):
        raise UsageError("there is no text to explain", hint='kesdeploy explain "x509: certificate signed by …"')
    found = answers(lines, name) or _by_id(lines[0].strip(), name)
    otherwise = [] if found else _otherwise(f" -n {name}" if name else "")
    return Result("explain", {"read": len(lines), "answers": [vars(answer) for answer in found], "try": otherwise})


def _otherwise(deployment: str) -> list[dict[str, str]]:
    """What shows more where a text is not known."""
    looks = {
        "doctor": "this machine and its engine, probe by probe",
        "verify": "a deployment, check by check",
        "logs": "what its containers said before",
    }
    return [{"command": f"kesdeploy {command}{deployment}", "what": what} for command, what in looks.items()]


def _by_id(word: str, name: str) -> tuple[Answer, ...]:
    """What there is to say of a text by its name: as if its example had been given."""
    from kesdeploy.explain import answers, entries

    return next((answers(entry.seen.splitlines(), name)[:1] for entry in entries() if entry.id == word), ())


def _known() -> Result:
    from kesdeploy.explain import entries
    from kesdeploy.result import Result

    known = [{"id": entry.id, "about": entry.about, "text": entry.seen.splitlines()[0]} for entry in entries()]
    return Result("explain", {"known": known})
