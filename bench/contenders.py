"""Who is measured: kesdeploy and its peers, each a set of whole processes, each cleaning up after itself by name."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

PEERS = Path(__file__).parent / "peers"
KESDEPLOY = (sys.executable, "-m", "kesdeploy")
GRACE = 60
LIMIT = 180
"""Seconds that no measured command takes unless it hangs."""


class Failed(Exception):
    """A measured command did not do its work, so its time means nothing."""


def wall(argv: tuple[str, ...], env: dict[str, str]) -> float:
    """Seconds from start to end of a process and all that it waits for. Raises Failed.

    It has a session of its own: when we are interrupted, all of it is ended and waited for before anybody cleans up.
    """
    begun = perf_counter()
    process = subprocess.Popen(
        argv,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        words = process.communicate(timeout=LIMIT)[1]
    except BaseException as error:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=GRACE)
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failed(f"{' '.join(argv)} did not end within {LIMIT} s") from None
        raise
    if process.returncode:
        raise Failed(f"{' '.join(argv)} ended with {process.returncode}:\n{words.decode(errors='replace')[-2000:]}")
    return perf_counter() - begun


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody holds now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [probe.getsockname()[1] for probe in held]
    finally:
        for probe in held:
            probe.close()


@dataclass(frozen=True)
class Kesdeploy:
    """`kesdeploy up` from nothing, again, `down`; a new folder in every round."""

    name: str
    parent: Path
    images: str
    title: str = "kesdeploy"
    engine: str = "podman"

    def round(self) -> dict[str, float]:
        s3, console, kes = free_ports(3)
        ports = ("--s3-port", str(s3), "--console-port", str(console), "--kes-port", str(kes))
        return {
            "up": self._run("up", "--kms", "fs", "--engine", self.engine, "--images", self.images, "--yes", *ports),
            "again": self._run("up", "--yes"),
            "down": self._run("down"),
        }

    def help(self) -> float:
        return wall((*KESDEPLOY, "--help"), self._env())

    def image(self, component: str) -> str:
        """The reference that the last round ran: the peers run the same."""
        state = json.loads((self.parent / f"minio-kes-{self.name}" / "state.json").read_text())
        return str(state["images"][component]["reference"])

    def clean(self) -> None:
        """By kesdeploy itself; by name where that fails (a broken kesdeploy is worth measuring too)."""
        argv = (*KESDEPLOY, "destroy", "-n", self.name, "--yes")
        if subprocess.run(argv, env=self._env(), capture_output=True, check=False).returncode:
            for argv in self._leftovers():
                subprocess.run(argv, capture_output=True, check=False)

    def _leftovers(self) -> tuple[tuple[str, ...], ...]:
        whole = f"minio-kes-{self.name}"
        if self.engine == "podman":
            return (("podman", "pod", "rm", "--force", "--ignore", "--time", "3", whole),)
        containers = (f"{self.name}-{part}-server" for part in ("kes", "minio"))
        return ("docker", "rm", "--force", *containers), ("docker", "network", "rm", whole)

    def _run(self, command: str, *flags: str) -> float:
        return wall((*KESDEPLOY, command, "-n", self.name, *flags), self._env())

    def _env(self) -> dict[str, str]:
        # Compiled, as pip leaves what it installs.
        compiled = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return {**compiled, "KESDEPLOY_HOME": str(self.parent)}


@dataclass(frozen=True)
class Script:
    """A shell script of `peers/`: up from nothing, and down."""

    title: str
    file: str
    name: str
    parent: Path
    kes: str
    minio: str
    tty: str = ""

    def round(self) -> dict[str, float]:
        s3, console, kes = free_ports(3)
        env = {**self._env(), "S3_PORT": str(s3), "CONSOLE_PORT": str(console), "KES_PORT": str(kes)}
        return {command: wall(self._argv(command), env) for command in ("up", "down")}

    def clean(self) -> None:
        subprocess.run(self._argv("clean"), env=self._env(), capture_output=True, check=False)
        shutil.rmtree(self.parent / self.name, ignore_errors=True)

    def _argv(self, command: str) -> tuple[str, ...]:
        return ("sh", str(PEERS / self.file), command)

    def _env(self) -> dict[str, str]:
        own = {"NAME": self.name, "FOLDER": str(self.parent / self.name), "TTY": self.tty}
        return {**os.environ, **own, "KES_IMAGE": self.kes, "MINIO_IMAGE": self.minio}


@dataclass(frozen=True)
class Help:
    """The help of both programs: what a start costs before any work."""

    kesdeploy: Kesdeploy
    title: str = "help"

    def round(self) -> dict[str, float]:
        return {"--help": self.kesdeploy.help(), "podman --help": wall(("podman", "--help"), dict(os.environ))}

    def clean(self) -> None:
        """Nothing is left by a help."""
