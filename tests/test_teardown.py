from __future__ import annotations

import tarfile

import pytest
from churn import churning
from core_fixtures import World, world
from memory_engine import MemoryEngine

from kesdeploy import deploy, keystores, teardown
from kesdeploy.deployment import marks
from kesdeploy.engines import ContainerSpec, PodSpec
from kesdeploy.errors import EngineError, KesdeployError, UsageError
from kesdeploy.home import Home
from kesdeploy.opening import Wish
from kesdeploy.report import Silent


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    deploy.up(Wish("up", "fs", overrides={"keystore.fs": {}}, timeout=1), Silent())
    return made


def _remove(here: World, *, data: bool) -> dict:
    return teardown.remove(Wish("down", "fs", timeout=1), Silent(), data=data)


def test_what_is_not_ours_stays(here):
    engine = here.engine
    engine.create_pod(PodSpec("theirs"))
    engine.create(ContainerSpec("fs-other", "theirs", "i", (), (), "0:0"))
    other = {"kesdeploy.deployment": "fs", "kesdeploy.folder": "/home/other/minio-kes-fs"}
    engine.create(ContainerSpec("other-users", "theirs", "i", (), (), "0:0", labels=other))
    _remove(here, data=True)
    assert {c.name for c in engine.containers({})} == {"fs-other", "other-users"}


def test_a_container_outside_of_its_pod_is_found(here):
    here.engine.remove_pod("minio-kes-fs", stop_timeout=1)
    here.engine.create_pod(PodSpec("theirs"))
    here.engine.create(ContainerSpec("fs-kes-server", "theirs", "i", (), (), "0:0", labels=marks(here.home)))
    assert _remove(here, data=False)["removed"] == ["fs-kes-server"]


@pytest.mark.parametrize("lives_on", ["podman", "docker"])
def test_where_the_state_is_damaged_each_engine_is_looked_at(here, monkeypatch, lives_on):
    engines = {"podman": MemoryEngine(), "docker": MemoryEngine(), lives_on: here.engine}
    monkeypatch.setattr(teardown, "open_engine", lambda name, recorded=None: engines[recorded or name])
    here.home.state.write_text("{")
    assert "minio-kes-fs" in _remove(here, data=True)["removed"]
    assert here.engine.containers({}) == ()


def test_where_no_engine_answers_nothing_is_removed(here, monkeypatch):
    def gone(*_):
        raise EngineError("nobody answers")

    monkeypatch.setattr(teardown, "open_engine", gone)
    here.home.state.write_text("{")
    with pytest.raises(EngineError, match="nobody answers"):
        _remove(here, data=True)
    assert here.home.path("secrets/root-password").exists()


def test_down_twice_is_no_error(here):
    _remove(here, data=False)
    assert _remove(here, data=False)["removed"] == []


def test_destroy_after_down(here):
    _remove(here, data=False)
    assert _remove(here, data=True)["removed"] == [str(here.home.root)]
    with pytest.raises(UsageError):
        _remove(here, data=True)


def test_data_stays_while_the_engine_refuses(here):
    here.engine.fail["remove_pod", "minio-kes-fs"] = EngineError("busy")
    with pytest.raises(EngineError):
        _remove(here, data=True)
    assert here.home.read_secret("root-password")
    _remove(here, data=True)
    assert not here.home.root.exists()


# --- what is lost


def _object(here: World, path: str, size: int = 10) -> None:
    here.home.write(f"minio/{path}/xl.meta", b"x" * size)


def test_losses_are_counted_on_disk(here):
    _object(here, "photos/a")
    _object(here, "photos/deep/b", 5)
    here.home.write("minio/photos/deep/b/uuid/part.1", b"x" * 100)
    _object(here, ".minio.sys/config/config.json")
    _object(here, "kesdeploy-proof/p")
    here.home.write("kes/minio-backend-default-key", b"key")
    assert teardown.losses(here.home) == {"objects": 2, "bytes": 115, "keys": 1}


