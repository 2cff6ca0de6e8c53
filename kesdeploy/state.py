"""`state.json`: only what neither the engine nor a file can tell. Versioned, atomic, and locked while a command writes.

generations: how often a resource's files were written; counted up *before* each writing.
mounted: which folders (device and inode) a container was started with.
loaded: the generations that a running container has read. Where the two differ, it must read again; so a crash between
writing and signalling loses nothing.
acknowledged: the security advisories that the user knows of.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the types
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from kesdeploy.errors import Locked, StateError, in_words
from kesdeploy.files import translated, unusable, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kesdeploy.home import Home
    from kesdeploy.report import Reporter

VERSION = 1


_EXACTLY = ConfigDict(strict=True, extra="forbid")


@dataclass(frozen=True)
class Pinned:
    """The image a component runs, chosen at its first `up`."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACTLY

    reference: str
    id: str
    digest: str
    version: str
    entrypoint: tuple[str, ...]


@dataclass(frozen=True)
class State:
    __pydantic_config__: ClassVar[ConfigDict] = _EXACTLY

    deployment: str
    engine: str = ""
    engine_reason: str = ""
    engine_id: str = ""
    runtime: str = ""
    sandbox: bool | None = None
    kesdeploy: str = ""
    keystore: str = ""
    images: Mapping[str, Pinned] = field(default_factory=dict)
    generations: Mapping[str, int] = field(default_factory=dict)
    loaded: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    mounted: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    acknowledged: tuple[str, ...] = ()

    def stale(self, container: str, uses: tuple[str, ...]) -> frozenset[str]:
        """Which of what a container uses it has not read in its present generation."""
        loaded = self.loaded.get(container, {})
        return frozenset(a for a in uses if self.generations.get(a, 0) != loaded.get(a, -1))


class StateFile:
    """The state on disk; `update` is safe to call from several threads."""

    def __init__(self, home: Home, value: State) -> None:
        self._home = home
        self._mutex = threading.Lock()
        self.value = value

    @classmethod
    def open(cls, home: Home) -> StateFile:
        """The state of a deployment; a fresh one where there is none. StateError when it is corrupt or too new."""
        return cls(home, _read(home))

    def update(self, change: Callable[[State], State]) -> State:
        with self._mutex:
            self.value = change(self.value)
            text = json.dumps({"version": VERSION, **asdict(self.value)}, indent=1, sort_keys=True)
            write_private(self._home.state, text.encode())
            return self.value

    def written(self, address: str) -> None:
        """A resource's files are about to be written."""
        self.update(lambda s: replace(s, generations={**s.generations, address: s.generations.get(address, 0) + 1}))

    def has_mounted(self, container: str, folders: Mapping[str, str]) -> None:
        """A container is about to be started with these folders."""
        self.update(lambda s: replace(s, mounted={**s.mounted, container: dict(folders)}))

    def has_loaded(self, container: str, uses: tuple[str, ...], as_of: State) -> None:
        """A container has read what it uses, as it was in `as_of`."""
        loaded = {address: as_of.generations.get(address, 0) for address in uses}
        self.update(lambda s: replace(s, loaded={**s.loaded, container: loaded}))


def _read(home: Home) -> State:
    try:
        text = home.state.read_text()
    except FileNotFoundError:
        return State(home.name)
    except UnicodeDecodeError as error:
        raise _corrupt(home, in_words(error)) from error
    except OSError as error:
        raise unusable(error, home.state, "read") from error
    return _parsed(home, text)


def _parsed(home: Home, text: str) -> State:
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise _corrupt(home, "it holds no mapping")
        version = document.pop("version", None)
        if type(version) is int and version > VERSION:
            raise StateError(
                f"{home.state} was written by a newer kesdeploy (format {version}; this one knows {VERSION})",
                hint="upgrade kesdeploy: pipx upgrade kesdeploy",
            )
        if version != VERSION:
            raise _corrupt(home, "it says no version" if version is None else f"version: {version!r}")
        return _adapter().validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _corrupt(home, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise _corrupt(home, "it is empty" if not text.strip() else str(error)) from error
    except RecursionError as error:
        raise _corrupt(home, "it is nested too deeply") from error


@cache
def _adapter() -> TypeAdapter[State]:
    return TypeAdapter(State)


def _corrupt(home: Home, because: str) -> StateError:
    return StateError(f"{home.state} is corrupt", because=because, hint=_recover(home))


def _recover(home: Home) -> str:
    return (
        f"mv {home.state} {home.state}.broken; then run the same command: the rest is found again from engine and files"
    )


@contextmanager
def locked(home: Home, *, timeout: float, report: Reporter, command: str) -> Iterator[None]:
    """Hold the deployment for one writing command. Waits up to `timeout` seconds, naming the holder after the first.

    Raises Locked. The lock is the kernel's: it ends with the process that holds it.
    """
    path = home.lock
    file = _acquire(path, time.monotonic() + timeout, report)
    try:
        with suppress(OSError):  # on a full disk nobody is told who holds it, and `destroy` makes room
            os.ftruncate(file, 0)
            os.pwrite(file, f"{command} (pid {os.getpid()}, since {time.strftime('%H:%M:%S')})".encode(), 0)
        home.sweep()
        yield
        os.ftruncate(file, 0)
    finally:
        if _still_there(file, path) and home.hollow:
            home.remove()
        os.close(file)


def _acquire(path: Path, deadline: float, report: Reporter) -> int:
    begun, told = time.monotonic(), False
    while (file := _try(path)) is None:
        now, holder = time.monotonic(), _holder(path)
        if now > deadline:
            hint = "wait for it, or raise --timeout"
            raise Locked("another kesdeploy command holds this deployment", because=holder, hint=hint)
        if not told and now - begun > 1 and holder:
            report.note(f"waiting for {holder}")
            told = True
        time.sleep(0.1)
    return file


def _try(path: Path) -> int | None:
    """The lock's file descriptor, or None while somebody else has it, or removes the folder."""
    with translated(path.parent):
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            if path.parent.exists():
                raise
            return None
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError:  # a file system without locks
        os.close(file)
        with translated(path, "lock"):
            raise
    if _still_there(file, path):
        return file
    os.close(file)
    return None


def _holder(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _still_there(file: int, path: Path) -> bool:
    """Whether the lock we got is still the deployment's: `destroy` removes the folder while others wait."""
    try:
        return os.fstat(file).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
