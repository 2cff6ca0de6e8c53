from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from core_fixtures import VAULT, World, spec_of, world

from kesdeploy import containers, keystores
from kesdeploy.clients.waiting import wait_until
from kesdeploy.deployment import ADDRESS, COMPONENT, DIGEST, FOLDER, LABEL
from kesdeploy.engines import PodSpec
from kesdeploy.errors import DataProtected, EngineError, ServiceError
from kesdeploy.keystores.startover import StartAgain, StartOver
from kesdeploy.plan import Change, Verb
from kesdeploy.resources import Bootstrap, Container, Resource

if TYPE_CHECKING:
    from kesdeploy.engines import ContainerSpec

KES, MINIO, POD = "fs-kes-server", "fs-minio-server", "minio-kes-fs"


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.up()
    made.engine.calls.clear()
    return made


def _resource(here: World, address: str) -> Resource:
    return next(r for r in here.desired if r.address == address)


def _body(here: World, address: str) -> Container:
    body = _resource(here, address).body
    assert isinstance(body, Container)
    return body


# --- how they are made


def test_everything_of_ours_carries_our_marks(here):
    for container in here.engine.containers({}):
        resource = _resource(here, container.labels[ADDRESS])
        assert container.labels[LABEL] == "fs"
        assert container.labels[FOLDER] == str(here.home.root)
        assert container.labels[DIGEST] == resource.digest
        assert container.labels[COMPONENT] == resource.body.component
    assert here.engine.pod(POD).labels[ADDRESS] == "pod/pod"


def test_no_secret_reaches_the_engine(here):
    secrets = [p.read_text() for p in here.home.path("secrets").iterdir() if p.is_file()]
    seen = repr(here.engine.specs)
    assert secrets
    assert not any(secret in seen for secret in secrets)


def test_data_folders_are_there_before_the_container_and_private(tmp_path, monkeypatch):
    here = world(tmp_path, monkeypatch, spec_of(minio__drives=4))
    here.up()
    folders = [here.home.path("kes"), *(here.home.path(f"minio/d{n}") for n in (1, 2, 3, 4))]
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)


def test_a_container_is_what_its_body_says(here):
    spec: ContainerSpec = here.engine.specs[MINIO]
    body = _body(here, "container/minio-server")
    assert (spec.image, spec.entrypoint, spec.command, spec.user) == (
        body.image,
        body.entrypoint,
        body.command,
        body.user,
    )
    assert (spec.pod, spec.restart) == (POD, "unless-stopped")
    assert [replace(mount, relabel=True) for mount in spec.mounts] == [replace(m, relabel=True) for m in body.mounts]


def test_data_is_labelled_while_there_is_none(here):
    """Where SELinux is on, each label on what is there already would touch every file of it."""
    assert all(mount.relabel for mount in here.engine.specs[MINIO].mounts)
    here.home.path("minio/photos").mkdir()
    (here.home.path("minio/photos") / "xl.meta").touch()
    containers._create(here.deployment, _resource(here, "container/minio-server"))
    assert {m.target: m.relabel for m in here.engine.specs[MINIO].mounts} == {
        "/certs/CAs": True,
        "/config": True,
        "/data": False,
    }


def test_no_label_ever_covers_more_than_one_part_of_the_deployment(here):
    home = str(here.home.root)
    sources = [mount.source for name in (KES, MINIO) for mount in here.engine.specs[name].mounts]
    assert all(source.startswith(f"{home}/") and source != f"{home}/" for source in sources)


def test_the_engine_gets_paths_as_it_calls_them(here, monkeypatch):
    monkeypatch.setattr(containers, "seen_by_engine", lambda path, **_: f"/mnt/c{path}")
    containers._create(here.deployment, _resource(here, "container/minio-server"))
    assert all(m.source.startswith("/mnt/c/") for m in here.engine.specs[MINIO].mounts)


def test_a_container_has_the_restart_policy_of_the_spec(tmp_path, monkeypatch):
    here = world(tmp_path, monkeypatch, spec_of(restart="on-failure"))
    here.up()
    assert [here.engine.specs[name].restart for name in (KES, MINIO)] == ["on-failure"] * 2


def test_one_that_is_in_the_way_is_stopped_and_removed_first(here):
    change = Change(Verb.REPLACE, "container/kes-server")
    containers.ensure_container(here.deployment, _resource(here, "container/kes-server"), change)
    assert here.engine.calls == [("stop", KES), ("remove", KES), ("create", KES), ("start", KES)]


def test_who_may_not_be_made_anew_goes_on_as_it_was(here):
    here.engine.most = 0
    resource = _resource(here, "container/minio-server")
    limited = replace(resource, body=replace(resource.body, memory=2**30))
    with pytest.raises(EngineError, match=f"cannot create {MINIO}"):
        containers.ensure_container(here.deployment, limited, Change(Verb.REPLACE, limited.address))
    assert here.engine.container(MINIO).running
    assert ("stop", MINIO) not in here.engine.calls


