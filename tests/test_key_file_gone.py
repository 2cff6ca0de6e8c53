"""A key's file is gone while KES runs: its cache may hold the last copy, so nothing may end that cache."""

from __future__ import annotations

import pytest
from core_fixtures import World, world
from key_world import key_world

from kesdeploy import deploy, gate, identities, overview, protection, recredential, rotation, verify
from kesdeploy.buckets import setting
from kesdeploy.errors import DataProtected
from kesdeploy.keyring import creating
from kesdeploy.opening import Wish
from kesdeploy.recredential import Chosen
from kesdeploy.report import Silent
from kesdeploy.spec import DEFAULT_KEY

KEY = "kes/minio-backend-default-key"
BACK = f"put {KEY} back from your copy"


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    """Data, and no file of the key that encrypted it. KES answers all the same."""
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    deploy.up(Wish("up", "fs", overrides={"keystore.fs": {}}, timeout=1), Silent())
    made.home.path("minio/.minio.sys/config").mkdir(parents=True, exist_ok=True)
    made.engine.calls.clear()
    return made


@pytest.fixture
def bare(tmp_path, monkeypatch) -> World:
    """The same without a command line."""
    made = world(tmp_path, monkeypatch)
    made.up()
    made.home.path("minio/.minio.sys/config").mkdir(parents=True, exist_ok=True)
    made.engine.calls.clear()
    return made


@pytest.fixture
def reloads(monkeypatch) -> list[str]:
    found: list[str] = []
    forget = gate.forget_keys
    monkeypatch.setattr(gate, "forget_keys", lambda d: found.append(d.name) or forget(d))
    return found


def test_status_says_lost_while_kes_still_answers(here):
    result = overview.status(Wish("status", "fs"), Silent())
    assert (result.exit_code, result.data["keystore"]) == (7, {"kind": "fs", "state": "LOST"})
    (problem,) = result.problems
    assert problem.message.startswith(f"{KEY} is gone")
    assert problem.hint.startswith(BACK)


@pytest.mark.parametrize("damage", [b"", b"\n", bytes(range(256)), b"AAA", None], ids=str)
def test_one_that_was_damaged_is_lost_too(here, damage):
    if damage is None:
        here.home.path(KEY).mkdir()
    else:
        here.home.path(KEY).write_bytes(damage)
    (problem,) = overview.status(Wish("status", "fs"), Silent()).problems
    assert problem.message.startswith(f"{KEY} is damaged")
    assert problem.hint.startswith(BACK)
    with pytest.raises(DataProtected, match="is damaged"):
        deploy.up(Wish("up", "fs", timeout=1), Silent())


def test_status_names_the_cause_alone_once_kes_has_forgotten_it(here):
    here.store.wrong = "kms:KeyNotFound: key with given key ID does not exist"
    result = overview.status(Wish("status", "fs"), Silent())
    assert [(p.code, p.hint.partition(";")[0]) for p in result.problems] == [("keystore", BACK)]
    assert result.data["kms"] == "DENIED"


def test_status_is_well_once_it_is_back(here):
    here.home.path(KEY).write_bytes(b"a2V5")
    assert overview.status(Wish("status", "fs"), Silent()).ok


def test_verify_is_well_once_it_is_back_and_reloads(bare, reloads):
    bare.home.path(KEY).write_bytes(b"a2V5")
    assert protection.gone(bare.deployment) is None
    assert all(check.ok for check in verify.verify(bare.deployment, bare.desired))
    assert reloads == ["fs"]


@pytest.mark.parametrize(
    "rotate",
    [
        lambda: rotation.rotate_certs(Wish("rotate-certs", "fs", timeout=1), Silent()),
        lambda: rotation.rotate_ca(Wish("rotate-certs", "fs", timeout=1), Silent()),
        lambda: recredential.rotate_credentials(
            Wish("rotate-credentials", "fs", timeout=1), Silent(), Chosen(identities.NAMES, root=True)
        ),
    ],
)
def test_nothing_is_rotated(here, reloads, rotate):
    def files() -> dict[str, bytes]:
        found = (path for folder in ("certs", "secrets", "ca") for path in here.home.path(folder).rglob("*"))
        return {str(path): path.read_bytes() for path in found if path.is_file()}

    before = files()
    with pytest.raises(DataProtected, match="is gone") as caught:
        rotate()
    assert caught.value.hint.startswith(BACK)
    assert "bucket rewrap BUCKET OTHER-KEY -n fs" in caught.value.hint
    assert (files(), reloads) == (before, [])


def test_no_other_change_reloads_or_restarts_a_server(bare, reloads):
    bare.want(kes__cache__any="1m")
    with pytest.raises(DataProtected, match="is gone"):
        bare.up()
    assert reloads == []
    assert not [call for call in bare.engine.calls if call[0] in ("signal", "stop", "start")]


def test_verify_tells_and_does_not_reload(bare, reloads):
    checks = {check.name: check for check in verify.verify(bare.deployment, bare.desired)}
    assert [name for name, check in checks.items() if not check.ok] == ["keystore holds the key"]
    assert f"{KEY} is gone" in checks["keystore holds the key"].evidence
    assert "bucket rewrap" in checks["keystore holds the key"].hint
    assert reloads == []


def test_nothing_new_may_need_it_though_kes_calls_it_there(tmp_path, monkeypatch):
    here = key_world(tmp_path, monkeypatch)
    here.home.path("minio/.minio.sys/config").mkdir(parents=True, exist_ok=True)
    before = here.home.spec.read_text()
    for make in (
        lambda: creating.create(Wish("key create", "fs", timeout=1), Silent(), [DEFAULT_KEY]),
        lambda: setting.create(Wish("bucket create", "fs", timeout=1), Silent(), "photos"),
    ):
        with pytest.raises(DataProtected, match=f"{KEY} is gone"):
            make()
    assert "photos" not in here.store.rules
    assert here.home.spec.read_text() == before
    rows = creating.create(Wish("key create", "fs", timeout=1), Silent(), ["other"]).data["keys"]
    assert [row["created"] for row in rows] == [True]
