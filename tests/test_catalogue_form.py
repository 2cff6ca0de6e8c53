"""The catalogue's form: what is wrong is told with its place, all at once; what others could change is not asked."""

from __future__ import annotations

import pytest

from kesdeploy.catalogue_form import read, read_own
from kesdeploy.errors import SpecError

DIGEST = f"sha256:{1:064}"
SOUND = f"""
pairs: [{{kes: "1", minio: "2", how: tried}}]
components:
  kes:
    title: KES
    version: "1"
    entrypoint: [/kes]
    situation: gone
    digests: [{{version: "1", digest: "{DIGEST}", certainty: good, evidence: two files}}]
    sources: [{{reference: "q.example/kes:1"}}, {{reference: "m.example/kes:1", kind: mirror}}]
    elsewhere: [{{reference: "e.example/kes:2", note: another, kind: community}}]
    advisories: [{{id: CVE-2025-0001, what: a, here: b, cvss: 8.1}}]
"""


def _problems(text: str) -> str:
    with pytest.raises(SpecError) as error:
        read(text, where="c.yaml")
    return "\n".join(problem.message for problem in error.value.problems)


def test_a_sound_one():
    found = read(SOUND, where="c.yaml")
    kes = found.components["kes"]
    assert (kes.name, kes.digests[0].digest, kes.sources[1].kind) == ("kes", DIGEST, "mirror")
    assert (kes.advisories[0].cvss, found.pairs[0].how) == ("8.1", "tried")


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        ("title: KES", "titel: KES", "components.kes.title: this is missing"),
        ("title: KES", "titel: KES", "components.kes.titel: there is no such key"),
        ("situation: gone", 'situation: ""', "components.kes.situation: this cannot be empty"),
        (DIGEST, "sha256:12", "components.kes.digests.0.digest: a digest is sha256:"),
        ("certainty: good", "certainty: sure", "components.kes.digests.0.certainty: Input should be 'high'"),
        ("CVE-2025-0001", "CVE-25-1", "components.kes.advisories.0.id: an advisory is GHSA"),
        ("here: b, ", "", "components.kes.advisories.0.here: this is missing"),
        ("8.1", "high", "components.kes.advisories.0.cvss: a CVSS score"),
        ("q.example/kes:1", "https://q.example/kes:1", "components.kes.sources.0.reference: an image reference"),
        ("q.example/kes:1", "q.example/kes:2", "components.kes: q.example/kes:2 is not release 1"),
        ("note: another, ", "", "components.kes: e.example/kes:2 needs a note"),
        ('digests: [{version: "1"', 'digests: [{version: "0"', "m.example/kes:1 can be changed by others"),
        ("kind: mirror", "kind: community", "m.example/kes:1 can be changed by others"),
        ("entrypoint: [/kes]", "entrypoint: []", "sources and entrypoint cannot be empty"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(good: str, bad: str, words: str):
    assert good in SOUND
    assert words in _problems(SOUND.replace(good, bad))


def test_every_problem_at_once():
    found = _problems(SOUND.replace("title: KES", "titel: KES").replace("certainty: good", "certainty: sure"))
    assert len(found.splitlines()) == 3


def test_an_advisory_is_there_once():
    one = "{id: CVE-2025-0001, what: a, here: b, cvss: 8.1}"
    assert "CVE-2025-0001 is there twice" in _problems(SOUND.replace(one, f"{one}, {one}"))


def test_the_users_own_file():
    found = read_own("kes: [{reference: 'r.example/kes:1'}]", where="images.yaml")
    assert (found.kes[0].reference, found.minio) == ("r.example/kes:1", ())
    with pytest.raises(SpecError) as error:
        read_own("kess: []\nkes: [{referenz: x}]", where="images.yaml")
    assert error.value.hint == "edit images.yaml"
    assert {problem.message.partition(":")[0] for problem in error.value.problems} == {
        "kess",
        "kes.0.referenz",
        "kes.0.reference",
    }
