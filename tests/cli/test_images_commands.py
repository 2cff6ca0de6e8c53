"""images list, load, save: what they print, and how they end without an engine, an archive or an image."""

from __future__ import annotations

import pytest
from memory_engine import ArchivingEngine

from kesdeploy.catalogue import catalogue
from kesdeploy.engines import Image
from kesdeploy.errors import EngineError

KES, MINIO = (catalogue()[name].sources[0].reference for name in ("kes", "minio"))


@pytest.fixture
def store(monkeypatch) -> ArchivingEngine:
    made = ArchivingEngine()
    monkeypatch.setattr("kesdeploy.image_store.open_engine", lambda _: made)
    made.known |= {r: Image(r, (r,), "", 1, "amd64", {}) for r in (KES, MINIO)}
    return made


def test_what_is_here_and_what_is_missing(store, kesdeploy, ask):
    lines = {line.split()[0]: line for line in kesdeploy("images", "list").stdout.splitlines()}
    assert KES in lines["kes"]
    assert "MISSING" in lines["mc"]
    rows = {row["component"]: row for row in ask("images", "list")["data"]["images"]}
    assert (rows["kes"]["here"], rows["mc"]["here"]) == (KES, "")


def test_an_archive_goes_to_another_machine(store, kesdeploy, ask, tmp_path):
    assert kesdeploy("images", "save", "all.tar").stdout == f"✓ all.tar: {KES}, {MINIO}\n"
    assert (tmp_path / "all.tar").is_file()
    found = ask("images", "load", "all.tar")
    assert (found["command"], found["data"]["images"]) == ("images load", [KES, MINIO])


def test_what_cannot_be_saved_or_loaded_is_4(store, kesdeploy, ask):
    assert "no such file" in kesdeploy("images", "load", "none.tar", expect=4).stderr
    store.known.clear()
    refused = kesdeploy("images", "save", "all.tar", expect=4)
    assert refused.stderr.splitlines()[-1] == "  try: kesdeploy images list"
    assert ask("images", "save", "all.tar", expect=4)["problems"][0]["code"] == "image"


def test_without_an_engine_it_is_3(kesdeploy, monkeypatch):
    def gone(_):
        raise EngineError("Podman is not installed", hint="apt-get install -y podman")

    monkeypatch.setattr("kesdeploy.image_store.open_engine", gone)
    for command in (("list",), ("save", "x.tar")):
        assert kesdeploy("images", *command, expect=3).stderr.splitlines()[-1] == "  try: apt-get install -y podman"
