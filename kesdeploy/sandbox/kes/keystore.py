"""Where keys are kept: the protocol, the folder, and the cache in front of either."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kesdeploy.sandbox.kes import keys
from kesdeploy.sandbox.kes.flags import Fatal

if TYPE_CHECKING:
    from kesdeploy.sandbox.kes.config import Cache
    from kesdeploy.sandbox.kes.keystore_config import FileStore, VaultStore

PAGE = 1024
PROBE = 10.0  # seconds between two looks at whether the keystore is there


class Missing(Exception):
    """No key of that name."""


class Exists(Exception):
    """A key of that name is there."""


class Unavailable(Exception):
    """The keystore refused or failed; the text is for the log only."""


class Unreachable(Unavailable):
    """The keystore cannot be used at all at the moment."""


class KeyStore(Protocol):
    """Bytes by name. Every method raises Unavailable."""

    def status(self) -> None: ...

    def create(self, name: str, value: bytes) -> None:
        """Raises Exists."""

    def get(self, name: str) -> bytes:
        """Raises Missing."""

    def delete(self, name: str) -> None:
        """Raises Missing (Vault never does)."""

    def names(self) -> list[str]: ...

    def close(self) -> None: ...


def connect(config: FileStore | VaultStore) -> KeyStore:
    """Open the keystore, log in where it has a login. Fatal when that fails."""
    from kesdeploy.sandbox.kes.keystore_config import FileStore

    if isinstance(config, FileStore):
        return Folder(config.path)
    from kesdeploy.sandbox.kes.vault import Vault

    return Vault(config)


class Folder:
    """One file a key, in KES's own format."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        if self._path.exists() and not self._path.is_dir():
            raise Fatal(f"fs: '{path}' is not a directory")
        try:
            self._path.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise Fatal(f"mkdir {path}: {(error.strerror or '').lower()}") from error

    def __str__(self) -> str:
        return f"Filesystem: {self._path}"

    def status(self) -> None:
        try:
            self._path.stat()
        except OSError as error:
            raise Unreachable(f"kes: keystore unreachable: stat {self._path}: {error.strerror}") from error

    def create(self, name: str, value: bytes) -> None:
        path = self._path / name
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError as error:
            raise Exists from error
        except OSError as error:
            raise Unavailable(f"open {path}: {error.strerror}") from error
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(value)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            path.unlink(missing_ok=True)
            raise Unavailable(f"write {path}: {error.strerror}") from error

    def get(self, name: str) -> bytes:
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError as error:
            raise Missing from error
        except OSError as error:
            raise Unavailable(f"open {self._path / name}: {error.strerror}") from error

    def delete(self, name: str) -> None:
        try:
            (self._path / name).unlink()
        except FileNotFoundError as error:
            raise Missing from error
        except OSError as error:
            raise Unavailable(f"remove {self._path / name}: {error.strerror}") from error

    def names(self) -> list[str]:
        try:
            return [p.name for p in self._path.iterdir()]
        except OSError as error:
            raise Unavailable(f"open {self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is open."""


def page(names: list[str], prefix: str) -> tuple[list[str], str]:
    """The first names that begin with `prefix`, and the name to go on from ("" at the end)."""
    found = sorted(n for n in names if n.startswith(prefix))
    return (found, "") if len(found) <= PAGE else (found[:PAGE], found[PAGE])


@dataclass
class _Entry:
    key: keys.Key
    used: float


class Cached:
    """Keys that were read once, until `config`'s times are over. While it lives it looks after the keystore."""

    def __init__(self, store: KeyStore, config: Cache) -> None:
        self.store = store
        self._config = config
        self._entries: dict[str, _Entry] = {}
        self._flushed = time.monotonic()
        self._lock = threading.Lock()
        self._offline = False
        self._closed = threading.Event()
        threading.Thread(target=self._probe, daemon=True).start()

    def status(self) -> float:
        """How long the keystore took to answer, in milliseconds. Raises Unavailable."""
        if self._offline:
            raise Unreachable("kes: keystore unreachable: keystore is offline")
        start = time.monotonic()
        self.store.status()
        return (time.monotonic() - start) * 1000

    def create(self, name: str, key: keys.Key) -> None:
        self.store.create(name, keys.encode(key))

    def get(self, name: str) -> keys.Key:
        with self._lock:
            self._expire()
            if name in self._entries:
                self._entries[name].used = time.monotonic()
                return self._entries[name].key
            try:
                key = keys.decode(self.store.get(name))
            except keys.BadKey as error:
                raise Unavailable(str(error)) from error
            self._entries[name] = _Entry(key, time.monotonic())
            return key

    def delete(self, name: str) -> None:
        self.store.delete(name)
        with self._lock:
            self._entries.pop(name, None)

    def close(self) -> None:
        self._closed.set()
        self.store.close()

    def _expire(self) -> None:
        now = time.monotonic()
        offline = self._offline and self._config.offline > 0
        limit = self._config.offline if offline else self._config.any
        if limit and now - self._flushed >= limit:
            self._entries.clear()
            self._flushed = now
        if self._config.unused and not offline:
            self._entries = {n: e for n, e in self._entries.items() if now - e.used < self._config.unused}

    def _probe(self) -> None:
        while not self._closed.wait(PROBE):
            try:
                self.store.status()
                self._offline = False
            except Unavailable:
                self._offline = True
