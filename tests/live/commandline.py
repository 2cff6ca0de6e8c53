"""kesdeploy as a user runs it: a process with a folder, a name and ports of its own, and what Podman says of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from commands import listed

from kesdeploy.catalogue import catalogue

if TYPE_CHECKING:
    from pathlib import Path

RELEASE = pytest.param("release", marks=pytest.mark.live)
CONTRACT = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130}
# By hand or by their last use: what a shell shows as 130 is either.
INTERRUPTED = (130, -signal.SIGINT)


@dataclass(frozen=True)
class Run:
    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @cached_property
    def json(self) -> dict[str, Any]:
        """The one document on stdout."""
        return dict(json.loads(self.out))

    @property
    def data(self) -> dict[str, Any]:
        return dict(self.json["data"])

    @property
    def error(self) -> list[str]:
        """The lines of the error block."""
        lines = self.err.splitlines()
        first = next((n for n, line in enumerate(lines) if line.startswith("error:")), len(lines))
        return lines[first:]

    @property
    def changes(self) -> list[tuple[str, str]]:
        return [(change["verb"], change["address"]) for change in self.data["changes"]]

    def __str__(self) -> str:
        return f"kesdeploy {' '.join(self.argv)} -> {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass
class Cli:
    """Called like the command: `cli("status", "--json")`. The flags that keep deployments apart are added."""

    home: Path
    name: str
    port: int
    images: str = "sandbox"
    env: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.home / f"minio-kes-{self.name}"

    @property
    def ports(self) -> tuple[str, ...]:
        names = ("s3", "console", "kes", "vault")
        return tuple(f"--{name}-port={self.port + n}" for n, name in enumerate(names))

    @property
    def first_up(self) -> tuple[str, ...]:
        return ("up", "--kms", "fs", "--images", self.images, "--yes", "--timeout", "30s", *self.ports)

    def environment(self, **more: str) -> dict[str, str]:
        # A Docker that other tests started is not asked for here.
        others = ("KESDEPLOY", "KES_", "VAULT_", "AWS_", "MINIO", "DOCKER_HOST")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(others)}
        return {**inherited, "KESDEPLOY_HOME": str(self.home), "NO_COLOR": "1", **self.env, **more}

    def argv(self, *args: str) -> tuple[str, ...]:
        nameless = args[0] in ("list", "init", "images", "--help") or "-n" in args or not self.name
        named = () if nameless else ("-n", self.name)
        # Of a family, the word after it comes first.
        words = (*args, *named) if args[0] in ("key", "bucket") else (args[0], *named, *args[1:])
        return (sys.executable, "-m", "kesdeploy", *words)

    def popen(self, *args: str) -> subprocess.Popen[str]:
        """In a process group of its own, with nobody to ask."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.argv(*args),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )

    def __call__(
        self,
        *args: str,
        expect: int | None = 0,
        stdin: str = "",
        env: dict[str, str] | None = None,
        before: tuple[str, ...] = (),
    ) -> Run:
        """Run it to its end, and hold it to what is true of every command. `before` starts it, as in `setpriv …`."""
        done = subprocess.run(
            (*before, *self.argv(*args)),
            check=False,
            env=self.environment(**(env or {})),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )
        run = Run(args, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in run.err, run
        assert "made a mistake" not in run.err, run
        assert run.code in CONTRACT, run
        assert expect is None or run.code == expect, run
        if run.code not in (0, 2, 7) and "--json" not in args:
            assert 1 <= len(run.error) <= 3, run
        return run

    def up(self, *flags: str, expect: int | None = 0) -> Run:
        """The first `up`."""
        return self(*self.first_up, *flags, expect=expect)

    def again(self, *flags: str) -> Run:
        """A later `up`, which must end proven."""
        run = self("up", "--yes", "--json", *flags)
        assert run.json["ok"], run
        assert run.data["checks"], run
        assert all(check["ok"] for check in run.data["checks"]), run
        return run

    def container(self, part: str) -> str:
        return f"{self.name}-{part}"

    def read(self, relative: str) -> str:
        return (self.folder / relative).read_text()


def podman(*args: str, check: bool = True) -> str:
    return subprocess.run(("podman", *args), check=check, capture_output=True, text=True, timeout=60).stdout.strip()


def inspect(container: str) -> dict[str, Any]:
    return dict(json.loads(podman("container", "inspect", container))[0])


def process_of(container: str) -> int:
    return int(inspect(container)["State"]["Pid"])


def infra_of(pod: str) -> str:
    # Podman 4 gives an object, Podman 5 a list of one.
    found = json.loads(podman("pod", "inspect", pod))
    return str((found[0] if isinstance(found, list) else found)["InfraContainerID"])


def engine_holds(name: str) -> list[str]:
    """Everything of the deployment that Podman knows of, whoever made it."""
    return [
        *listed(
            "podman", "ps", "-a", "--format", "container {{.Names}}", "--filter", f"name=^{name}-(kes|minio|vault)"
        ).splitlines(),
        *listed(
            "podman", "ps", "-a", "--format", "container {{.Names}}", "--filter", f"label=kesdeploy.deployment={name}"
        ).splitlines(),
        *listed(
            "podman", "pod", "ps", "--format", "pod {{.Name}}", "--filter", f"name=^minio-kes-{name}$"
        ).splitlines(),
        *listed("podman", "network", "ls", "--format", "network {{.Name}}", "--filter", f"name={name}").splitlines(),
        *listed("podman", "volume", "ls", "--format", "volume {{.Name}}", "--filter", f"name={name}").splitlines(),
    ]


def left(cli: Cli) -> list[str]:
    """What should be gone after `destroy`."""
    return engine_holds(cli.name) + ([str(cli.folder)] if cli.folder.exists() else [])


def sweep(cli: Cli) -> None:
    """After a test that failed: without kesdeploy."""
    podman("pod", "rm", "-f", "-t", "3", f"minio-kes-{cli.name}", check=False)
    for part in ("minio-server", "kes-server", "vault"):
        podman("rm", "-f", "-t", "3", cli.container(part), check=False)


def need_images(images: str, *components: str) -> None:
    if lacking := _lacking(images, *components):
        pytest.skip(f"{lacking} is not in the local store")


def images_here(images: str) -> bool:
    return bool(shutil.which("podman")) and not _lacking(images)


def _lacking(images: str, *components: str) -> str:
    """The first that is not here."""
    if images != "release":
        return ""
    for component in components or ("kes", "minio"):
        references = [source.reference for source in catalogue()[component].sources]
        if not any(_here(reference) for reference in references):
            return references[0]
    return ""


def _here(reference: str) -> bool:
    return bool(podman("images", "-q", reference, check=False))
