"""`up` and `down` on Podman and Docker, as ratios to what other tools take for the same two containers in the same run.

usage: python bench/engines.py [--runs 7] [--images release|sandbox] [--engine podman|docker] [--seconds 600]

Whole processes, interleaved in random order; medians. kesdeploy's time is all of it: Python's start, keys,
certificates, both containers, the proof. The others find certificates and configuration made, and prove nothing.
Without root it measures a rootless Podman. Asserts no time: a figure is for people to judge.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from contenders import PEERS, Failed, Kesdeploy, free_ports, wall
from up import cleaned, in_a_folder, interleaved, spread

if TYPE_CHECKING:
    from up import Contender, Times

COMMANDS = ("up", "ready", "down")
WAYS = {
    "podman": {
        "podman": "`podman` in a script",
        "podman-compose": "podman-compose",
        "kube": "`podman kube play`",
        "podman-py": "the floor: podman-py alone",
        "podman-in-order": "the floor, MinIO once KES answers",
    },
    "docker": {
        "docker": "`docker` in a script",
        "docker-compose": "docker-compose",
        "docker-py": "the floor: docker-py alone",
        "docker-in-order": "the floor, MinIO once KES answers",
    },
}
"""By engine, then by the name that peers/two.sh knows."""


@dataclass(frozen=True)
class Two:
    """KES and MinIO by another tool. `up` ends when the tool does, `ready` when both answer, from the same start."""

    engine: str
    way: str
    name: str
    parent: Path
    images: tuple[str, str]

    @property
    def title(self) -> str:
        return f"{self.engine}/{self.way}"

    def round(self) -> dict[str, float]:
        s3, console, kes = free_ports(3)
        env = {**self._env(), "S3_PORT": str(s3), "CONSOLE_PORT": str(console), "KES_PORT": str(kes)}
        _, up, until_both_answer, down = (wall(self._argv(c), env) for c in ("prepare", *COMMANDS))
        return {"up": up, "ready": up + until_both_answer, "down": down}

    def clean(self) -> None:
        subprocess.run(self._argv("clean"), env=self._env(), capture_output=True, check=False)
        shutil.rmtree(self.parent / self.name, ignore_errors=True)

    def _argv(self, command: str) -> tuple[str, ...]:
        return ("sh", str(PEERS / "two.sh"), self.way, command)

    def _env(self) -> dict[str, str]:
        kes, minio = self.images
        own = {"NAME": self.name, "FOLDER": str(self.parent / self.name), "PYTHON": sys.executable}
        return {**os.environ, **own, "KES_IMAGE": kes, "MINIO_IMAGE": minio}


def main() -> int:
    options = _options()
    # What pip put beside this Python (podman-compose) counts as installed.
    os.environ["PATH"] += os.pathsep + str(Path(sys.executable).parent)
    return in_a_folder(lambda folder: report(folder, options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="of everything (default 7)")
    parser.add_argument("--images", choices=("release", "sandbox"), default="release")
    parser.add_argument("--engine", choices=tuple(WAYS), help="only this one (default: each that works)")
    parser.add_argument("--seconds", type=float, default=600, help="begin no further run after this time")
    parser.add_argument("--name", default=f"bench-{os.getpid()}", help="prefix of all that is created")
    return parser.parse_args()


def report(folder: Path, options: argparse.Namespace) -> str:
    """Tables and what was left out. Raises Failed where there is nothing to measure."""
    absent, contenders = [], []
    for engine in [options.engine] if options.engine else WAYS:
        try:
            contenders += _contenders(engine, folder, options)
        except Failed as error:
            absent.append(f"{engine}: {error}")
    if not contenders:
        raise Failed("\n".join(absent))
    times = interleaved(contenders, options.runs, options.seconds)
    measured = [engine for engine in WAYS if (engine, "up") in times]
    absent += [f"{title}: {why}" for engine in measured for way, title in WAYS[engine].items() if (why := _lacks(way))]
    if os.geteuid() == 0:
        absent.append("rootless Podman: this is root. Start it as a user who has the images in a store of their own")
    left_out = ["Left out:", "", *(f"- {line}" for line in absent)] if absent else []
    return "\n\n".join([*(table(engine, times) for engine in measured), "\n".join(left_out)]).rstrip()


def _contenders(engine: str, folder: Path, options: argparse.Namespace) -> list[Contender]:
    """Those that can be measured here. Raises Failed, with kesdeploy's own words, where the engine does not work.

    The first round, which finds out the images, is not counted.
    """
    if not shutil.which(engine):
        raise Failed(f"no `{engine}` command")
    ours = Kesdeploy(f"{options.name}-{engine[0]}", folder, options.images, engine, engine)
    with cleaned(ours):
        ours.round()
        images = ours.image("kes"), ours.image("minio")
    ways = [way for way in WAYS[engine] if not _lacks(way)]
    return [ours, *(Two(engine, way, f"{options.name}-{engine[0]}{n}", folder, images) for n, way in enumerate(ways))]


def _lacks(way: str) -> str:
    """Why a peer cannot be measured; empty when it can."""
    engine, _, library = way.partition("-")
    if library in ("py", "in-order"):
        return "" if importlib.util.find_spec(engine) else "its library is not installed"
    command = "podman" if way == "kube" else way
    return "" if shutil.which(command) else f"no `{command}` command"


def table(engine: str, times: Times) -> str:
    """Seconds by tool, and kesdeploy's median divided by theirs; a Markdown table. A missing peer has no row."""
    # What kesdeploy's `up` ends with is a proof: it answers.
    ours = {command: times[engine, "down" if command == "down" else "up"] for command in COMMANDS}
    heading = (
        f"{_version(engine)}, {'root' if os.geteuid() == 0 else 'rootless'}; runs: {len(ours['up'])};"
        " seconds: median (least - most); kesdeploy's median / theirs"
    )
    lines = [
        heading,
        "",
        "| | `up` | both answer | `down` | up | answer | down |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        f"| kesdeploy, proof included | {spread(ours['up'])} | the same | {spread(ours['down'])} | | | |",
    ]
    for way, title in WAYS[engine].items():
        key = f"{engine}/{way}"
        if (key, "up") in times:
            theirs = {command: times[key, command] for command in COMMANDS}
            ratios = (f"**{median(ours[c]) / median(theirs[c]):.2f}**" for c in COMMANDS)
            lines.append("| " + " | ".join([title, *map(spread, theirs.values()), *ratios]) + " |")
    return "\n".join(lines)


def _version(engine: str) -> str:
    argv = (engine, "version", "--format", "{{.Client.Version}}" if engine == "podman" else "{{.Server.Version}}")
    return f"{engine.capitalize()} {subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()}"


if __name__ == "__main__":
    sys.exit(main())
