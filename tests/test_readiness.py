from __future__ import annotations

import time
from dataclasses import replace
from threading import Timer

import pytest
from core_fixtures import World, world

from kesdeploy import readiness
from kesdeploy.errors import Interrupted, ServiceError
from kesdeploy.resources import Container

MINIO = "fs-minio-server"


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.up()
    return made


def _minio(here: World) -> Container:
    body = next(r.body for r in here.desired if r.address == "container/minio-server")
    assert isinstance(body, Container)
    return body


def _waiting(here: World, timeout: float = 1) -> None:
    readiness.wait_ready(replace(here.deployment, timeout=timeout), _minio(here))


def test_it_waits_until_it_answers(here):
    here.store.silent = True
    Timer(0.1, setattr, [here.store, "silent", False]).start()
    begun = time.monotonic()
    _waiting(here)
    assert time.monotonic() - begun >= 0.09


def test_one_that_died_is_an_error_at_once_with_its_last_words(here):
    here.store.silent = True
    here.engine.says(MINIO, "FATAL Unable to use the drive")
    here.engine.dies(MINIO, 1)
    begun = time.monotonic()
    with pytest.raises(ServiceError, match="exit code 1") as raised:
        _waiting(here, timeout=30)
    assert time.monotonic() - begun < 2
    assert raised.value.because == "FATAL Unable to use the drive"
    assert raised.value.hint == "kesdeploy logs -n fs minio"


def test_one_that_restarts_again_and_again_is_an_error(here):
    here.store.silent = True
    containers_ = here.engine._containers
    Timer(0.05, lambda: containers_.update({MINIO: replace(containers_[MINIO], restarts=3)})).start()
    with pytest.raises(ServiceError, match="does not stay up"):
        _waiting(here, timeout=30)


def test_one_that_is_gone_is_an_error(here):
    here.store.silent = True
    here.engine.remove(MINIO)
    with pytest.raises(ServiceError, match="it is gone"):
        _waiting(here)


def test_silence_ends_after_the_timeout_with_what_was_answered(here):
    here.store.silent = True
    with pytest.raises(ServiceError, match="is not ready after") as raised:
        _waiting(here, timeout=0.1)
    assert "HTTP 503" in raised.value.because


def test_an_interrupted_run_does_not_wait_on(here):
    here.store.silent = True
    deployment = here.deployment
    deployment.cancelled.set()
    with pytest.raises(Interrupted):
        readiness.wait_ready(deployment, _minio(here))


def test_one_that_the_engine_starts_again_is_given_time(here):
    """Unlike `wait_ready`: at boot, a KES may end until its Vault is there."""
    here.store.silent = True
    containers = here.engine._containers
    Timer(0.05, lambda: containers.update({MINIO: replace(containers[MINIO], restarts=3)})).start()
    Timer(0.5, setattr, [here.store, "silent", False]).start()
    begun = time.monotonic()
    readiness.settle(replace(here.deployment, timeout=30), _minio(here))
    assert time.monotonic() - begun >= 0.49


@pytest.mark.parametrize(("timeout", "settles"), [(0.2, 15.0), (30, 0.2)])
def test_to_settle_has_an_end_and_no_error(here, monkeypatch, timeout, settles):
    monkeypatch.setattr(readiness, "SETTLES", settles)
    here.store.silent = True
    begun = time.monotonic()
    readiness.settle(replace(here.deployment, timeout=timeout), _minio(here))
    assert 0.1 < time.monotonic() - begun < 5
