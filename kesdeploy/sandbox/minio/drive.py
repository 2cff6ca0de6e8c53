"""Objects on disk: `<drive>/<bucket>/<object>/xl.meta`, data beside it in `<id>/part.N` unless it is small.

`xl.meta` is not the real format: a magic word, the length of a JSON document, the document, small data. The names in
it are the real ones. What is written is written beside, synced, and renamed, so a killed server loses nothing that it
confirmed.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy.sandbox.minio.errors import BAD_OBJECT, NO_KEY, Fatal, S3Error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC = b"KDSB1\n"
SYSTEM = ".minio.sys"
INLINE = 128 * 1024
FORMAT = "kesdeploy-sandbox"
_FOLDER = "__XLDIR__"  # stands for the `/` at the end of a name
_LONGEST, _LONGEST_WORD = 1024, 255  # bytes; S3's and the file system's


def _is_bad(word: str) -> bool:
    """Whether no file system should see this part of a name, or the drive needs it for itself."""
    ours = word == "xl.meta" or word.endswith(_FOLDER)
    too_long = len(word.encode(errors="surrogatepass")) > _LONGEST_WORD - len(_FOLDER)
    return word in ("", ".", "..") or "\0" in word or ours or too_long


@dataclass(frozen=True)
class Part:
    """`size` is in bytes on disk, `actual` in bytes of the object."""

    number: int
    size: int
    actual: int


@dataclass(frozen=True)
class Meta:
    """What is known of an object. `modified` is in seconds since 1970; `data` is the parts' folder, "" when inline."""

    size: int
    etag: str
    modified: float
    parts: tuple[Part, ...]
    user: dict[str, str] = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)
    data: str = ""


class Drive:
    """One folder. Buckets are its folders but `.minio.sys`."""

    def __init__(self, root: str) -> None:
        self.root = Path(root)
        self.tmp = self.root / SYSTEM / "tmp"

    def prepare(self) -> None:
        """Make or check the drive. Fatal when it is not writable, or holds a real MinIO's data."""
        mark = self.root / SYSTEM / "format.json"
        try:
            if mark.exists():
                self._check(json.loads(mark.read_bytes()))
            for folder in ("tmp", "multipart", "buckets", "config"):
                (self.root / SYSTEM / folder).mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self.tmp)
            self.tmp.mkdir()
            if not mark.exists():
                self.write_file(mark, json.dumps({"version": "1", "format": FORMAT, "id": str(uuid.uuid4())}).encode())
        except (OSError, ValueError) as error:
            raise Fatal(f"Unable to initialize backend: {error}") from error

    def _check(self, found: Any) -> None:
        kind = found.get("format") if isinstance(found, dict) else None
        if kind != FORMAT:
            why = f"{self.root} holds data of format '{kind}', which is not the stand-in's"
            raise Fatal(f"Unable to initialize backend: {why}")

    def bucket(self, name: str) -> Path:
        return self.root / name

    def folder(self, bucket: str, name: str) -> Path:
        """Where an object lives. Raises S3Error for names that no file system should see."""
        words = name.removesuffix("/").split("/")
        if any(_is_bad(word) for word in words) or len(name.encode()) > _LONGEST:
            raise BAD_OBJECT.error()
        return self.bucket(bucket).joinpath(*words[:-1], words[-1] + _FOLDER if name.endswith("/") else words[-1])

    def write_file(self, path: Path, content: bytes) -> None:
        """Replace a file at once or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.tmp / str(uuid.uuid4())
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)

    def write_part(self, path: Path, blocks: Iterable[bytes]) -> int:
        """Write a part beside its place; the number of bytes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for block in blocks:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def read_meta(self, bucket: str, name: str) -> Meta:
        """Raises S3Error (NoSuchKey)."""
        return self._meta(self.folder(bucket, name))

    def _meta(self, folder: Path) -> Meta:
        try:
            with (folder / "xl.meta").open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    raise NO_KEY.error()
                (length,) = struct.unpack("<I", file.read(4))
                found = json.loads(file.read(length))
        except (FileNotFoundError, NotADirectoryError):
            raise NO_KEY.error() from None
        parts = tuple(Part(**p) for p in found.pop("parts"))
        return Meta(parts=parts, **found)

    def read(self, bucket: str, name: str, meta: Meta, part: Part, start: int, end: int) -> Iterator[bytes]:
        """Stored bytes of one part, from `start` up to `end`, in blocks."""
        folder = self.folder(bucket, name)
        path = folder / meta.data / f"part.{part.number}" if meta.data else folder / "xl.meta"
        with path.open("rb") as file:
            offset = 0
            if not meta.data:
                file.seek(len(MAGIC))
                offset = len(MAGIC) + 4 + struct.unpack("<I", file.read(4))[0]
            file.seek(offset + start)
            while start < end and (block := file.read(min(1 << 20, end - start))):
                start += len(block)
                yield block

    def commit(self, bucket: str, name: str, meta: Meta, *, inline: bytes = b"", parts: Path | None = None) -> None:
        """Make an object visible in place of what was there. `parts` is a folder that moves to its place."""
        folder = self.folder(bucket, name)
        old = self._data_of(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (NotADirectoryError, FileExistsError):
            raise BAD_OBJECT.error() from None
        if parts is not None:
            parts.rename(folder / meta.data)
        document = json.dumps(asdict(meta)).encode()
        self.write_file(folder / "xl.meta", MAGIC + struct.pack("<I", len(document)) + document + inline)
        if old:
            shutil.rmtree(folder / old, ignore_errors=True)

    def _data_of(self, folder: Path) -> str:
        try:
            return self._meta(folder).data
        except S3Error:
            return ""

    def delete(self, bucket: str, name: str) -> None:
        """Remove an object, and the folders that only it needed. No error when it is not there."""
        folder = self.folder(bucket, name)
        old = self._data_of(folder)
        (folder / "xl.meta").unlink(missing_ok=True) if folder.is_dir() else None
        if old:
            shutil.rmtree(folder / old, ignore_errors=True)
        while folder != self.bucket(bucket):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _marker(self, bucket: str, prefix: str) -> list[tuple[str, Meta]]:
        """The object that is called exactly `a/`: it lies beside the folder `a`, not in it."""
        try:
            return [(prefix, self.read_meta(bucket, prefix))] if prefix.endswith("/") else []
        except S3Error:
            return []

    def names(self, bucket: str, prefix: str) -> Iterator[tuple[str, Meta]]:
        """Every object whose name begins with `prefix`, in the order of names."""
        above = prefix.split("/")[:-1]
        if any(_is_bad(word) for word in above):  # no object is called so, and `..` would leave the bucket
            return
        top = self.bucket(bucket).joinpath(*above)
        found = self._marker(bucket, prefix)
        for folder, folders, files in os.walk(top):
            if "xl.meta" not in files:
                continue
            meta = self._meta(Path(folder))
            folders[:] = [f for f in folders if f != meta.data]
            name = Path(folder).relative_to(self.bucket(bucket)).as_posix()
            name = name.removesuffix(_FOLDER) + "/" if name.endswith(_FOLDER) else name
            if name.startswith(prefix):
                found.append((name, meta))
        yield from sorted(found, key=lambda pair: pair[0].encode())
