"""A deployment in memory whose KES and MinIO have all that the commands on keys and buckets ask of them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core_fixtures import Keys, Store, World, _Door, world
from xl import meta, store, version

from kesdeploy import deploy, pki
from kesdeploy.clients.batch import Report
from kesdeploy.clients.minio import Head
from kesdeploy.errors import ServiceError
from kesdeploy.opening import Wish
from kesdeploy.report import Silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pytest

    from kesdeploy.home import Home
    from kesdeploy.spec import Spec

STRANGER = "f" * 64
HEADS = {"sse-kms": "aws:kms", "sse-s3": "AES256"}


@dataclass
class FullKeys(Keys):
    """A KES that lists, imports and deletes."""

    imported: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    deny: set[str] = field(default_factory=set)
    """Operations that are 403."""
    fail: dict[str, ServiceError] = field(default_factory=dict)
    undeleted: set[str] = field(default_factory=set)
    """Keys of which KES says that they were deleted, and that stay."""

    def door(self, _: Spec, home: Home, *, identity: str = "operator", timeout: float = 1) -> FullDoor:
        return FullDoor(self, identity, home)


@dataclass
class FullDoor(_Door):
    kes: FullKeys
    home: Home

    def _may(self, what: str) -> None:
        self.ready()
        if what in self.kes.deny:
            raise ServiceError("KES refuses", because="not authorized: insufficient permissions", status=403)
        if what in self.kes.fail:
            raise self.kes.fail[what]

    def describe_key(self, name: str) -> dict[str, Any]:
        self._may("describe")
        found = super().describe_key(name)
        return {"algorithm": "AES256", "created_at": "2026-06-01T12:00:00Z", **found}

    def create_key(self, name: str) -> bool:
        self._may("create")
        certificate = self.home.read(f"secrets/{self.identity}.crt")
        self.kes.about[name] = {"created_by": pki.identity(certificate) if certificate else ""}
        return super().create_key(name)

    def import_key(self, name: str, key: bytes, cipher: str) -> None:
        self.create_key(name)
        self.kes.keys[name] = key
        self.kes.imported[name] = (key, cipher)

    def delete_key(self, name: str) -> None:
        failed = self.kes.fail.get("delete")
        if name not in self.kes.undeleted and (failed is None or failed.status == 502):
            self._key(name)
            del self.kes.keys[name]
        self._may("delete")

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        self._may("list")
        yield from sorted(name for name in self.kes.keys if name.startswith(prefix))

    def encrypt(self, name: str, plaintext: bytes, context: bytes = b"") -> bytes:
        self._may("encrypt")
        return b"|".join((self._key(name).hex().encode(), context, plaintext.hex().encode()))


@dataclass
class Objects:
    """Objects by bucket, name and version: how each is encrypted, and with which key."""

    drive: Path
    found: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    away: bool = False
    """Whether MinIO's drives are on another machine."""

    def put(self, bucket: str, name: str, sse: str = "sse-kms", key: str = "") -> None:
        self.found[bucket, name, ""] = (sse, key)
        if not self.away:
            store(self.drive, bucket, name, meta(version(sse, key)))

    def rotate(self, bucket: str, key: str, but: Iterable[str] = ()) -> None:
        for (where, name, _), (sse, _) in tuple(self.found.items()):
            if where == bucket and sse == "sse-kms" and name not in but:
                self.put(bucket, name, sse, key)


@dataclass
class FullStore(Store):
    """A MinIO with a listing, HEAD of what was stored, and batch jobs."""

    here: Objects | None = None
    stuck: set[str] = field(default_factory=set)
    """Objects that no job gives another key."""
    jobs: dict[str, tuple[str, str]] = field(default_factory=dict)
    reports: list[Report | None] = field(default_factory=list)
    begun: int = 0
    versioned: bool = False

    def has_versions(self, _: str) -> bool:
        return self.versioned

    def door(self, spec: Spec, home: Home, *, timeout: float = 1, login: tuple[str, str] | None = None) -> FullStore:
        super().door(spec, home)
        self.here = self.here or Objects(home.path("minio"))
        return self

    def _asked(self) -> None:
        if self.silent:
            raise ServiceError("MinIO does not answer", because="connection refused")

    def key_status(self, key: str) -> Any:
        self._asked()
        return super().key_status(key)

    def buckets(self) -> list[str]:
        self._asked()
        return sorted(self.rules)

    def remove(self, bucket: str, name: str) -> None:
        super().remove(bucket, name)
        assert self.root
        shutil.rmtree(self.root / bucket / name)

    def versions(self, bucket: str, prefix: str = "") -> Iterator[tuple[str, str]]:
        assert self.here
        yield from ((n, v) for b, n, v in sorted(self.here.found) if b == bucket and n.startswith(prefix))

    def head(self, bucket: str, name: str, version: str = "") -> Head:
        if self.here and (bucket, name, version) in self.here.found:
            sse, key = self.here.found[bucket, name, version]
            if sse == "sse-c":
                raise ServiceError(
                    "no", because="InvalidRequest: the object was stored with a client's key", status=400
                )
            return Head(HEADS.get(sse, sse), key if sse == "sse-kms" else "", 5)
        if (bucket, name) not in self.objects:
            raise ServiceError("no such object", status=404)
        return super().head(bucket, name)


class Jobs:
    """Batch jobs, as the client has them."""

    def __init__(self, minio: FullStore) -> None:
        self.minio = minio

    def rotate(self, bucket: str, key: str, prefix: str = "") -> str:
        self.minio.begun += 1
        job = f"job-{self.minio.begun}"
        self.minio.jobs[job] = (bucket, key)
        assert self.minio.here
        self.minio.here.rotate(bucket, key, self.minio.stuck)
        return job

    def report(self, _: str) -> Report | None:
        return self.minio.reports.pop(0) if self.minio.reports else Report(True, 1, 0)

    def drop(self, job: str) -> None:
        self.minio.jobs.pop(job, None)


def key_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, images: str = "release") -> World:
    """One that is up, on files of its own."""
    made = world(tmp_path, monkeypatch)
    made.kes, made.store = FullKeys(), FullStore()
    made.rewire(monkeypatch)
    monkeypatch.setattr("kesdeploy.buckets.rewrapping.Jobs", Jobs)
    made.command_line(monkeypatch)
    deploy.up(Wish("up", "fs", overrides={"keystore.fs": {}, "images.source": images}, timeout=2), Silent())
    (made.home.path("minio") / ".minio.sys").mkdir(parents=True, exist_ok=True)
    return made
