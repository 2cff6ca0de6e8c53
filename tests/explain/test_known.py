"""Every text that is known: it is explained by its own entry, and what it says can be typed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from commands import FAMILIES, NAMES

from kesdeploy.explain import answers, entries
from kesdeploy.explain.known import FILES, _check

ENTRIES = {entry.id: entry for entry in entries()}
ABOUT = ("KES", "Vault", "MinIO", "images", "engine", "TLS and the system")


@pytest.mark.parametrize("identifier", ENTRIES)
def test_a_real_text_is_explained_by_its_own_entry_first(identifier: str):
    found = answers(ENTRIES[identifier].seen.splitlines(), "prod")
    assert found[0].id == identifier
    told = f"{found[0].cause}\n{found[0].sure}\n{found[0].next}\n"
    assert not re.search(r"\0|\(\s*\)|  | [,.;]|[ :]\n|\{n\}", told), told


def test_there_are_many_and_each_has_a_name_of_its_own():
    assert len(ENTRIES) == len(entries()) >= 80
    assert list(dict.fromkeys(entry.about for entry in entries())) == list(ABOUT)
    assert len(ABOUT) == len(FILES)
    assert min(Counter(entry.about for entry in entries()).values()) >= 10


@pytest.mark.parametrize("identifier", ENTRIES)
def test_commands_of_ours_are_commands(identifier: str):
    entry = ENTRIES[identifier]
    for command, word in re.findall(r"kesdeploy ([a-z][a-z-]+)(?:\{n\})?(?: ([a-z]+))?", f"{entry.sure} {entry.next}"):
        if command in FAMILIES:
            assert word in FAMILIES[command], entry.next
        else:
            assert command in (*NAMES, "explain", *_PROSE), (command, entry.next)


# Sentences with kesdeploy as their subject.
_PROSE = ("does", "makes", "runs", "uses", "never", "picks", "needs", "finds", "converts")


@pytest.mark.parametrize("identifier", ENTRIES)
def test_a_fact_has_a_source(identifier: str):
    entry = ENTRIES[identifier]
    version_or_place = r"\d{4}-\d{2}-\d{2}|\d+\.\d+|https://|Go |Linux|containers|docker|netavark"
    assert re.search(version_or_place, entry.source)
    assert not re.search("[\u2014\u2013]", " ".join(vars(entry)[f] for f in ("cause", "sure", "next")))


@pytest.mark.parametrize("identifier", ENTRIES)
def test_what_stands_in_quotes_of_a_command_is_a_number(identifier: str):
    """What is filled in may be anybody's words: inside of quotes it could end them."""
    entry = ENTRIES[identifier]
    for quoted in re.findall(r"'[^' ]*[^']*'|\"[^\"]*\"", entry.sure):
        for part in re.findall(r"(?<!\{)\{([a-z]+)\}", quoted):
            assert rf"(?P<{part}>\d+)" in entry.text, entry.sure


def test_a_part_that_the_text_does_not_have_is_refused():
    wrong = replace(entries()[0], next="kesdeploy up {nowhere}")
    with pytest.raises(ValueError, match=f"{wrong.id}: next wants nowhere"):
        _check(wrong)


@pytest.mark.parametrize(("field", "value"), [("causes", "x"), ("cause", None), ("next", "")])
def test_a_file_that_is_wrong_is_refused(monkeypatch: pytest.MonkeyPatch, field: str, value: object):
    from kesdeploy.explain import known

    body = {name: text for name, text in vars(entries()[0]).items() if name in known.Entry.__dataclass_fields__}
    monkeypatch.setattr(known, "FILES", ("kes",))
    monkeypatch.setattr(known, "_bodies", lambda _: [{**body, field: value}])
    with pytest.raises(ValueError, match=field):
        known.entries.__wrapped__()


def test_every_remedy_is_one_that_doctor_has():
    from kesdeploy.doctor.machine import Machine
    from kesdeploy.doctor.remedies import recognise

    machine = Machine("alice", root=False, runtimes=("crun", "runc"), open_files=1024, processes=100, manager="apt-get")
    with_remedy = [entry for entry in entries() if entry.remedy]
    assert len(with_remedy) >= 10
    for entry in with_remedy:
        assert recognise(entry.seen, machine).fix, entry.id