def test_losses_are_counted_while_minio_runs(here):
    _object(here, "photos/a")
    with churning(here.home.make("minio/.minio.sys/tmp"), here.home.path("minio/photos")):
        counted = [teardown.losses(here.home)["objects"] for _ in range(150)]
    assert set(counted) <= {1, 2}
    assert teardown.losses(here.home)["objects"] == 1


def test_an_object_below_another_is_counted_once(here):
    here.home.make("minio/.minio.sys/config")
    _object(here, "photos/a")
    _object(here, "photos/a/b", 5)
    _object(here, "d1/in-a-bucket-that-is-called-like-a-drive", 1)
    assert teardown.losses(here.home) == {"objects": 3, "bytes": 16, "keys": 0}


def test_an_object_on_several_drives_is_one(here):
    for drive in ("d1", "d2", "d3"):
        here.home.make(f"minio/{drive}/.minio.sys/config")
        _object(here, f"{drive}/photos/a")
    assert teardown.losses(here.home) == {"objects": 1, "bytes": 30, "keys": 0}


def test_keys_in_a_vault_of_ours_go_with_it(here):
    """Its storage is raft's: how many keys it holds, only their fingerprints tell."""
    here.home.path("kes").rmdir()
    for key in ("one", "two"):
        here.home.write_secret(f"fingerprint-{key}.json", "{}")
    before = teardown.losses(here.home)["keys"]
    here.home.make("vault")
    assert (before, teardown.losses(here.home)["keys"]) == (0, 3)


def test_nothing_is_lost_where_nothing_is(here):
    here.home.remove()
    assert teardown.losses(here.home) == {"objects": 0, "bytes": 0, "keys": 0}


# --- what is kept before


def test_the_archive_is_private_and_holds_keys_but_no_data(here, tmp_path):
    _object(here, "photos/a")
    here.home.write("kes/key", b"key")
    archive = tmp_path / "keys.tar.gz"
    teardown.save(here.home, archive)
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
        assert tar.getmember(here.home.root.name).mode == 0o700
    root = "minio-kes-fs"
    assert {f"{root}/secrets/root-password", f"{root}/ca/ca.key", f"{root}/kes/key", f"{root}/state.json"} <= names
    assert not any(name.startswith(f"{root}/minio") for name in names)


def test_an_archive_that_is_there_is_not_overwritten(here, tmp_path):
    archive = tmp_path / "keys.tar.gz"
    archive.write_text("mine")
    with pytest.raises(KesdeployError, match="cannot write"):
        teardown.save(here.home, archive)
    assert archive.read_text() == "mine"


def test_a_folder_that_is_not_there(here, tmp_path):
    with pytest.raises(KesdeployError, match="cannot write"):
        teardown.save(here.home, tmp_path / "no" / "keys.tar.gz")


@pytest.mark.parametrize(
    ("keystore", "stay"),
    [
        ("vault: {address: 'https://v'}", {"keystore": "OpenBao or HashiCorp Vault", "keys": ["one", "two"]}),
        ("fs: {}", {}),
        ("vault: {}", {}),
        ("nonsense", {}),
    ],
)
def test_keys_that_others_can_reach_stay_and_are_named(tmp_path, keystore, stay):
    home = Home("demo", tmp_path / "minio-kes-demo")
    home.prepare()
    home.write("kesdeploy.yaml", f"name: demo\nkeystore: {{{keystore}}}\n".encode())
    for key in ("two", "one"):
        home.write_secret(f"fingerprint-{key}.json", "{}")
    assert teardown.remaining(home) == stay


def test_destroy_says_what_stays(here, monkeypatch):
    assert _remove(here, data=False)["stay"] == {}
    monkeypatch.setattr(keystores.of(here.deployment.spec), "shared", lambda _: True, raising=False)
    assert _remove(here, data=True)["stay"]["keys"] == ["minio-backend-default-key"]
