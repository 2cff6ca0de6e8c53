"""The folder of a deployment, `~/minio-kes-NAME/`: where everything lies, and how it is written.

Files are replaced atomically (write, fsync, rename) and are private to their owner; a folder is mounted, never a file.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from kesdeploy import paths
from kesdeploy.errors import StateError, UsageError
from kesdeploy.files import private_folder, translated, write_private

PREFIX = "minio-kes-"
SPEC_FILE = "kesdeploy.yaml"
STATE_FILE = "state.json"
MARK = ".kesdeploy"
FINGERPRINT = "fingerprint-"
# What is on MinIO's drives and no user's: MinIO's own, and the bucket of the proof.
SYSTEM, PROOF_BUCKET = ".minio.sys", "kesdeploy-proof"
_HALF_WRITTEN = re.compile(r"\..+\.[a-z0-9_]{8}")


def parent() -> Path:
    """Where deployments live: KESDEPLOY_HOME, else the home folder. Absolute, for the engine mounts folders of it."""
    try:
        typed = paths.ours(os.environ.get("KESDEPLOY_HOME") or "~", platform=sys.platform, release=platform.release())
        found = Path(typed).expanduser().absolute()
    except RuntimeError as error:
        hint = "KESDEPLOY_HOME=DIR says where deployments are to lie"
        raise UsageError("there is no home folder for deployments", because=str(error), hint=hint) from error
    paths.refuse_unspeakable(str(found))
    return found


def deployment_of(path: Path) -> str:
    """The deployment in whose folder a path lies, there or not; empty where it lies elsewhere."""
    first = path.relative_to(parent()).parts[:1] if path.is_relative_to(parent()) else ()
    return "".join(first).removeprefix(PREFIX) if "".join(first).startswith(PREFIX) else ""


@dataclass(frozen=True)
class Home:
    """One deployment's folder."""

    name: str
    root: Path

    @classmethod
    def of(cls, name: str) -> Home:
        return cls(name, parent() / f"{PREFIX}{name}")

    @classmethod
    def all(cls) -> tuple[Home, ...]:
        """Every folder here that carries our mark, by name."""
        try:
            found = [cls(path.name.removeprefix(PREFIX), path) for path in parent().glob(f"{PREFIX}*")]
        except OSError:  # a folder that nobody may look into holds no deployment of ours
            return ()
        return tuple(sorted((home for home in found if home.ours), key=lambda home: home.name))

    @property
    def exists(self) -> bool:
        return self.root.is_dir()

    @property
    def ours(self) -> bool:
        """Whether kesdeploy made this folder. The public tutorial uses the same name."""
        # Not Path.exists: it raises where the folder belongs to somebody else.
        return os.path.exists(self.secret(MARK)) or self._state_is_ours()  # noqa: PTH110

    def _state_is_ours(self) -> bool:
        try:
            return bool(json.loads(self.state.read_bytes())["deployment"] == self.name)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return False

    @property
    def hollow(self) -> bool:
        """Whether it is here and holds at most a lock and half a mark: what a command killed at its start leaves."""
        try:
            names = {path.name for path in self.root.iterdir()} - {self.lock.name}
            inside = [path for name in names if name == "secrets" for path in self.path(name).iterdir()]
            return names <= {"secrets"} and all(path.name.startswith(f".{MARK}.") for path in inside)
        except OSError:
            return False

    @property
    def spec(self) -> Path:
        return self.root / SPEC_FILE

    @property
    def state(self) -> Path:
        return self.root / STATE_FILE

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    def path(self, relative: str) -> Path:
        return self.root / relative

    def secret(self, name: str) -> Path:
        return self.root / "secrets" / name

    @property
    def ca_cert(self) -> Path:
        return self.root / "ca" / "ca.crt"

    @property
    def ca_key(self) -> Path:
        return self.root / "ca" / "ca.key"

    def identity(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of one of our KES identities."""
        return self.secret(f"{name}.crt"), self.secret(f"{name}.key")

    def fingerprint(self, key: str) -> Path:
        """What only that very key opens."""
        return self.secret(f"{FINGERPRINT}{key}.json")

    def guarded_keys(self) -> tuple[str, ...]:
        """The keys that have a fingerprint, by name: MinIO is not started without them."""
        return tuple(file.name.removeprefix(FINGERPRINT).removesuffix(".json") for file in self.fingerprints())

    def fingerprints(self) -> list[Path]:
        return sorted(self.secret("").glob(f"{FINGERPRINT}*.json"))

    def drives(self) -> tuple[Path, ...]:
        """Every folder that may be one of MinIO's drives: `minio/` itself, or `minio/d1` and so on."""
        minio = self.root / "minio"
        return (minio, *sorted(minio.glob("d*")))

    @property
    def holds_data(self) -> bool:
        """Whether MinIO has written anything that a lost key would make unreadable."""
        return any((drive / SYSTEM / "config").exists() for drive in self.drives())

    def owner(self) -> str:
        """`uid:gid` of the folder (of the user who runs us while there is none)."""
        status = self.root.stat() if self.exists else None
        return f"{status.st_uid}:{status.st_gid}" if status else f"{os.getuid()}:{os.getgid()}"

    def prepare(self) -> None:
        """Make the folder and its mark. Everything below is private to the owner."""
        mark = self.secret(MARK)
        with translated(self.root):
            for path in (self.root, mark.parent):
                private_folder(path)
        self._refuse_without_modes(mark.parent)
        # Before all others: a folder that has them and no mark is taken for somebody else's.
        if not mark.exists():
            write_private(
                mark, b"This folder belongs to kesdeploy. Without it, encrypted objects cannot be read again.\n"
            )
        for folder in ("ca", "certs", "config"):
            self.make(folder)

    def _refuse_without_modes(self, secrets: Path) -> None:
        """On a disk of Windows, or another that knows no owners, keys would be everybody's to read."""
        with translated(secrets):
            secrets.chmod(0o700)
        if secrets.stat().st_mode & 0o077:
            raise StateError(
                f"{self.root} cannot hold keys",
                because="its disk keeps no modes of files: whoever uses this machine could read them",
                hint="KESDEPLOY_HOME=DIR, on a disk of Linux's own (in WSL: below /home, not below /mnt)",
            )

    def make(self, relative: str) -> Path:
        """A folder below, private to its owner."""
        path = self.root / relative
        with translated(path):
            private_folder(path)
        return path

    def read(self, relative: str) -> bytes | None:
        """What a file holds, or None. StateError when it is there and may not be read."""
        path = self.root / relative
        with translated(path, "read"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, relative: str, data: bytes, mode: int = 0o600) -> None:
        write_private(self.root / relative, data, mode)

    def write_spec(self, text: bytes) -> None:
        """With the mode that it has. Where it is a link, what that leads to: it may be of somebody's repository."""
        mode = self.spec.stat().st_mode & 0o777 if self.spec.is_file() else 0o644
        write_private(self.spec.resolve(), text, mode)

    def sweep(self) -> None:
        """What a kill amid a write left: files of which only the lock's holder makes any."""
        for folder in (self.root, self.path("secrets")):
            for path in folder.glob(".*.*") if folder.is_dir() else ():
                if _HALF_WRITTEN.fullmatch(path.name) and path.is_file():
                    path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Everything, for good: the lock last, because who waits for it makes the folder anew as soon as it is gone."""
        if not self.root.exists():
            return
        with translated(self.root):
            for path in self.root.iterdir():
                if path != self.lock:
                    _remove(path)
            self.lock.unlink(missing_ok=True)
            _remove_empty(self.root)

    def read_secret(self, name: str) -> str | None:
        data = self.read(f"secrets/{name}")
        try:
            return data.decode() if data is not None else None
        except UnicodeDecodeError:
            raise StateError(f"{self.secret(name)} holds no text", hint="put it back from your copy") from None

    def write_secret(self, name: str, value: str) -> None:
        self.write(f"secrets/{name}", value.encode())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove_empty(folder: Path) -> None:
    """Unless who waited for its lock has filled it by now, or removed it: then it is theirs."""
    try:
        folder.resolve().rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
            raise
    else:
        if folder.is_symlink():
            folder.unlink()


def new_password() -> str:
    """32 letters and digits: 190 bits, and nothing that a shell, MinIO's parser or mc could misread."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    while True:
        word = "".join(secrets.choice(alphabet) for _ in range(32))
        if not word.startswith("env"):
            return word


def new_user() -> str:
    """A root user that nobody guesses: advisories exist that need only the access key."""
    return "admin-" + secrets.token_hex(5)
