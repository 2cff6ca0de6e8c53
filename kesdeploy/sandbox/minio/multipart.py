"""Uploads in parts: kept under `.minio.sys/multipart` until they are one object."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kesdeploy.sandbox.minio import objects, sealing
from kesdeploy.sandbox.minio.drive import SYSTEM, Drive, Meta, Part
from kesdeploy.sandbox.minio.errors import BAD_PART, NO_UPLOAD, TOO_SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.sandbox.minio.kms import Kms
    from kesdeploy.sandbox.minio.objects import Read
    from kesdeploy.sandbox.minio.sealing import Sealed

MIN_PART = 5 << 20
_MULTIPART = "X-Minio-Internal-Encrypted-Multipart"


@dataclass(frozen=True)
class Upload:
    """An upload that was begun."""

    folder: Path
    bucket: str
    name: str
    user: dict[str, str]
    system: dict[str, str]


def begin(drive: Drive, bucket: str, name: str, user: dict[str, str], sealed: Sealed | None) -> str:
    """The upload's id."""
    upload = str(uuid.uuid4())
    system = {**sealed.meta, _MULTIPART: ""} if sealed else {}
    about = {"bucket": bucket, "name": name, "user": user, "system": system}
    drive.write_file(_folder(drive, bucket, name, upload) / "upload.json", json.dumps(about).encode())
    return upload


def find(drive: Drive, bucket: str, name: str, upload: str) -> Upload:
    """Raises S3Error (NoSuchUpload)."""
    folder = _folder(drive, bucket, name, upload)
    try:
        about = json.loads((folder / "upload.json").read_bytes())
    except OSError:
        raise NO_UPLOAD.error() from None
    return Upload(folder, about["bucket"], about["name"], about["user"], about["system"])


def put_part(drive: Drive, kms: Kms | None, upload: Upload, number: int, read: Read) -> str:
    """Store one part in place of an earlier one of that number; its ETag."""
    meta = Meta(0, "", 0.0, (), {}, upload.system)
    key = objects.key_of(kms, meta, upload.bucket, upload.name)
    done = objects.write(drive, read, key, number, allow_inline=False)
    etag = done.md5.hex()
    if sealing.kind(upload.system) == "KMS":
        etag = hashlib.sha256(done.md5 + (key or b"")).hexdigest()[:32]
    if done.file is None:
        raise AssertionError
    done.file.rename(upload.folder / f"part.{number}")
    done.file.parent.rmdir()
    about = {"size": done.size, "actual": done.actual, "etag": etag, "modified": time.time()}
    drive.write_file(upload.folder / f"part.{number}.json", json.dumps(about).encode())
    return etag


def parts(upload: Upload) -> dict[int, dict[str, Any]]:
    found = {int(p.name.split(".")[1]): json.loads(p.read_bytes()) for p in upload.folder.glob("part.*.json")}
    return dict(sorted(found.items()))


def complete(drive: Drive, upload: Upload, wanted: list[tuple[int, str]]) -> Meta:
    """Make one object of the parts named, in that order. Raises S3Error."""
    have = parts(upload)
    for number, etag in wanted:
        if number not in have or have[number]["etag"] != etag.strip('"'):
            raise BAD_PART.error()
    if not wanted or any(have[n]["actual"] < MIN_PART for n, _ in wanted[:-1]):
        raise (TOO_SMALL if wanted else BAD_PART).error()
    digest = hashlib.md5(b"".join(bytes.fromhex(have[n]["etag"]) for n, _ in wanted), usedforsecurity=False)
    chosen = tuple(Part(n, have[n]["size"], have[n]["actual"]) for n, _ in wanted)
    for path in upload.folder.iterdir():
        if path.name not in {f"part.{p.number}" for p in chosen}:
            path.unlink()
    size, etag, data = sum(p.actual for p in chosen), f"{digest.hexdigest()}-{len(chosen)}", str(uuid.uuid4())
    meta = Meta(size, etag, time.time(), chosen, upload.user, upload.system, data)
    drive.commit(upload.bucket, upload.name, meta, parts=upload.folder)
    return meta


def abort(upload: Upload) -> None:
    shutil.rmtree(upload.folder, ignore_errors=True)


def listing(drive: Drive, bucket: str) -> list[tuple[str, str, float]]:
    """Uploads of a bucket: object, id, time."""
    found = []
    for path in sorted((drive.root / SYSTEM / "multipart").glob("*/*/upload.json")):
        about = json.loads(path.read_bytes())
        if about["bucket"] == bucket:
            found.append((about["name"], path.parent.name, path.stat().st_mtime))
    return found


def _folder(drive: Drive, bucket: str, name: str, upload: str) -> Path:
    drive.folder(bucket, name)  # refuses names that no file system should see
    try:
        known = str(uuid.UUID(upload))
    except ValueError:
        raise NO_UPLOAD.error() from None
    home = hashlib.sha256(f"{bucket}/{name}".encode()).hexdigest()
    return drive.root / SYSTEM / "multipart" / home / known
