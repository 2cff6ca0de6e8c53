"""KES tells a client only that it failed: the keystore's own words are in its log."""

from __future__ import annotations

import threading

import pytest
from core_fixtures import World, world

from kesdeploy import keystores
from kesdeploy.errors import ServiceError
from kesdeploy.kes_log import explained, last_error

FAILED = ServiceError("KES does not create the key 'k'", because="failed to create key", status=502)
SAID = (
    'time=2026-11-21T07:38:53Z level=ERROR msg="aws: failed to create \'k\': AccessDeniedException: User: \\"me\\" may '
    'not\\n\\tstatus code: 400, request id: 1" req.method=PUT req.path=/v1/key/create/k'
)


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    return world(tmp_path, monkeypatch)


def failing(here: World, error: ServiceError) -> ServiceError:
    with pytest.raises(ServiceError) as raised, explained(here.deployment):
        raise error
    return raised.value


def test_the_last_error_of_the_log_is_the_reason(here):
    here.engine.says(f"{here.home.name}-kes-server", SAID.replace("'k'", "'another'"))
    here.engine.says(f"{here.home.name}-kes-server", SAID)
    here.engine.says(f"{here.home.name}-kes-server", "=> Server is up and running...")
    error = failing(here, FAILED)
    said = "aws: failed to create 'k': AccessDeniedException: User: \"me\" may not status code: 400, request id: 1"
    assert (error.what, error.because, error.status) == (FAILED.what, said, 502)
    assert error.hint == f"kesdeploy logs -n {here.home.name} kes"


def test_a_line_that_is_late_is_waited_for(here):
    late = threading.Timer(0.2, here.engine.says, (f"{here.home.name}-kes-server", SAID))
    late.start()
    assert "AccessDeniedException" in failing(here, FAILED).because
    late.join()


def test_where_others_keep_the_keys_the_policy_is_named(here, monkeypatch):
    monkeypatch.setattr("kesdeploy.kes_log.LATE", 0.0)
    monkeypatch.setattr(keystores.of(here.spec), "shared", lambda _: True, raising=False)
    assert f"kesdeploy policy -n {here.home.name}" in failing(here, FAILED).hint


def test_without_a_word_in_the_log_kes_own_words_stay(here, monkeypatch):
    monkeypatch.setattr("kesdeploy.kes_log.LATE", 0.0)
    assert failing(here, FAILED).because == "failed to create key"
    here.engine.says(f"{here.home.name}-kes-server", 'level=ERROR msg="a \\x00 b"')
    assert last_error(here.deployment, 0).startswith("a \\x00 b")


def test_a_dump_of_bytes_is_cut_off(here):
    here.engine.says(f"{here.home.name}-kes-server", 'level=ERROR msg="aws: no\\n\\t00000000  3c 3f |<?|"')
    assert last_error(here.deployment, 0) == "aws: no"


@pytest.mark.parametrize("status", [0, 403, 404])
def test_what_is_no_failure_of_the_keystore_stays_as_it_is(here, status):
    here.engine.says(f"{here.home.name}-kes-server", SAID)
    error = ServiceError("no", because="their words", status=status)
    assert failing(here, error) is error
