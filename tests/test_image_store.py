"""What is here, who asks for it and what is missing; pulling what is."""

from __future__ import annotations

import pytest
from core_fixtures import World, world
from memory_engine import ArchivingEngine

from kesdeploy import choosing, image_store
from kesdeploy.catalogue import catalogue
from kesdeploy.engines import Image
from kesdeploy.errors import EngineError, ImageError, UsageError
from kesdeploy.report import Silent

KES, SECOND, *_ = (source.reference for source in catalogue()["kes"].sources)
MINIO = catalogue()["minio"].sources[0].reference


@pytest.fixture
def store(monkeypatch, kesdeploy_home) -> ArchivingEngine:
    made = ArchivingEngine()
    monkeypatch.setattr(image_store, "open_engine", lambda *_: made)
    return made


def _has(store: ArchivingEngine, *references: str, digest: str = "") -> None:
    store.known |= {r: Image(f"id-{r}", (r,), digest, 7, "amd64", {}) for r in references}


def _rows(name: str = "") -> dict[str, dict]:
    return {row["component"]: row for row in image_store.listed("auto", name).data["images"]}


def test_each_component_is_here_or_missing_with_where_to_look(store):
    _has(store, SECOND)
    rows = _rows()
    assert set(rows) == set(catalogue())
    assert (rows["kes"]["here"], rows["minio"]["here"]) == (SECOND, "")
    assert rows["kes"]["sources"][:2] == [KES, SECOND]
    assert {"GHSA-3rh2-v3gr-35p9"} < {advisory["id"] for advisory in rows["minio"]["advisories"]}
    assert [name for name, row in rows.items() if row["needed"]] == ["kes", "minio", "mc"]
    assert store.calls == [("close",)]


@pytest.mark.parametrize(("digest", "published"), [(catalogue()["kes"].digests[0].digest, True), ("sha256:00", False)])
def test_whether_it_is_the_published_one(store, digest, published):
    _has(store, KES, digest=digest)
    row = _rows()["kes"]
    assert (row["published"], row["digest"], row["size"], row["certainty"]) == (published, digest, 7, "good")
    assert _rows()["minio"]["published"] is None


def test_who_asks_is_told(store, monkeypatch, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("minio: [{reference: 'f.example/minio:3'}]")
    monkeypatch.setenv("KESDEPLOY_IMAGES", str(file))
    monkeypatch.setenv("KESDEPLOY_IMAGE_KES", "e.example/kes:2")
    rows = _rows()
    asked = {name: (rows[name]["asked_by"], rows[name]["version"]) for name in ("kes", "minio", "mc")}
    assert asked["kes"] == ("KESDEPLOY_IMAGE_KES", "2")
    assert asked["minio"] == (str(file), "3")
    assert asked["mc"][0] == "catalogue"


def test_what_is_missing_is_pulled_and_one_that_cannot_be_had_keeps_back_nobody(store, monkeypatch):
    def pull(engine, ask, pull, report):
        if ask.component.name == "minio":
            raise ImageError("The image of MinIO is not in the local store, and could not be pulled", hint="elsewhere")
        return ask.sources[0], Image("new", (), "", 1, "amd64", {})

    monkeypatch.setattr("kesdeploy.images.obtain", pull)
    _has(store, KES)
    result = image_store.pull("auto", "", (), Silent())
    assert [(row["component"], row["pulled"]) for row in result.data["images"]] == [("kes", False), ("mc", True)]
    assert (result.ok, result.exit_code, len(result.problems)) == (False, 4, 1)
    assert result.problems[0].hint == "elsewhere"
    assert image_store.pull("auto", "", ["kes"], Silent(), again=True).data["images"][0]["pulled"]
    with pytest.raises(UsageError) as error:
        image_store.pull("auto", "", ["kess"], Silent())
    assert error.value.hint.startswith("one of: kes, minio")


def test_a_deployment_has_its_own_wishes(tmp_path, monkeypatch):
    here: World = world(tmp_path, monkeypatch)
    here.command_line(monkeypatch)
    here.home.prepare()
    monkeypatch.setattr(image_store, "open_engine", lambda *_: here.engine)
    here.want(images__minio="s.example/minio:9")
    choosing.choose(here.deployment)
    here.home.write("kesdeploy.yaml", here.spec.text().encode(), 0o644)
    for name in (here.home.name, ""):
        row = _rows(name)["minio"]
        assert (row["asked_by"], row["here"] or row["version"]) == ("spec", "9")
    known = image_store.acknowledge(here.home.name, Silent()).data["advisories"]
    assert "GHSA-3rh2-v3gr-35p9" in known
    assert all(advisory["acknowledged"] for advisory in _rows()["minio"]["advisories"])
    with pytest.raises(UsageError, match="there is no deployment"):
        image_store.listed("auto", "nobody")


def test_an_engine_that_refuses_is_let_go(store, monkeypatch):
    def refuse(*_):
        raise EngineError("no such image")

    _has(store, KES)
    monkeypatch.setattr(store, "image", refuse)
    with pytest.raises(EngineError):
        image_store.listed("auto")
    assert store.calls == [("close",)]
