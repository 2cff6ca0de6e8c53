"""The folder of a deployment, `~/minio-kes-NAME/`: where everything lies, and how it is written.

Files are replaced atomically (write, fsync, rename) and are private to their owner; a folder is mounted, never a file.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kesdeploy.errors import StateError

PREFIX = "minio-kes-"
SPEC_FILE = "kesdeploy.yaml"
STATE_FILE = "state.json"


def parent() -> Path:
    """Where deployments live: KESDEPLOY_HOME, else the home folder."""
    return Path(os.environ.get("KESDEPLOY_HOME") or Path.home()).expanduser()


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
        found = (cls(path.name.removeprefix(PREFIX), path) for path in parent().glob(f"{PREFIX}*"))
        return tuple(sorted((home for home in found if home.ours), key=lambda home: home.name))

    @property
    def exists(self) -> bool:
        return self.root.is_dir()

    @property
    def ours(self) -> bool:
        """Whether kesdeploy made this folder. The public tutorial uses the same name."""
        return self.state.exists() or (self.root / "secrets" / ".kesdeploy").exists()

    @property
    def spec(self) -> Path:
        return self.root / SPEC_FILE

    @property
    def state(self) -> Path:
        return self.root / STATE_FILE

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

    def owner(self) -> str:
        """`uid:gid` of the folder (of the user who runs us while there is none)."""
        status = self.root.stat() if self.exists else None
        return f"{status.st_uid}:{status.st_gid}" if status else f"{os.getuid()}:{os.getgid()}"

    def prepare(self) -> None:
        """Make the folder and its mark. Everything below is private to the owner."""
        with _translated(self.root):
            for path in (self.root, self.root / "secrets", self.root / "ca", self.root / "certs", self.root / "config"):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            mark = self.root / "secrets" / ".kesdeploy"
            if not mark.exists():
                mark.write_text("This folder belongs to kesdeploy. Without it, encrypted objects cannot be read again.\n")
                mark.chmod(0o600)

    def make(self, relative: str) -> Path:
        """A folder below, private to its owner."""
        path = self.root / relative
        with _translated(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def read(self, relative: str) -> bytes | None:
        try:
            return (self.root / relative).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, relative: str, data: bytes, mode: int = 0o600) -> None:
        write_private(self.root / relative, data, mode)

    def remove(self) -> None:
        """Everything, for good."""
        if self.root.exists():
            with _translated(self.root):
                shutil.rmtree(self.root)

    def read_secret(self, name: str) -> str | None:
        data = self.read(f"secrets/{name}")
        return data.decode() if data is not None else None

    def write_secret(self, name: str, value: str) -> None:
        self.write(f"secrets/{name}", value.encode())


def write_private(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file in one step; a crash or a full disk leaves the old one. StateError when it cannot be written."""
    with _translated(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, mode)  # noqa: PTH101 - mkstemp gives a name, not a Path
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


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


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            f"cannot write {path}",
            because=error.strerror or str(error),
            hint=_mend(error, path),
        ) from error


def _mend(error: OSError, path: Path) -> str:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"free some space (`df -h {path.parent}`), then run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"`ls -ld {path.parent}` shows whose it is; KESDEPLOY_HOME=DIR puts deployments elsewhere"
    return "run the same command again once that is mended"
