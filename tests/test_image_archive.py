"""The archive: what goes in, comes back, and how a copy that is not whole is found out."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest
from memory_engine import ArchivingEngine

from kesdeploy import image_archive, image_store
from kesdeploy.catalogue import catalogue, digest_of
from kesdeploy.engines import Image
from kesdeploy.errors import ImageError, UsageError
from kesdeploy.references import by_digest
from kesdeploy.report import Silent

if TYPE_CHECKING:
    from pathlib import Path

KES, MINIO = (catalogue()[name].sources[0].reference for name in ("kes", "minio"))


class Heard(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)

    warn = note


@pytest.fixture
def store(monkeypatch, kesdeploy_home) -> ArchivingEngine:
    made = ArchivingEngine()
    for module in (image_store, image_archive):
        monkeypatch.setattr(module, "open_engine", lambda *_: made)
    return made


@pytest.fixture
def saved(store, tmp_path) -> Path:
    store.known |= {r: Image(f"id-{r}", (r,), "", 1, "amd64", {}) for r in (KES, MINIO, "example.org/not-ours:1")}
    path: Path = tmp_path / "images.tar"
    image_archive.save("auto", "", path, (), Silent())
    return path


def test_all_that_is_needed_and_here_goes_in_and_comes_back(store, saved):
    report = Heard()
    saved.unlink()
    result = image_archive.save("auto", "", saved, (), report)
    assert (result.data["images"], result.data["missing"]) == ([KES, MINIO], ["mc"])
    assert report.said == [f"not here, and so not in {saved}: mc; kesdeploy images pull first"]
    store.known.clear()
    loaded = image_archive.load("auto", saved, Silent()).data
    assert (loaded["images"], loaded["checked"]) == ([KES, MINIO], True)
    assert set(store.known) == {KES, MINIO}
    assert set(store.calls) == {("close",)}


def test_what_is_there_already_stays(store, saved):
    before = saved.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        image_archive.save("auto", "", saved, (), Silent())
    assert saved.read_bytes() == before


def test_half_an_archive_never_has_its_name(store, tmp_path, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    store.known |= {r: Image(f"id-{r}", (r,), "", 1, "amd64", {}) for r in (KES, MINIO)}
    monkeypatch.setattr(image_archive, "_add_sums", interrupted)
    with pytest.raises(KeyboardInterrupt):
        image_archive.save("auto", "", tmp_path / "x.tar", (), Silent())
    assert not [path for path in tmp_path.iterdir() if "x.tar" in path.name]


def test_some_alone(store, saved, tmp_path):
    assert image_archive.save("auto", "", tmp_path / "x.tar", ["minio"], Silent()).data["images"] == [MINIO]


def test_what_is_here_by_digest_alone_gets_its_name(store, tmp_path):
    exact = by_digest(KES, digest_of("kes", catalogue()["kes"].sources[0]))
    store.known = {exact: Image(exact, (), "", 1, "amd64", {})}
    image_archive.save("auto", "", tmp_path / "x.tar", (), Silent())
    assert store.known[KES].id == exact


def test_nothing_here_is_nothing_to_save(store, tmp_path):
    with pytest.raises(ImageError) as raised:
        image_archive.save("auto", "", tmp_path / "images.tar", (), Silent())
    assert raised.value.hint == "kesdeploy images pull"
    assert not (tmp_path / "images.tar").exists()


def test_a_bit_that_fell_over_is_found_before_the_engine_gets_it(store, saved):
    body = bytearray(saved.read_bytes())
    body[body.index(b"quay.io")] ^= 1
    saved.write_bytes(body)
    store.known.clear()
    with pytest.raises(ImageError, match=r"images\.tar is damaged") as error:
        image_archive.load("auto", saved, Silent())
    assert "names" in error.value.because
    assert store.known == {}


@pytest.mark.parametrize("length", [0, 100, 1000])
def test_what_is_cut_off_is_no_archive(store, saved, length):
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(ImageError) as error:
        image_archive.load("auto", saved, Silent())
    assert error.value.because == "it is cut off, or no archive of images"


def test_a_file_that_is_gone_from_it_is_missed(store, saved, tmp_path):
    with tarfile.open(saved) as tar, tarfile.open(tmp_path / "less.tar", "w") as less:
        less.addfile(tar.getmember(image_archive.SUMS), tar.extractfile(image_archive.SUMS))
    with pytest.raises(ImageError, match="damaged"):
        image_archive.load("auto", tmp_path / "less.tar", Silent())


def test_an_archive_of_the_engines_is_loaded_and_told(store, saved, tmp_path):
    store.save((KES,), tmp_path / "plain.tar")
    report = Heard()
    assert image_archive.load("auto", tmp_path / "plain.tar", report).data["checked"] is False
    assert report.said == [f"{tmp_path}/plain.tar has no sums: kesdeploy did not write it"]


def test_what_the_engine_lost_is_told(store, saved, monkeypatch):
    store.known.clear()
    monkeypatch.setattr(store, "load", lambda _: ())
    with pytest.raises(ImageError, match="was loaded, and"):
        image_archive.load("auto", saved, Silent())


def test_an_archive_that_is_not_there_asks_no_engine(store, tmp_path):
    for path in (tmp_path / "none.tar", tmp_path):
        with pytest.raises(ImageError, match="cannot read"):
            image_archive.load("auto", path, Silent())
    assert store.calls == []
