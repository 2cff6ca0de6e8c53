"""Images between machines: what is here, what is missing, and the archive that brings it where no registry is."""

from __future__ import annotations

import pytest
from memory_engine import ArchivingEngine

from kesdeploy import image_store
from kesdeploy.catalogue import catalogue
from kesdeploy.engines import Image
from kesdeploy.errors import EngineError, ImageError

KES, SECOND, *_ = (source.reference for source in catalogue()["kes"].sources)
MINIO = catalogue()["minio"].sources[0].reference


@pytest.fixture
def store(monkeypatch) -> ArchivingEngine:
    made = ArchivingEngine()
    monkeypatch.setattr(image_store, "open_engine", lambda _: made)
    return made


def _has(store: ArchivingEngine, *references: str) -> None:
    store.known |= {r: Image(r, (r,), "", 1, "amd64", {}) for r in references}


def test_each_component_is_here_or_missing_with_where_to_look(store):
    _has(store, SECOND)
    rows = {row["component"]: row for row in image_store.listed("auto").data["images"]}
    assert set(rows) == set(catalogue())
    assert (rows["kes"]["here"], rows["minio"]["here"]) == (SECOND, "")
    assert rows["kes"]["sources"][:2] == [KES, SECOND]
    assert rows["minio"]["advisories"]
    assert store.calls == [("close",)]


def test_all_that_is_here_goes_into_one_archive_and_comes_back(store, tmp_path):
    _has(store, KES, MINIO, "example.org/not-ours:1")
    archive = tmp_path / "images.tar"
    saved = image_store.save("auto", archive).data
    assert saved == {"file": str(archive), "images": [KES, MINIO]}
    assert image_store.load("auto", archive).data == saved
    assert store.calls == [("close",), ("close",)]


def test_nothing_here_is_nothing_to_save(store, tmp_path):
    with pytest.raises(ImageError) as raised:
        image_store.save("auto", tmp_path / "images.tar")
    assert raised.value.hint == "kesdeploy images list"
    assert not (tmp_path / "images.tar").exists()
    assert store.calls == [("close",)]


def test_an_archive_that_is_not_there_asks_no_engine(store, tmp_path):
    for path in (tmp_path / "none.tar", tmp_path):
        with pytest.raises(ImageError, match="cannot read"):
            image_store.load("auto", path)
    assert store.calls == []


def test_an_engine_that_refuses_is_let_go(store, tmp_path, monkeypatch):
    def refuse(*_):
        raise EngineError("no such image")

    _has(store, KES)
    monkeypatch.setattr(store, "image", refuse)
    for call in (lambda: image_store.listed("auto"), lambda: image_store.save("auto", tmp_path / "x")):
        with pytest.raises(EngineError):
            call()
    assert store.calls == [("close",), ("close",)]
