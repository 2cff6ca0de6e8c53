"""A root file system as a tar, written file by file: what a static or a dynamic program needs, and nothing else."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self

from kesdeploy.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

_ETC = {
    "/etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",  # without it glibc asks the DNS before /etc/hosts
}
_NEVER = (".a", ".opt-1.pyc", ".opt-2.pyc", ".pyi", ".exe")
_LDD = re.compile(r"(?:=>\s*)?(/\S+)\s+\(0x[0-9a-f]+\)")


class RootFs:
    """A tar that is being written. Everything in it belongs to root and is readable by all."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._there: set[str] = set()

    def __enter__(self) -> Self:
        self.folder("/tmp", mode=0o1777)  # noqa: S108
        for path, text in _ETC.items():
            self.text(path, text)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()

    def folder(self, path: str, *, mode: int = 0o755) -> None:
        if path in ("", "/") or path in self._there:
            return
        self.folder(str(PurePosixPath(path).parent))
        self._there.add(path)
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(entry)

    def text(self, path: str, text: str, *, mode: int = 0o644) -> None:
        self.bytes(path, text.encode(), mode=mode)

    def bytes(self, path: str, content: bytes, *, mode: int = 0o644, mtime: float = 0.0) -> None:
        if self._new(path):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode, entry.mtime = len(content), mode, mtime
            self._tar.addfile(entry, io.BytesIO(content))

    def file(self, source: Path, path: str) -> None:
        """A copy of `source` (what it points to, when it is a link)."""
        if self._new(path):
            about = source.stat()
            entry = tarfile.TarInfo(path.lstrip("/"))
            # The time is kept, because compiled Python files are valid for one time of their source alone.
            entry.size, entry.mtime = about.st_size, int(about.st_mtime)
            entry.mode = 0o755 if about.st_mode & 0o111 else 0o644
            with source.open("rb") as stream:
                self._tar.addfile(entry, stream)

    def tree(self, source: Path, path: str, skip: Iterable[str] = ()) -> list[Path]:
        """A folder with all in it but what is named in `skip`. Gives the shared libraries among its files."""
        libraries = []
        skipped = frozenset(skip)
        for folder, folders, files in os.walk(source):
            folders[:] = sorted(f for f in folders if f not in skipped)
            for name in sorted(f for f in files if f not in skipped and not f.endswith(_NEVER)):
                file = Path(folder, name)
                self.file(file, f"{path}/{file.relative_to(source).as_posix()}")
                libraries += [file] if ".so" in name else []
        return libraries

    def _new(self, path: str) -> bool:
        if path in self._there:
            return False
        self.folder(str(PurePosixPath(path).parent))
        self._there.add(path)
        return True


def libraries(files: Iterable[Path]) -> set[Path]:
    """The loader and the shared libraries that these files need, under the paths where they will be looked for."""
    try:
        found = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise ImageError("The sandbox images cannot be built", because=f"ldd: {error}") from error
    missing = re.findall(r"(\S+) => not found", found.stdout)
    if missing:
        raise ImageError("The sandbox images cannot be built", because=f"libraries not found: {', '.join(missing)}")
    return {Path(p) for p in _LDD.findall(found.stdout)}
