"""logs: what the containers said, and whom KES let do what."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kesdeploy.cli import log_views as views
from kesdeploy.cli import options as o
from kesdeploy.cli.running import run
from kesdeploy.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kesdeploy.blocks import Block
    from kesdeploy.console import Console
    from kesdeploy.logs import Which
    from kesdeploy.opening import Wish
    from kesdeploy.result import Result


def add_to(app: typer.Typer) -> None:
    app.command()(logs)


def logs(
    part: Annotated[str, typer.Argument(help="kes, minio or vault; all when left out.")] = "",
    name: o.Name = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option("--since", help="10m, 2h, or a time as 2026-11-21T10:00.")] = "",
    tail: Annotated[
        int | None, typer.Option("--tail", min=0, help="Only the last N lines of each (200; all with --since).")
    ] = None,
    audit: Annotated[bool, typer.Option("--audit", help="What KES audits and denies, with names.")] = False,
    explain: Annotated[
        bool | None,
        typer.Option("--explain/--no-explain", help="Tell what known lines mean (default: on a terminal)."),
    ] = None,
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """What the containers said, in order of time, also of those that are stopped.

    Example: kesdeploy logs kes --since 10m
             kesdeploy logs --audit --follow
    """

    def work(console: Console) -> Result | None:
        from kesdeploy.logs import TAIL, Which
        from kesdeploy.opening import Wish

        last = tail if tail is not None else None if since else TAIL
        which = Which(part, last, o.moment(since) if since else None, follow)
        wish, told = Wish("logs", name), _is_wanted(explain)
        if audit:
            return _audit(console, wish, which, explain=told, json=json)
        return _told(console, wish, which, explain=told, json=json)

    run("logs", work, views.audited, json=json, verbose=verbose)


def _is_wanted(explain: bool | None) -> bool:
    return explain if explain is not None else bool(sys.stdout) and sys.stdout.isatty()


def _told(console: Console, wish: Wish, which: Which, *, explain: bool, json: bool) -> Result | None:
    from kesdeploy.logs import lines
    from kesdeploy.result import Result

    if json and not which.follow:
        return Result("logs", {"lines": list(lines(wish, which))})
    _streamed(console, lines(wish, which) if json else _blocks(lines(wish, which), explain=explain))
    return None


def _blocks(lines: Iterable[dict[str, Any]], *, explain: bool) -> Iterator[Block]:
    """The lines; beneath one that is known what it means, once each."""
    known: set[str] = set()
    for line in lines:
        yield views.log_line(line)
        new = [answer for answer in line["explained"] if answer["id"] not in known] if explain else []
        known |= {answer["id"] for answer in new}
        yield from views.explained(new)


def _audit(console: Console, wish: Wish, which: Which, *, explain: bool, json: bool) -> Result | None:
    from kesdeploy.logs import events, hidden, unusual
    from kesdeploy.result import Result

    for limit in hidden(wish):
        console.note(limit)
    if which.follow:
        _streamed(console, (dict(event) if json else views.event_line(dict(event)) for event in events(wish, which)))
        return None
    found = list(events(wish, which))
    return Result("logs", {"events": found, "explained": unusual(found, wish.name) if explain or json else []})


def _streamed(console: Console, lines: Iterable[dict[str, Any] | str | Block]) -> None:
    try:
        for line in lines:
            console.stream(line)
    except KeyboardInterrupt:  # that is how one ends it: nothing to say
        raise typer.Exit(Interrupted.exit_code) from None
