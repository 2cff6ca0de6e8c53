"""The line about advisories: which count, when it is told, and what ends it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_fixtures import World, world

from kesdeploy import choosing, flaws
from kesdeploy.catalogue import catalogue, known_source
from kesdeploy.report import Silent
from kesdeploy.state import Pinned


class Heard(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    made.home.prepare()
    return made


def _runs(here: World, **references: str) -> None:
    pinned = {
        name: Pinned(reference, "id", "", reference.rpartition(":")[2], ("/x",))
        for name, reference in references.items()
    }
    here.deployment.state.update(lambda s: replace(s, images=pinned, sandbox=False))


def _told(here: World) -> list[str]:
    heard = Heard()
    flaws.tell(replace(here.deployment, report=heard))
    return heard.notes


def test_one_line_until_the_user_knows(here):
    _runs(here, **{name: catalogue()[name].sources[0].reference for name in ("kes", "minio")})
    (line,) = _told(here)
    assert line.startswith("known security advisories: KES (1), MinIO (6), the worst CVSS 9.1; ")
    assert "kesdeploy images acknowledge -n fs" in line
    known = flaws.acknowledge(here.deployment)
    assert "GHSA-3rh2-v3gr-35p9" in known
    assert _told(here) == []
    assert flaws.acknowledge(here.deployment) == known


def test_what_is_learned_later_is_told_again(here):
    _runs(here, minio=catalogue()["minio"].sources[0].reference)
    flaws.acknowledge(here.deployment)
    here.deployment.state.update(lambda s: replace(s, acknowledged=s.acknowledged[1:]))
    (line,) = _told(here)
    assert "MinIO (1)" in line


def test_another_release_has_other_flaws(here):
    _runs(here, minio="r.example/minio:RELEASE.2025-10-15T17-29-55Z")
    assert "CVE-2025-62506" not in {a.cve for a in flaws.found(here.deployment)["minio"]}


def test_a_fork_with_a_list_of_its_own_has_none_here(here):
    silo = next(s for s in catalogue()["minio"].elsewhere if "silo" in s.reference)
    assert known_source("minio", silo.reference) == silo
    _runs(here, minio=silo.reference)
    assert _told(here) == []


def test_stand_ins_have_no_flaws_of_others(here):
    choosing.choose(here.deployment)
    assert flaws.found(here.deployment)
    here.deployment.state.update(lambda s: replace(s, sandbox=True))
    assert flaws.found(here.deployment) == {}
