"""Lines of several containers as one, over a deployment in memory."""

from __future__ import annotations

import pytest
from core_fixtures import World, world

from kesdeploy import deploy
from kesdeploy.engines import LogLine
from kesdeploy.errors import UsageError
from kesdeploy.logs import Which, lines
from kesdeploy.opening import Wish
from kesdeploy.report import Silent

KES, MINIO = "fs-kes-server", "fs-minio-server"


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    deploy.up(Wish("up", "fs", overrides={"keystore.fs": {}}, timeout=1), Silent())
    made.engine._logs.clear()
    for time, name, text in ((1, KES, "one"), (3, KES, "three"), (2, MINIO, "two"), (4, MINIO, "four")):
        made.engine._logs.setdefault(name, []).append(LogLine(f"2026-01-01T00:00:0{time}Z", "stdout", text))
    return made


def texts(**which) -> list[str]:
    return [line["text"] for line in lines(Wish("logs", "fs"), Which(**which))]


def test_lines_of_all_containers_in_order_of_time(here):
    assert texts() == ["one", "two", "three", "four"]
    assert {line["container"] for line in lines(Wish("logs", "fs"), Which())} == {"kes", "minio"}


def test_one_container_and_its_last_lines(here):
    assert texts(part="minio", tail=1) == ["four"]


def test_following_begins_in_order_and_ends_when_the_streams_do(here):
    assert texts(follow=True) == ["one", "two", "three", "four"]


def test_following_one_that_breaks_goes_on_with_the_others(here, monkeypatch):
    logs = here.engine.logs

    def broken(name, **which):
        if name == KES:
            raise OSError("gone")
        return logs(name, **which)

    monkeypatch.setattr(here.engine, "logs", broken)
    assert texts(follow=True) == ["two", "four"]


def test_the_words_of_what_stopped_are_still_there(here):
    here.engine.dies(MINIO)
    assert texts(part="minio") == ["two", "four"]


def test_a_part_that_there_is_none_of(here):
    with pytest.raises(UsageError, match="bogus"):
        texts(part="bogus")
    with pytest.raises(UsageError):
        texts(part="vault")
    here.engine.remove(MINIO)
    with pytest.raises(UsageError) as raised:
        texts(part="minio")
    assert raised.value.hint == "kesdeploy up -n fs"
    assert texts() == ["one", "three"]
