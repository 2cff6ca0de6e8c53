from __future__ import annotations

import pytest
from core_fixtures import World, spec_of, world

from kesdeploy import services
from kesdeploy.errors import EngineError, StateError


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
    ],
)
def test_how_this_machine_reaches_what_is_published(bind, address):
    assert services.reach(spec_of(network__bind=bind)) == address


def test_which_port_belongs_to_which_part():
    spec = spec_of(network__kes_port=1111, network__s3_port=2222, network__vault_port=3333)
    assert [services.port(spec, part) for part in ("kes-server", "minio-server", "vault")] == [1111, 2222, 3333]


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.up()
    return made


def test_the_root_user_is_the_users_own_or_ours(here):
    user, password = services.root(here.spec, here.home)
    assert (user, password) == (here.home.read_secret("root-user"), here.home.read_secret("root-password"))
    assert services.root(spec_of(minio__root_user="me-myself"), here.home) == ("me-myself", password)


@pytest.mark.parametrize("lost", ["root-user", "root-password"])
def test_no_root_credentials_yet(here, lost):
    here.home.secret(lost).unlink()
    with pytest.raises(StateError) as raised:
        services.root(here.spec, here.home)
    assert raised.value.hint == "kesdeploy up -n fs"


def test_the_last_words_are_the_last(here):
    for n in range(9):
        here.engine.says("fs-kes-server", f"line {n}")
    words = services.last_words(here.deployment, "fs-kes-server", lines=2)
    assert words.splitlines() == ["line 7", "line 8"]


def test_no_words_are_no_error(here, monkeypatch):
    def refuse(*_, **__):
        raise EngineError("gone")

    monkeypatch.setattr(here.engine, "logs", refuse)
    assert services.last_words(here.deployment, "fs-kes-server") == ""


def test_one_that_runs_did_not_exit(here):
    assert services.exited(here.deployment, "fs-kes-server", 0) is None


def test_one_that_exited_says_how(here):
    here.engine.dies("fs-minio-server", 137)
    error = services.exited(here.deployment, "fs-minio-server", 0)
    assert "137" in error.what
    assert error.hint == "kesdeploy logs -n fs minio"
