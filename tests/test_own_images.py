"""Who says which image: the spec, then the environment, then the user's file, then the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kesdeploy.catalogue import catalogue
from kesdeploy.errors import SpecError, UsageError
from kesdeploy.own_images import from_environment, variable, wanted

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = f"sha256:{7:064}"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("KESDEPLOY_IMAGES", raising=False)
    for name in catalogue():
        monkeypatch.delenv(variable(name), raising=False)
    (tmp_path / "kesdeploy").mkdir()
    return tmp_path / "kesdeploy/images.yaml"


def test_each_stands_over_the_next(own: Path, monkeypatch: pytest.MonkeyPatch):
    assert wanted("kes", {}).asked_by == "catalogue"
    own.write_text(f"kes: [{{reference: f.example/kes:3, digest: '{DIGEST}'}}]")
    found = wanted("kes", {})
    assert (found.asked_by, found.version, found.named) == (str(own), "3", "")
    assert found.sources[0].reference == "f.example/kes:3"
    assert found.sources[1:] == catalogue()["kes"].sources
    assert found.digest(found.sources[0]) == DIGEST
    monkeypatch.setenv("KESDEPLOY_IMAGE_KES", "e.example/kes:2")
    found = wanted("kes", {})
    assert (found.asked_by, found.named, len(found.sources)) == ("KESDEPLOY_IMAGE_KES", "e.example/kes:2", 1)
    assert wanted("kes", {"kes": "s.example/kes:1"}).asked_by == "spec"
    assert wanted("minio", {}).asked_by == "catalogue"


def test_a_digest_in_the_reference_stands_over_the_catalogues(own: Path):
    release = catalogue()["minio"].version
    found = wanted("minio", {"minio": f"m.example/minio:{release}"})
    assert found.digest(found.sources[0]) == catalogue()["minio"].digests[0].digest
    found = wanted("minio", {"minio": f"m.example/minio:{release}@{DIGEST}"})
    assert (found.sources[0].reference, found.digest(found.sources[0])) == (f"m.example/minio:{release}", DIGEST)
    assert found.names(f"m.example/minio:{release}", DIGEST)
    assert not found.names(f"m.example/minio:{release}", "sha256:other")
    own.write_text(f"minio: [{{reference: 'm.example/minio:1@{DIGEST}'}}]")
    assert wanted("minio", {}).sources[0].digest == DIGEST


def test_what_the_catalogue_knows_of_a_named_one_counts(own: Path):
    silo = next(s for s in catalogue()["minio"].elsewhere if "silo" in s.reference)
    found = wanted("minio", {"minio": silo.reference})
    assert found.entrypoint(found.sources[0]) == ("silo",)
    assert found.digest(found.sources[0]) == silo.digest


def test_a_variable_that_names_no_image_is_told(own: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KESDEPLOY_IMAGE_MINIO", "https://quay.io/minio")
    with pytest.raises(UsageError) as error:
        from_environment()
    assert error.value.what == "KESDEPLOY_IMAGE_MINIO names no image"
    assert error.value.hint.startswith("export KESDEPLOY_IMAGE_MINIO=")


def test_a_file_that_is_named_must_be_there_and_sound(own: Path, monkeypatch: pytest.MonkeyPatch):
    assert wanted("kes", {}).asked_by == "catalogue"
    monkeypatch.setenv("KESDEPLOY_IMAGES", str(own))
    with pytest.raises(UsageError, match="KESDEPLOY_IMAGES names"):
        wanted("kes", {})
    own.write_text("kes: 1")
    with pytest.raises(SpecError, match=r"images\.yaml"):
        wanted("kes", {})
