"""Buckets, and what is kept about each: when it was made, its encryption rule."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

from kesdeploy.sandbox.minio.drive import SYSTEM, Drive
from kesdeploy.sandbox.minio.encryption_rule import read_rule
from kesdeploy.sandbox.minio.errors import BAD_BUCKET, NO_BUCKET, Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.sandbox.minio.sealing import Wanted

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MINE = Refusal(
    409, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it."
)
_NOT_EMPTY = Refusal(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")


class Buckets:
    """The buckets of one drive."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._rules: dict[str, str] = {}
        self._lock = threading.Lock()

    def check(self, name: str) -> None:
        """Raises S3Error when there is no such bucket, or can't be."""
        _check_name(name)
        if not self._drive.bucket(name).is_dir():
            raise NO_BUCKET.error()

    def make(self, name: str) -> None:
        _check_name(name)
        try:
            self._drive.bucket(name).mkdir()
        except FileExistsError:
            raise _MINE.error() from None
        self._save(name, {"created": time.time(), "encryption": ""})

    def remove(self, name: str) -> None:
        self.check(name)
        try:
            self._drive.bucket(name).rmdir()
        except OSError:
            raise _NOT_EMPTY.error() from None
        shutil.rmtree(self._about(name).parent, ignore_errors=True)
        self._rules.pop(name, None)

    def all(self) -> list[tuple[str, float]]:
        """Names and times of creation."""
        names = sorted(p.name for p in self._drive.root.iterdir() if p.is_dir() and p.name != SYSTEM)
        return [(n, self._load(n)["created"]) for n in names]

    def rule_text(self, name: str) -> str:
        """The encryption rule's XML, "" when there is none."""
        with self._lock:
            if name not in self._rules:
                self._rules[name] = self._load(name)["encryption"]
            return self._rules[name]

    def rule(self, name: str) -> Wanted | None:
        text = self.rule_text(name)
        return read_rule(text.encode()) if text else None

    def set_rule(self, name: str, text: str) -> None:
        self._save(name, {**self._load(name), "encryption": text})
        with self._lock:
            self._rules[name] = text

    def _about(self, name: str) -> Path:
        return self._drive.root / SYSTEM / "buckets" / name / "metadata.json"

    def _load(self, name: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self._about(name).read_bytes()))
        except FileNotFoundError:
            return {"created": self._drive.bucket(name).stat().st_mtime, "encryption": ""}

    def _save(self, name: str, about: dict[str, Any]) -> None:
        self._drive.write_file(self._about(name), json.dumps(about).encode())


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or ".." in name:
        raise BAD_BUCKET.error()