def test_a_pod_whose_network_is_gone_is_repaired_not_replaced(here):
    here.engine.breaks(POD)
    here.up()
    assert here.engine.calls[0] == ("restart_pod", POD)
    assert ("remove_pod", POD) not in here.engine.calls


def test_delete_takes_only_what_is_ours(here):
    containers.delete(here.deployment, "container/minio-server")
    assert here.engine.container(MINIO) is None
    assert here.engine.container(KES)
    containers.delete(here.deployment, "pod/pod")
    assert here.engine.pod(POD) is None


# --- a keystore of ours that nobody can open


class Lost:
    """A keystore whose first bootstrap finds a service that is lost."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)

    def bootstrap(self, _) -> None:
        if answer := self.answers.pop(0):
            raise answer


def _bootstrap(tmp_path, monkeypatch, keystore: Lost) -> World:
    here = world(tmp_path, monkeypatch, spec_of(VAULT))
    deployment = here.deployment
    here.engine.create_pod(PodSpec("minio-kes-vault"))
    resource = _resource(here, "container/vault")
    containers._create(deployment, resource)
    (here.home.path("vault") / "raft.db").write_text("x")
    here.engine.calls.clear()
    monkeypatch.setattr(keystores, "of", lambda _: keystore)
    containers.ensure_bootstrap(
        deployment, Resource("bootstrap/vault", Bootstrap("vault", {})), Change(Verb.CREATE, "")
    )
    return here


def test_a_lost_vault_without_data_is_made_again(tmp_path, monkeypatch):
    lost = StartOver("nobody can open it", container="container/vault", folder="vault")
    here = _bootstrap(tmp_path, monkeypatch, Lost(lost, None))
    assert here.engine.calls == [("stop", "vault-vault"), ("start", "vault-vault")]
    assert list(here.home.path("vault").iterdir()) == []
    assert not here.home.path("vault.lost").exists()


def test_a_vault_that_is_lost_twice_is_an_error(tmp_path, monkeypatch):
    lost = StartOver("nobody can open it", container="container/vault", folder="vault")
    with pytest.raises(StartOver):
        _bootstrap(tmp_path, monkeypatch, Lost(lost, lost))


def test_a_vault_over_data_is_never_made_again(tmp_path, monkeypatch):
    with pytest.raises(DataProtected):
        _bootstrap(tmp_path, monkeypatch, Lost(DataProtected("data")))


def stuck(otherwise: ServiceError | DataProtected) -> StartAgain:
    return StartAgain("it is sealed", container="container/vault", otherwise=otherwise)


def test_a_vault_that_is_stuck_is_started_again(tmp_path, monkeypatch):
    here = _bootstrap(tmp_path, monkeypatch, Lost(stuck(DataProtected("it cannot be opened")), None))
    assert here.engine.calls == [("stop", "vault-vault"), ("start", "vault-vault")]


def test_a_vault_that_stays_stuck_says_what_it_is(tmp_path, monkeypatch):
    with pytest.raises(DataProtected, match="cannot be opened"):
        _bootstrap(tmp_path, monkeypatch, Lost(*[stuck(DataProtected("it cannot be opened"))] * 2))


def test_a_vault_that_stays_stuck_without_data_is_made_again(tmp_path, monkeypatch):
    lost = StartOver("nobody can open it", container="container/vault", folder="vault")
    here = _bootstrap(tmp_path, monkeypatch, Lost(stuck(lost), stuck(lost), None))
    assert here.engine.calls == [("stop", "vault-vault"), ("start", "vault-vault")] * 2


class Waits:
    """A keystore that waits for its service, as long as there is hope."""

    def bootstrap(self, work) -> None:
        wait_until(self._ask, timeout=30, hopeless=work.hopeless)

    def _ask(self) -> None:
        raise ServiceError("connection refused")


def test_a_vault_that_ended_is_not_waited_for(tmp_path, monkeypatch):
    here = world(tmp_path, monkeypatch, spec_of(VAULT))
    here.engine.create_pod(PodSpec("minio-kes-vault"))
    containers._create(here.deployment, _resource(here, "container/vault"))
    here.engine.says("vault-vault", "killed")
    here.engine.dies("vault-vault", 137)
    monkeypatch.setattr(keystores, "of", lambda _: Waits())
    bootstrap = Resource("bootstrap/vault", Bootstrap("vault", {}), ("container/vault",))
    begun = time.monotonic()
    with pytest.raises(ServiceError, match=r"vault-vault does not stay up \(exit code 137\)") as raised:
        containers.ensure_bootstrap(here.deployment, bootstrap, Change(Verb.CREATE, ""))
    assert time.monotonic() - begun < 5
    assert raised.value.hint == "kesdeploy logs -n vault vault"
