"""images: what its commands print, and how they end without an engine, an archive or an image."""

from __future__ import annotations

import pytest
from memory_engine import ArchivingEngine

from kesdeploy.catalogue import catalogue
from kesdeploy.catalogue_form import read_own
from kesdeploy.engines import Image
from kesdeploy.errors import EngineError

KES, MINIO = (catalogue()[name].sources[0].reference for name in ("kes", "minio"))
DIGEST = f"sha256:{4:064}"


@pytest.fixture
def store(monkeypatch) -> ArchivingEngine:
    made = ArchivingEngine()
    monkeypatch.setattr("kesdeploy.image_store.open_engine", lambda *_: made)
    monkeypatch.setattr("kesdeploy.image_archive.open_engine", lambda *_: made)
    made.known |= {r: Image(f"id-{r}", (r,), "sha256:00", 1, "amd64", {}) for r in (KES, MINIO)}
    return made


def test_what_is_here_and_what_is_missing(store, kesdeploy, ask):
    done = kesdeploy("images", "list").stdout
    lines = {line.split()[0]: line for line in done.splitlines()[:6]}
    assert KES in lines["kes"]
    assert "not the published one" in lines["kes"]
    assert "MISSING" in lines["mc"]
    assert "docker.io/pgsty/mc:latest" in done
    assert "kesdeploy images pull mc" in done
    rows = {row["component"]: row for row in ask("images", "list")["data"]["images"]}
    assert (rows["kes"]["here"], rows["mc"]["here"]) == (KES, "")


def test_an_advisory_says_what_it_is_and_what_it_means_here(store, kesdeploy):
    done = " ".join(kesdeploy("images", "list").stdout.split())
    assert "GHSA-3rh2-v3gr-35p9 (CVE-2026-34204, CVSS 7.1): SSE metadata injection" in done
    assert "here: it hits exactly this use" in done
    assert "fixed in RELEASE.2025-10-15T17-29-55Z" in done


def test_an_archive_goes_to_another_machine(store, kesdeploy, ask, tmp_path):
    done = kesdeploy("images", "save", "all.tar", "--only", "kes", "--only", "minio")
    assert done.stdout.startswith(f"✓ all.tar: {KES}, {MINIO}\n")
    assert (tmp_path / "all.tar").is_file()
    found = ask("images", "load", "all.tar")
    assert (found["command"], found["data"]["images"]) == ("images load", [KES, MINIO])
    assert kesdeploy("images", "load", "all.tar").stdout == f"✓ all.tar, as it was saved: {KES}, {MINIO}\n"


def test_what_cannot_be_saved_or_loaded_is_4(store, kesdeploy, ask):
    assert "no such file" in kesdeploy("images", "load", "none.tar", expect=4).stderr
    store.known.clear()
    refused = kesdeploy("images", "save", "all.tar", expect=4)
    assert refused.stderr.splitlines()[-1] == "  try: kesdeploy images pull"
    assert ask("images", "save", "all.tar", expect=4)["problems"][0]["code"] == "image"


def test_pull_says_what_was_here_and_what_cannot_be_had(store, kesdeploy):
    done = kesdeploy("images", "pull", expect=4)
    assert f"✓ kes: {KES}, which was here\n" in done.stdout
    assert "The image of mc is not in the local store, and could not be pulled" in done.stderr


def test_mirror_prints_the_file_that_others_need(store, kesdeploy, monkeypatch):
    monkeypatch.setattr(store, "push", lambda *_, **__: DIGEST)
    monkeypatch.setattr(store, "tag", lambda *_: None)
    done = kesdeploy("images", "mirror", "r.example/team", "kes").stdout
    own = read_own(done.partition("images.yaml:\n")[2], where="printed")
    assert own.kes[0].digest == DIGEST
    assert own.kes[0].reference == f"r.example/team/kes:{catalogue()['kes'].version}"


def test_without_an_engine_it_is_3(kesdeploy, monkeypatch):
    def gone(*_):
        raise EngineError("Podman is not installed", hint="apt-get install -y podman")

    monkeypatch.setattr("kesdeploy.image_store.open_engine", gone)
    for command in (("list",), ("save", "x.tar"), ("pull",), ("mirror", "r.example")):
        assert kesdeploy("images", *command, expect=3).stderr.splitlines()[-1] == "  try: apt-get install -y podman"
