"""Objects as they lie on MinIO's drives, which are folders of ours: which key each needs, without asking anybody.

It works while MinIO or KES do not, and tells what HEAD does not: the key of an object under SSE-S3.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy import xlmeta
from kesdeploy.files import translated
from kesdeploy.home import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kesdeploy.home import Home
    from kesdeploy.spec import Spec

META = "xl.meta"
# Ends the folder of an object whose name ends with a slash.
_FOLDER = "__XLDIR__"
FILLED = 0.99  # of a disk, as far as MinIO fills it
_CLOCK = 500  # objects between two looks at the clock


@dataclass(frozen=True)
class Usage:
    """Objects that need a key, by bucket, each version for itself. `whole`: all were looked at, not only some."""

    buckets: Counter[str]
    whole: bool = True

    @property
    def objects(self) -> int:
        return self.buckets.total()


def drives(spec: Spec, home: Home) -> tuple[Path, ...]:
    """Those that are here: none when nothing was stored yet, or MinIO's folder is on another machine."""
    minio, count = home.path("minio"), spec.minio.drives
    # Of one drive, `d1` may be a bucket.
    places = (minio,) if count == 1 else tuple(minio / f"d{number}" for number in range(1, count + 1))
    return tuple(place for place in places if (place / SYSTEM).is_dir())


def full(spec: Spec, home: Home) -> tuple[Path, ...]:
    """Those whose disk has less than a hundredth free: MinIO takes no object then (its hasSpaceFor)."""

    def left(drive: Path) -> float:
        disk = os.statvfs(drive)
        usable = disk.f_blocks - disk.f_bfree + disk.f_bavail
        return disk.f_bavail / usable if usable else 1

    return tuple(drive for drive in drives(spec, home) if left(drive) <= 1 - FILLED)


def buckets(spec: Spec, home: Home) -> tuple[str, ...]:
    """The names of all buckets, in order."""
    found = {entry.name for drive in drives(spec, home) for entry in os.scandir(drive) if entry.is_dir()}
    return tuple(sorted(name for name in found if not name.startswith(".")))


def objects(spec: Spec, home: Home, bucket: str) -> Iterator[tuple[str, Path]]:
    """Every object of a bucket, once: its name and its `xl.meta` on the first drive that has it."""
    seen: set[str] = set()
    for drive in drives(spec, home):
        root = drive / bucket
        for name in _names(root):
            if name not in seen:
                seen.add(name)
                yield name, _meta(root, name)


def _names(root: Path) -> Iterator[str]:
    with translated(root, "read"):
        for folder, _, files in os.walk(root, onerror=_unless_gone):
            if META in files:
                name = Path(folder).relative_to(root).as_posix()
                yield f"{name.removesuffix(_FOLDER)}/" if name.endswith(_FOLDER) else name


def _unless_gone(error: OSError) -> None:
    """MinIO may be running, and remove what was just listed."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _meta(root: Path, name: str) -> Path:
    return root.joinpath(*(f"{name[:-1]}{_FOLDER}" if name.endswith("/") else name).split("/"), META)


def versions(spec: Spec, home: Home, bucket: str, name: str) -> tuple[xlmeta.Version, ...] | None:
    """An object's versions; None where no drive that is here tells them."""
    for drive in drives(spec, home):
        try:
            return xlmeta.read(_meta(drive / bucket, name))
        except (OSError, xlmeta.Unreadable):
            continue
    return None


def usage(spec: Spec, home: Home, key: str, *, seconds: float = float("inf")) -> Usage:
    """What needs a key. StateError where a drive may not be read; `seconds`: after these, what was found so far.

    A file that cannot be understood counts when the key's name stands in it: it must not be thought unneeded.
    """
    found, looked, deadline = Counter[str](), 0, time.monotonic() + seconds
    for bucket in buckets(spec, home):
        for _, meta in objects(spec, home, bucket):
            looked += 1
            if looked % _CLOCK == 0 and time.monotonic() > deadline:
                return Usage(found, whole=False)
            if count := _needing(meta, key):
                found[bucket] += count
    return Usage(found)


def _needing(meta: Path, key: str) -> int:
    with translated(meta, "read"):
        try:
            return sum(version.key == key for version in xlmeta.read(meta))
        except FileNotFoundError:
            return 0
        except xlmeta.Unreadable as error:
            return int(key.encode() in error.data)
