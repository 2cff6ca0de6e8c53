"""One way to run a command: console, wish, result, exit code."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from kesdeploy.console import Console, View
    from kesdeploy.result import Result


def run(
    command: str,
    work: Callable[[Console], Result | None],
    view: View,
    *,
    json: bool = False,
    verbose: bool = False,
    reveal: bool = False,
) -> NoReturn:
    """Do it, show what came of it, and exit as the contract says. The only way out of kesdeploy."""
    from kesdeploy.console import Console

    console = Console(json=json, verbose=verbose)
    try:
        # Ctrl-C and a polite kill end alike: by an exception that leaves nothing half done.
        for end in (signal.SIGINT, signal.SIGTERM):
            signal.signal(end, signal.default_int_handler)
        result = work(console)
        code = console.show(result, view, reveal=reveal) if result else 0
    except (SystemExit, typer.Exit):
        raise
    except BaseException as error:  # noqa: BLE001 - the one place where every error ends
        code = console.fail(error, command=command)
    raise typer.Exit(code)
