from __future__ import annotations

from threading import Timer

import pytest
from core_fixtures import World, world

from kesdeploy import proving


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.up()
    return made


def test_a_minio_that_the_engine_started_just_now_is_waited_for(here):
    here.store.silent = True
    plan = here.plan()
    assert plan.empty
    Timer(0.2, lambda: setattr(here.store, "silent", False)).start()
    proving.wait_for_minio(here.deployment, here.desired, plan)
    assert not here.store.silent


def test_a_minio_that_stays_silent_is_left_to_the_proof(here):
    here.store.silent = True
    proving.wait_for_minio(here.deployment, here.desired, here.plan())
