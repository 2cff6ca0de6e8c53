"""What the stand-in stores: every object comes back as it was, by any range, and nothing lies outside of its drive."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kesdeploy.sandbox.minio import objects, sealing
from kesdeploy.sandbox.minio.drive import INLINE, Drive, Meta
from kesdeploy.sandbox.minio.errors import Fatal, S3Error
from kesdeploy.sandbox.minio.sealing import CHUNK, Sealed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = "photos"
SAME_DRIVE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
NAMES = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=40)


@pytest.fixture
def drive(tmp_path: Path) -> Drive:
    made = Drive(str(tmp_path / "inside" / "drive"))
    made.prepare()
    made.bucket(BUCKET).mkdir()
    return made


def put(drive: Drive, name: str, content: bytes, key: bytes | None = None) -> Meta:
    sealed = Sealed(key, {sealing.KMS_SEALED: "x"}) if key else None
    return objects.put(drive, BUCKET, name, io.BytesIO(content).read, {}, sealed)


def get(drive: Drive, name: str, key: bytes | None = None, span: tuple[int, int] | None = None) -> bytes:
    meta = drive.read_meta(BUCKET, name)
    return b"".join(objects.get(drive, BUCKET, name, meta, key, span or (0, meta.size)))


def listed(drive: Drive, prefix: str = "") -> list[str]:
    return [name for name, _ in drive.names(BUCKET, prefix)]


def outside(drive: Drive) -> list[Path]:
    """Files beside the drive."""
    top = drive.root.parent.parent
    return [path for path in top.rglob("*") if path.is_file() and drive.root not in path.parents]


# --- names


@SAME_DRIVE
@given(NAMES)
@example("../../escape")
@example("a/../b")
@example("/absolute")
@example("a//b")
@example("a/")
@example("a/xl.meta")
@example("xl.meta")
@example("a__XLDIR__")
@example("a__XLDIR__/")
@example("x" * 300)
@example("größe/漢 + 2.bin")
@example("a\0b")
def test_any_name_is_kept_as_it_is_or_refused(drive, name):
    try:
        put(drive, name, b"content")
    except S3Error as error:
        told = error.status
        assert told == 400
    else:
        assert get(drive, name) == b"content"
        assert listed(drive) == [name]
        assert listed(drive, name) == [name]
        drive.delete(BUCKET, name)
    assert listed(drive) == []
    assert list(drive.bucket(BUCKET).iterdir()) == []
    assert outside(drive) == []


@SAME_DRIVE
@given(st.text(st.sampled_from("./a\\ü\0"), max_size=12))
@example("../")
@example("../../")
@example("./")
@example("/")
@example("a/../../")
def test_any_prefix_lists_only_what_begins_with_it(drive, prefix):
    put(drive, "a/b", b"1")
    put(drive, "a.b/c", b"2")
    assert listed(drive, prefix) == [name for name in ("a.b/c", "a/b") if name.startswith(prefix)]


def test_a_name_below_an_object_and_one_above(drive):
    """S3 has no folders: `a` and `a/b` are two objects."""
    put(drive, "a/b", b"below")
    put(drive, "a", b"above")
    assert (get(drive, "a"), get(drive, "a/b"), listed(drive)) == (b"above", b"below", ["a", "a/b"])
    drive.delete(BUCKET, "a")
    assert listed(drive) == ["a/b"]


@pytest.mark.parametrize("name", ["nothing", "a", "a/nothing", "a/b/c"])
def test_what_is_not_there_is_no_such_key(drive, name):
    put(drive, "a/b", b"1")
    with pytest.raises(S3Error) as raised:
        drive.read_meta(BUCKET, name)
    assert (raised.value.status, raised.value.code) == (404, "NoSuchKey")
    drive.delete(BUCKET, name)
    assert listed(drive) == ["a/b"]


# --- bytes

SIZES = st.sampled_from([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, INLINE - 1, INLINE, INLINE + 1, 3 * CHUNK, 5 * CHUNK + 7])
KEYS = st.none() | st.binary(min_size=32, max_size=32)


@SAME_DRIVE
@given(SIZES, KEYS, st.data())
def test_any_range_of_any_size_comes_back(drive, size, key, data):
    content = bytes(n * 7 % 251 for n in range(size))
    meta = put(drive, "object", content, key)
    assert meta.size == size
    assert get(drive, "object", key) == content
    start = data.draw(st.integers(0, size))
    end = data.draw(st.integers(start, size))
    assert get(drive, "object", key, (start, end)) == content[start:end]


@SAME_DRIVE
@given(SIZES.filter(bool), st.binary(min_size=32, max_size=32))
def test_what_is_encrypted_lies_nowhere_in_the_clear(drive, size, key):
    content = (b"the same words again and again " * (size // 30 + 1))[:size]
    put(drive, "object", content, key)
    if size > 16:
        assert not any(content[:16] in path.read_bytes() for path in drive.root.rglob("*") if path.is_file())
    with pytest.raises(S3Error):
        get(drive, "object", bytes(32) if key != bytes(32) else b"1" * 32)


def changes(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    for place in (4, len(content) // 2, len(content) - 1):
        yield content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_a_byte_that_was_changed_on_disk_is_noticed(drive):
    key = b"k" * 32
    put(drive, "object", b"x" * (INLINE + 1), key)
    (part,) = drive.bucket(BUCKET).rglob("part.1")
    good = part.read_bytes()
    for bad in changes(part):
        part.write_bytes(bad)
        with pytest.raises(S3Error, match="changed on the disk"):
            get(drive, "object", key)
    part.write_bytes(good)
    assert get(drive, "object", key) == b"x" * (INLINE + 1)


def test_writing_again_leaves_nothing_of_the_first(drive):
    put(drive, "object", b"x" * (INLINE + 1))
    put(drive, "object", b"short")
    assert get(drive, "object") == b"short"
    assert [path.name for path in drive.bucket(BUCKET).rglob("*") if path.is_file()] == ["xl.meta"]


# --- the drive itself


def test_a_drive_of_the_real_server_is_not_touched(tmp_path):
    mark = tmp_path / ".minio.sys" / "format.json"
    mark.parent.mkdir()
    mark.write_text(json.dumps({"version": "1", "format": "xl-single", "id": "x"}))
    with pytest.raises(Fatal, match="holds data of format 'xl-single'"):
        Drive(str(tmp_path)).prepare()
    assert [path.name for path in tmp_path.rglob("*")] == [".minio.sys", "format.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "7"])
def test_a_drive_whose_mark_is_damaged_ends_in_words(tmp_path, text):
    (tmp_path / ".minio.sys").mkdir()
    (tmp_path / ".minio.sys" / "format.json").write_text(text)
    with pytest.raises(Fatal, match="Unable to initialize backend"):
        Drive(str(tmp_path)).prepare()


def test_what_a_kill_left_half_written_is_swept(drive):
    (drive.tmp / "half").write_bytes(b"x")
    put(drive, "object", b"whole")
    again = Drive(str(drive.root))
    again.prepare()
    assert list(again.tmp.iterdir()) == []
    assert get(again, "object") == b"whole"


def test_a_refusal_that_is_repeated_keeps_nothing_of_the_last(drive):
    """Clients ask for what is not there all day long: nothing of their requests may stay in memory."""
    for _ in range(3):
        with pytest.raises(S3Error) as raised:
            drive.read_meta(BUCKET, "nothing")
    depth, trace = 0, raised.value.__traceback__
    while trace:
        depth, trace = depth + 1, trace.tb_next
    assert depth < 5
