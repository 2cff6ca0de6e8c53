"""Where errors are told, what is known of their words is told with them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from core_fixtures import World, spec_of, world

from kesdeploy import services
from kesdeploy.complaint import known
from kesdeploy.errors import EngineError, ServiceError
from kesdeploy.explain import clearer
from kesdeploy.kes_log import explained

KES = "fs-kes-server"


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    return world(tmp_path, monkeypatch)


@pytest.fixture
def up(here) -> World:
    here.up()
    return here


def test_a_container_that_ends_tells_what_its_last_words_mean(up):
    up.engine.says(KES, "=> Server is up and running...")
    up.engine.says(KES, "Error: kesconf: no keystore specified")
    up.engine.dies(KES, 1)
    error = services.exited(up.deployment, KES, 0)
    assert error
    assert error.because.startswith("Error: kesconf: no keystore specified. That means: The configuration has no ")
    assert error.hint.endswith("; kesdeploy logs -n fs kes")
    assert error.hint.startswith("put `keystore: ")


def test_a_container_that_ends_for_an_unknown_reason_tells_its_last_words(up):
    up.engine.says(KES, "the moon is in the wrong place")
    up.engine.dies(KES, 1)
    error = services.exited(up.deployment, KES, 0)
    assert error
    assert error.because.endswith("the moon is in the wrong place")
    assert error.hint == "kesdeploy logs -n fs kes"


def test_what_kes_says_to_its_log_alone_is_explained(here):
    denied = (
        "vault: failed to create 'kv/data/k': URL: PUT https://v/v1/kv/data/k Code: 403. Errors: * permission denied"
    )
    here.engine.says(KES, f'level=ERROR msg="{denied}"')
    with pytest.raises(ServiceError) as raised, explained(here.deployment):
        raise ServiceError("KES does not create the key 'k'", because="failed to create key", status=502)
    assert raised.value.because.startswith(f"{denied}. That means: The policy of KES's login ")
    assert "kesdeploy policy vault -n fs prints the policy" in raised.value.hint


def test_a_failed_check_says_what_to_do(up, monkeypatch):
    from kesdeploy.verify import _look

    def denied(_):
        raise ServiceError("KES refuses", because="not authorized: insufficient permissions", status=403)

    assert _look(up.deployment, "x", denied).hint.startswith("kesdeploy up -n fs writes MinIO's policy anew")


def test_an_error_that_has_no_hint_gets_one_where_its_words_are_known():
    words = "runc: error setting rlimit type 7: operation not permitted"
    assert "kesdeploy doctor --fix" in known(EngineError("Container x cannot be started", because=words)).hint
    assert known(EngineError("x", because=words, hint="mine")).hint == "mine"
    assert known(EngineError("x", because="the moon")).hint == ""


def test_clearer_leaves_alone_what_is_not_known():
    assert clearer("the moon", "look up") == ("the moon", "look up")
    assert clearer("kesconf: no keystore specified", "")[1].startswith("put `keystore: ")


def test_status_tells_why_a_container_ended(up):
    from kesdeploy.parts import rows

    up.engine.says(KES, "Error: kesconf: no keystore specified")
    up.engine.dies(KES, 1)
    problems: list = []
    rows(up.deployment, [KES, "fs-minio-server", "fs-other"], problems)
    assert problems[0].message.startswith(f"{KES} is exited: Error: kesconf: no keystore specified. That means: The ")
    assert problems[0].hint.startswith("kesdeploy up -n fs; put `keystore: ")
    assert [(p.message, p.hint) for p in problems[1:]] == [("fs-other is missing", "kesdeploy up -n fs")]


def test_one_that_ended_as_it_was_told_to_is_not_explained(up):
    from kesdeploy.parts import rows

    up.engine.says(KES, "Error: kesconf: no keystore specified")
    up.engine.dies(KES, 0)
    problems: list = []
    rows(up.deployment, [KES], problems)
    assert problems[0].message == f"{KES} is exited"


@pytest.mark.parametrize(("restarts", "age", "told"), [(5, 3, True), (0, 3, False), (5, 300, False)])
def test_status_tells_why_one_is_restarted_again_and_again(up, restarts, age, told):
    from kesdeploy.parts import rows

    up.engine.says(KES, "Error: kesconf: no keystore specified")
    began = (up.now - timedelta(seconds=age)).isoformat()
    up.engine._containers[KES] = replace(up.engine._containers[KES], restarts=restarts, started_at=began)
    problems: list = []
    rows(up.deployment, [KES], problems)
    assert [p.code for p in problems] == (["warning"] if told else [])
    assert all(p.message.startswith(f"{KES} was restarted 5 times: Error: kesconf: no keystore") for p in problems)


@pytest.mark.parametrize(("most", "told"), [("64MiB", True), (None, False)])
def test_status_tells_of_a_limit_where_one_was_restarted_without_a_word(tmp_path, monkeypatch, most, told):
    from kesdeploy.parts import rows

    limited = world(tmp_path, monkeypatch, spec_of(limits__kes={"memory": most}))
    limited.up()
    began = (limited.now - timedelta(hours=1)).isoformat()
    limited.engine._containers[KES] = replace(limited.engine._containers[KES], restarts=3, started_at=began)
    problems: list = []
    rows(limited.deployment, [KES], problems)
    words = f"{KES} was restarted 3 times; its memory is limited to 64MiB, and the kernel ends what wants more"
    assert [p.message for p in problems] == ([words] if told else [])
    assert all(p.hint == "if that was it: kesdeploy up -n fs --set limits.kes.memory=…" for p in problems)
