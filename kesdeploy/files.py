"""Files that a crash, a full disk or a curious neighbour must not harm; and what to do where one cannot be used."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.errors import StateError, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator


def write_private(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file in one step; a crash or a full disk leaves the old one. StateError when it cannot be written."""
    with translated(path):
        private_folder(path.parent)
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
        _settle(path.parent)


def _settle(folder: Path) -> None:
    """Put a rename on disk: without it, a power cut may bring the old file back."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def private_folder(path: Path) -> None:
    """Make a folder and what is missing above it, for the owner alone (`parents=True` would give those to all)."""
    for folder in (*reversed(path.parents), path):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def translated(path: Path, verb: str = "write") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unusable(error, path, verb) from error


def unusable(error: OSError, path: Path, verb: str) -> StateError:
    return StateError(f"cannot {verb} {path}", because=in_words(error), hint=_mend(error, path))


def _mend(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"free some space (`df -h {path.parent}`), then run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"`ls -ld {path.parent}` shows whose it is; KESDEPLOY_HOME=DIR puts deployments elsewhere"
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP):
        return f"`ls -ld {path.parent} {path}` shows what stands in its place: move that away, then the same command"
    return "run the same command again once that is mended"
