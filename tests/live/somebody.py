"""A user of this machine without any rights, made for a test: with a home, ids to map, and a Python."""

from __future__ import annotations

import os
import pwd
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from commandline import Cli, podman
from commands import ROOT

import kesdeploy
from kesdeploy.engines.podman_service import listens

if TYPE_CHECKING:
    from collections.abc import Iterator

TUN = Path("/dev/net/tun")
_DEBIANS = "/usr/share/docker.io/contrib/dockerd-rootless.sh"
# The interpreter itself, too: it may have been found with rights that are gone by now.
_NEEDED = """
import pathlib, sys
import kesdeploy.cli, podman, minio, hvac, cryptography.x509, jinja2, yaml, pydantic, typer
pathlib.Path(sys.executable).resolve().stat()
"""


@dataclass(frozen=True)
class Somebody:
    """`runtime` is XDG_RUNTIME_DIR: what a reboot empties."""

    name: str
    home: Path
    runtime: Path
    ids: frozenset[int] = field(repr=False)
    python: tuple[str, str] = ("", "")
    """The interpreter, and its PYTHONPATH."""

    @property
    def uid(self) -> int:
        return pwd.getpwnam(self.name).pw_uid

    @property
    def becoming(self) -> tuple[str, ...]:
        return ("setpriv", f"--reuid={self.name}", f"--regid={self.name}", "--init-groups")

    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "USER": self.name,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "XDG_RUNTIME_DIR": str(self.runtime),
            "PYTHONPATH": self.python[1],
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "1",
        }

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (*self.becoming, *argv), env=self.environment(), cwd=self.home, capture_output=True, text=True, check=False
        )

    def processes(self) -> list[int]:
        """Of the user, and of the ids that containers have."""
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and self._is_theirs(path)]

    def _is_theirs(self, process: Path) -> bool:
        with suppress(OSError):
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            return state != "Z" and process.stat().st_uid in self.ids
        return False

    def kill_all(self) -> None:
        deadline = time.monotonic() + 10
        while (alive := self.processes()) and time.monotonic() < deadline:
            for pid in alive:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        assert self.processes() == []

    def start_docker(self) -> None:
        """A Docker of their own, which ends with `kill_all`. Skips with the reason where there can be none."""
        script = shutil.which("dockerd-rootless.sh") or _DEBIANS
        if missing := [name for name in (script, "dockerd", "rootlesskit") if not shutil.which(name)]:
            pytest.skip(f"no rootless Docker: there is no {', '.join(missing)}")
        _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
        environment = {**self.environment(), "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        with (self.home / "dockerd.log").open("wb") as log:
            process = subprocess.Popen(
                (*self.becoming, script, "--default-ulimit", f"nofile={files}:{files}"),
                env=environment,
                cwd=self.home,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while not listens(str(self.runtime / "docker.sock")):
            assert process.poll() is None, (self.home / "dockerd.log").read_text()[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def reboot(self) -> None:
        """What a machine's end and its next start leave: no process, and an empty /run."""
        self.kill_all()
        shutil.rmtree(self.runtime)
        self._make_runtime()

    def _make_runtime(self) -> None:
        self.runtime.mkdir(mode=0o700)
        os.chown(self.runtime, self.uid, self.uid)


@dataclass
class TheirCli(Cli):
    """kesdeploy as that user runs it."""

    who: Somebody | None = field(default=None)

    def environment(self, **more: str) -> dict[str, str]:
        assert self.who
        return {**self.who.environment(), "KESDEPLOY_HOME": str(self.home), **more}

    def argv(self, *args: str) -> tuple[str, ...]:
        assert self.who
        return (*self.who.becoming, self.who.python[0], *super().argv(*args)[1:])


@contextmanager
def somebody() -> Iterator[Somebody]:
    """Made, and removed with everything that was theirs. Skips with the reason where none can be made."""
    for reason in _reasons():
        pytest.skip(reason)
    name = f"kesdeploy-{secrets.token_hex(4)}"
    subprocess.run(("useradd", "--create-home", name), check=True, capture_output=True)
    mode = TUN.stat().st_mode
    try:
        # Rootless networks are made through it, and some machines keep it for root.
        TUN.chmod(0o666)
        yield _settled(name)
    finally:
        TUN.chmod(mode & 0o7777)
        _removed(name)


def _reasons() -> Iterator[str]:
    if os.geteuid() != 0:
        yield "only root can make a user for this"
    yield from (f"no {p}" for p in ("useradd", "userdel", "setpriv", "newuidmap") if not shutil.which(p))
    if not (shutil.which("slirp4netns") or shutil.which("pasta")):
        yield "neither slirp4netns nor pasta: no network without root"
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as error:
        yield f"{TUN} cannot be opened: {error.strerror}"


def _settled(name: str) -> Somebody:
    entry = pwd.getpwnam(name)
    runtime = Path(f"/tmp/run-{entry.pw_uid}-{secrets.token_hex(2)}")
    found = Somebody(name, Path(entry.pw_dir), runtime, frozenset({entry.pw_uid, *_mapped(name)}))
    found._make_runtime()
    _store_as_root_does(found)
    for python in _pythons(found.home):
        candidate = Somebody(name, found.home, runtime, found.ids, python)
        if candidate.run(python[0], "-c", _NEEDED).returncode == 0:
            return candidate
    pytest.skip("no Python that another user may run with what kesdeploy needs")


def _store_as_root_does(who: Somebody) -> None:
    """Without a word Podman copies every layer (vfs), which takes its time."""
    driver = podman("info", "--format", "{{.Store.GraphDriverName}}", check=False)
    conf = who.home / ".config/containers/storage.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(f'[storage]\ndriver = "{driver or "vfs"}"\n')
    for path in (conf, conf.parent, conf.parent.parent):
        os.chown(path, who.uid, who.uid)


def _mapped(name: str) -> Iterator[int]:
    for line in Path("/etc/subuid").read_text().splitlines():
        user, first, count = line.split(":")
        if user == name:
            yield from range(int(first), int(first) + int(count))


def _pythons(home: Path) -> Iterator[tuple[str, str]]:
    """Our own, where others may use it; else the system's, with our packages, in the end as links in their home."""
    packages = str(Path(kesdeploy.__file__).parents[1] if not (ROOT / "kesdeploy").is_dir() else ROOT)
    site = str(Path(pytest.__file__).parents[1])
    yield sys.executable, packages
    yield "/usr/bin/python3", f"{packages}:{site}"
    for source, name in ((site, "site"), (packages, "checkout")):
        shutil.copytree(
            source, home / name, copy_function=_linked, ignore=shutil.ignore_patterns(".git", "__pycache__")
        )
        (home / name).chmod(0o755)
    yield "/usr/bin/python3", f"{home}/checkout:{home}/site"


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _removed(name: str) -> None:
    entry = pwd.getpwnam(name)
    Somebody(name, Path(), Path(), frozenset({entry.pw_uid, *_mapped(name)})).kill_all()
    for folder in Path("/tmp").glob(f"run-{entry.pw_uid}-*"):
        shutil.rmtree(folder)
    subprocess.run(("userdel", "--remove", name), check=False, capture_output=True)
    shutil.rmtree(entry.pw_dir, ignore_errors=True)
