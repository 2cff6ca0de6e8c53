"""How long `up`, a second `up`, `down` and `--help` take, as ratios to peers measured in the same run.

usage: python bench/up.py [--runs 5] [--images release|sandbox] [--seconds 240]

Whole processes, interleaved in random order; medians. Asserts no time: a figure is for people to judge.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from contenders import Failed, Help, Kesdeploy, Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Contender(Protocol):
    @property
    def title(self) -> str: ...

    def round(self) -> dict[str, float]: ...

    def clean(self) -> None: ...


Times = dict[tuple[str, str], list[float]]
"""Seconds by (title, command)."""

FIXED, NO_TTY, TUTORIAL = "lean script", "tutorial, no TTY", "tutorial"


def main() -> int:
    options = _options()
    return in_a_folder(lambda folder: table(measured(folder, options)))


def in_a_folder(report: Callable[[Path], str]) -> int:
    """The exit code; prints what the report is. The folder, and what is in it, is gone afterwards."""
    # A polite kill ends as Ctrl-C does: cleaned up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="kesdeploy-bench-") as folder:
        try:
            said = report(Path(folder))
        except Failed as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted; nothing is left behind", file=sys.stderr)
            return 130
    print(said)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of everything (default 5)")
    parser.add_argument("--images", choices=("release", "sandbox"), default="release")
    parser.add_argument("--seconds", type=float, default=240, help="begin no further run after this time")
    parser.add_argument("--name", default=f"bench-{os.getpid()}", help="prefix of all that is created")
    return parser.parse_args()


def measured(folder: Path, options: argparse.Namespace) -> Times:
    """All times of all runs. The first run of kesdeploy, which finds out the images, is not counted."""
    ours = Kesdeploy(f"{options.name}-k", folder, options.images)
    with cleaned(ours):
        ours.round()
        images = ours.image("kes"), ours.image("minio")
    contenders: list[Contender] = [ours, Help(ours), *_peers(folder, options, *images)]
    return interleaved(contenders, options.runs, options.seconds)


def interleaved(contenders: list[Contender], runs: int, limit: float) -> Times:
    """Every contender once in each run, in an order of chance; no run begins after the limit (seconds)."""
    times: Times = defaultdict(list)
    until = monotonic() + limit
    for _ in range(runs):
        for contender in random.sample(contenders, len(contenders)):
            with cleaned(contender):
                for command, seconds in contender.round().items():
                    times[contender.title, command].append(seconds)
        if monotonic() > until:
            break
    return times


def _peers(folder: Path, options: argparse.Namespace, kes: str, minio: str) -> list[Contender]:
    def peer(title: str, file: str, letter: str, tty: str = "") -> Script:
        return Script(title, file, f"{options.name}-{letter}", folder, kes, minio, tty)

    fixed = peer(FIXED, "fixed.sh", "f")
    if options.images == "sandbox":
        return [fixed]  # the tutorial calls the command line of the real KES
    return [fixed, peer(NO_TTY, "tutorial.sh", "n"), peer(TUTORIAL, "tutorial.sh", "t", "t")]


@contextmanager
def cleaned(contender: Contender) -> Iterator[None]:
    """Whatever happens in between, nothing of it is left; a second Ctrl-C does not stop that."""
    try:
        yield
    finally:
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        contender.clean()
        for number, handler in before.items():
            signal.signal(number, handler)


def table(times: Times) -> str:
    """Medians, least and most, and the ratio of the medians; a Markdown table. A missing peer has no row."""
    rows = [
        ((("kesdeploy", "up"), "`up`, proof included"), [((peer, "up"), peer) for peer in (FIXED, NO_TTY, TUTORIAL)]),
        (
            (("kesdeploy", "again"), "`up` with nothing to do"),
            [((peer, "up"), f"up of {peer}") for peer in (FIXED, NO_TTY)],
        ),
        ((("kesdeploy", "down"), "`down`"), [((peer, "down"), peer) for peer in (FIXED, TUTORIAL)]),
        ((("help", "--help"), "`--help`"), [(("help", "podman --help"), "podman --help")]),
    ]
    lines = [
        f"runs: {len(times['kesdeploy', 'up'])}; seconds: median (least - most)",
        "",
        "| kesdeploy | s | against | s | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    for (ours, what), peers in rows:
        lines += [_row(times[ours], what, times[key], peer) for key, peer in peers if key in times]
    return "\n".join(lines)


def _row(ours: list[float], what: str, theirs: list[float], peer: str) -> str:
    return f"| {what} | {spread(ours)} | {peer} | {spread(theirs)} | **{median(ours) / median(theirs):.2f}** |"


def spread(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} ({min(seconds):.2f} - {max(seconds):.2f})"


if __name__ == "__main__":
    sys.exit(main())
