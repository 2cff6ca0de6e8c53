"""What is read out of MinIO's `xl.meta`, and what is not taken for an answer."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xl import PREFIX, deletion, meta, version

from kesdeploy import xlmeta

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("sse", "key", "shown"), [("sse-kms", "k1", "k1"), ("sse-s3", "k1", "k1"), ("sse-c", "", ""), ("", "", "")]
)
def test_each_way_of_encryption(sse, key, shown):
    (found,) = xlmeta.versions(meta(version(sse, key)))
    assert (found.id, found.sse, found.key) == ("", sse, shown)


def test_every_version_and_no_deletion():
    found = xlmeta.versions(
        meta(deletion(), version("sse-kms", "new", versioned=True), version("sse-s3", "old", versioned=True))
    )
    assert [(v.sse, v.key) for v in found] == [("sse-kms", "new"), ("sse-s3", "old")]
    assert all(len(v.id) == 36 for v in found)


def test_what_a_user_wrote_is_no_metadata():
    """An object in the clear whose own words look like encryption: its data lies in the same file."""
    words = f"{PREFIX}Kms-Sealed-Key {PREFIX}S3-Kms-Key-Id k1"
    (found,) = xlmeta.versions(meta(version(**{f"{PREFIX}Kms-Sealed-Key": "x"}), inline=words.encode()))
    assert (found.sse, found.key) == ("", "")


def test_a_big_file_is_read_as_far_as_its_metadata(tmp_path: Path):
    file = tmp_path / "xl.meta"
    many = [version("sse-kms", f"k{n}", versioned=True) for n in range(200)]
    file.write_bytes(meta(*many, inline=b"x" * 100_000))
    assert [v.key for v in xlmeta.read(file)] == [f"k{n}" for n in range(200)]


def test_the_stand_ins_own_format(tmp_path: Path):
    document = {
        "system": {f"{PREFIX}S3-Sealed-Key": "x", f"{PREFIX}S3-Kms-Key-Id": "k1"},
        "user": {"pad": "p" * 20_000},
    }
    text = json.dumps(document).encode()
    file = tmp_path / "xl.meta"
    file.write_bytes(b"KDSB1\n" + struct.pack("<I", len(text)) + text + b"data")
    assert xlmeta.read(file) == (xlmeta.Version("", "sse-s3", "k1"),)


@pytest.mark.parametrize(
    "data", [b"", b"XL2 ", b"XL2 \x01\x00\x02\x00rest", b"KDSB1\n", b"KDSB1\n\x05\x00\x00\x00{", b"{}"]
)
def test_what_is_unknown_or_damaged(data, tmp_path: Path):
    file = tmp_path / "xl.meta"
    file.write_bytes(data)
    with pytest.raises(xlmeta.Unreadable) as caught:
        xlmeta.read(file)
    assert caught.value.data == data


@given(st.integers(0, 300), st.integers(0, 255))
def test_any_damage_is_an_answer_or_unreadable(place, byte):
    whole = bytearray(meta(version("sse-kms", "k1", versioned=True), version("sse-s3", "k2")))
    whole[place % len(whole)] = byte
    try:
        found = xlmeta.versions(bytes(whole))
    except xlmeta.Unreadable:
        return
    assert all(isinstance(v.key, str) for v in found)


@given(st.integers(0, 300))
def test_a_cut_file(end):
    whole = meta(version("sse-kms", "k1"))
    if end >= whole.index(b"\xce1234"):
        return
    with pytest.raises(xlmeta.Unreadable):
        xlmeta.versions(whole[:end])
