"""Objects counted on MinIO's drives: each once, by the key that it needs, and none overlooked."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from core_fixtures import spec_of
from xl import deletion, meta, store, version

from kesdeploy import drives
from kesdeploy.errors import StateError
from kesdeploy.home import Home

if TYPE_CHECKING:
    from pathlib import Path

ONE, FOUR = spec_of(), spec_of(minio__drives=4)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home("fs", tmp_path)
    made.path("minio").mkdir()
    return made


def test_nothing_is_there_yet(home: Home):
    assert drives.drives(ONE, home) == ()
    assert drives.buckets(ONE, home) == ()
    assert drives.usage(ONE, home, "k1") == drives.Usage(drives.Counter())


@pytest.mark.parametrize(("available", "expected"), [(0, True), (9, True), (11, False), (900, False)])
def test_a_disk_is_full_as_minio_sees_it(home: Home, monkeypatch, available, expected):
    drive = home.path("minio")
    (drive / ".minio.sys").mkdir()
    disk = SimpleNamespace(f_blocks=1100, f_bfree=100 + available, f_bavail=available)  # 100 are root's
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    assert drives.full(ONE, home) == ((drive,) if expected else ())


def test_each_version_counts_for_the_key_it_needs(home: Home):
    minio = home.path("minio")
    store(minio, "photos", "a", meta(version("sse-kms", "k1"), version("sse-s3", "k1"), deletion()))
    store(minio, "photos", "b/c", meta(version("sse-kms", "k2")))
    store(minio, "music", "d", meta(version("sse-kms", "k1")))
    store(minio, "music", "clear", meta(version()))
    assert drives.usage(ONE, home, "k1").buckets == {"photos": 2, "music": 1}
    assert drives.usage(ONE, home, "k").objects == 0


def test_names_are_those_of_the_objects(home: Home):
    minio = home.path("minio")
    for name in ("a", "b/c", "b/c/below", "folder/", "größe 1 + 2.bin", "xl.meta.txt"):
        store(minio, "photos", name, meta(version("sse-kms", "k1")))
    found = dict(drives.objects(ONE, home, "photos"))
    assert set(found) == {"a", "b/c", "b/c/below", "folder/", "größe 1 + 2.bin", "xl.meta.txt"}
    for name in found:
        assert drives.versions(ONE, home, "photos", name)


def test_an_object_on_several_drives_counts_once(home: Home):
    for number in (1, 2, 3, 4):
        store(home.path(f"minio/d{number}"), "photos", "a", meta(version("sse-kms", "k1")))
    # A drive that was away when it was written.
    store(home.path("minio/d4"), "photos", "b", meta(version("sse-kms", "k1")))
    assert drives.buckets(FOUR, home) == ("photos",)
    assert drives.usage(FOUR, home, "k1").objects == 2


def test_a_bucket_is_no_drive(home: Home):
    """With one drive, a bucket may be called as a drive of several is, and hold folders as a drive does."""
    store(home.path("minio"), "d1", "photos/a", meta(version("sse-kms", "k1")))
    (home.path("minio") / "d1" / ".minio.sys").mkdir()
    assert drives.usage(ONE, home, "k1").buckets == {"d1": 1}


def test_a_damaged_file_on_one_drive_is_read_on_another(home: Home):
    store(home.path("minio/d1"), "photos", "a", b"XL2 damaged")
    store(home.path("minio/d2"), "photos", "a", meta(version("sse-kms", "k1")))
    assert drives.versions(FOUR, home, "photos", "a") == (drives.xlmeta.Version("", "sse-kms", "k1"),)


def test_what_cannot_be_understood_counts_when_it_names_the_key(home: Home):
    store(home.path("minio"), "photos", "a", b"XL2 \x02\x00\x00\x00 later format with k1 in it")
    assert drives.usage(ONE, home, "k1").objects == 1
    assert drives.usage(ONE, home, "k9").objects == 0


def test_an_end_to_counting(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(drives, "_CLOCK", 3)
    for number in range(10):
        store(home.path("minio"), "photos", f"a{number}", meta(version("sse-kms", "k1")))
    found = drives.usage(ONE, home, "k1", seconds=-1)
    assert (found.whole, found.objects) == (False, 2)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_drive_that_may_not_be_read(home: Home):
    file = store(home.path("minio"), "photos", "a", meta(version("sse-kms", "k1")))
    file.parent.chmod(0)
    try:
        with pytest.raises(StateError):
            drives.usage(ONE, home, "k1")
    finally:
        file.parent.chmod(0o700)


def test_what_goes_while_it_is_counted(home: Home, monkeypatch: pytest.MonkeyPatch):
    file = store(home.path("minio"), "photos", "a", meta(version("sse-kms", "k1")))
    monkeypatch.setattr(drives, "_names", lambda _: iter(["a", "b"]))
    assert drives.usage(ONE, home, "k1").objects == 1
    file.unlink()
    assert drives.usage(ONE, home, "k1").objects == 0
