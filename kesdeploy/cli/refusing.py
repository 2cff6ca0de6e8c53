"""What Typer refuses by itself (an unknown option, a port that is no number), in our three lines and exit codes."""

from __future__ import annotations

import sys
from typing import Any

import typer

# A usage error. Typer brings a click of its own, or uses the installed one: this is its class in both.
Refused: type[Exception] = typer.BadParameter.__mro__[1]
# What Typer says in its own words, and in ours.
_PLAIN = (
    ("Value error, ", ""),
    ("Input should be a valid integer, unable to parse string as an integer", "it is no whole number"),
    ("is not a valid integer", "is no whole number"),
    ("Input should be a valid number, unable to parse string as a number", "it is no number"),
)


def refused(error: Exception) -> int:
    """Say it in three lines, with `--json` as one document, and give back the exit code."""
    from kesdeploy.blocks import Lines
    from kesdeploy.console import Console
    from kesdeploy.errors import UsageError

    context, words = getattr(error, "ctx", None), getattr(error, "format_message", str)()
    console = Console(json=_json(), verbose=False)
    if type(error).__name__ == "NoArgsIsHelpError":
        console.tell([Lines(words.splitlines())])
        return UsageError.exit_code
    if isinstance(error, typer.Abort):
        return console.fail(KeyboardInterrupt())
    command = _command(context)
    help_ = f"kesdeploy {command} --help" if command else "kesdeploy --help"
    for theirs, ours in _PLAIN:
        words = words.replace(theirs, ours)
    return console.fail(UsageError(words.rstrip("."), hint=help_), command=command or "kesdeploy")


def _command(context: Any) -> str:
    """The command as it was typed (`images list`), empty while there is none."""
    if context:
        return str(context.command_path).partition(" ")[2]
    # An option without its argument comes without a context, but only a command that is there has options.
    return next((word for word in sys.argv[1:2] if not word.startswith("-")), "")


def _json() -> bool:
    """Whether one document was asked for: nothing was parsed yet, so the words themselves tell."""
    words = sys.argv[1:]
    return "--json" in words[: words.index("--")] if "--" in words else "--json" in words
