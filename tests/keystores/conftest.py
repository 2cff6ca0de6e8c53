"""One raft bootstrap for many tests: it takes two seconds, and what it leads to does not change by being read."""

from __future__ import annotations

import pytest
from bao import Bao
from vault_user import User

from kesdeploy.keystores.vault import Vault, door, opening, preflight


@pytest.fixture(scope="session", params=["static", "shares"])
def shared(request, tmp_path_factory):
    """An OpenBao that kesdeploy set up, with each kind of seal."""
    bao = Bao(tmp_path_factory.mktemp(request.param), f"seal: {request.param}").start()
    opening.opened(bao.work, door.vault(bao.work))
    bao.master = bao.another_root()
    Vault().bootstrap(bao.work)
    yield bao
    bao.stop()


@pytest.fixture
def bao(shared):
    """The same, as it should be at the start of each test."""
    if shared.locks_out:
        shared.locks_out = False
        shared.stop()
    if shared.process is None:
        shared.start()
    shared.told.__init__()
    Vault().bootstrap(shared.work)
    return shared


@pytest.fixture
def fresh(tmp_path):
    """An OpenBao that nobody initialised yet; call it with the spec's fields."""
    started = []

    def start(fields: str = "") -> Bao:
        started.append(Bao(tmp_path / str(len(started)), fields).start())
        return started[-1]

    yield start
    for bao in started:
        bao.stop()


@pytest.fixture
def user(bao, tmp_path, monkeypatch):
    """Somebody who has that OpenBao, and thinks that a container could reach it."""
    # From a container it could not be; that refusal has a test of its own.
    monkeypatch.setattr(preflight, "refuse_loopback", lambda *_: None)
    return User(bao, tmp_path, monkeypatch)
