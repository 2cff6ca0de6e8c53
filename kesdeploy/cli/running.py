"""One way to run a command: console, wish, result, exit code."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from kesdeploy.console import Console, View
    from kesdeploy.result import Result

_IMPORTING = 0.01  # seconds until an interrupted import is looked at again


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
        for end in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(end, _interrupt)
        result = work(console)
        code = console.show(result, view, reveal=reveal) if result else 0
    except (SystemExit, typer.Exit):
        raise
    except BaseException as error:  # noqa: BLE001 - the one place where every error ends
        code = console.fail(error, command=command)
    # All is said: what comes now could only turn it into a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise typer.Exit(code)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """KeyboardInterrupt, but never amid an import: it could leave an import lock locked, and all threads waiting."""
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.setitimer(signal.ITIMER_REAL, _IMPORTING)
            return
        frame = frame.f_back
    raise KeyboardInterrupt
