from __future__ import annotations

import pytest
from core_fixtures import NOW, World, spec_of, world

from kesdeploy import observe
from kesdeploy.deployment import marks
from kesdeploy.engines import ContainerSpec, PodSpec
from kesdeploy.errors import CertificateError, EngineError
from kesdeploy.pki import Authority
from kesdeploy.plan import Seen, Verb
from kesdeploy.resources import Ref

KES, MINIO = "fs-kes-server", "fs-minio-server"


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch, spec_of(minio__buckets=[{"name": "photos"}]))
    made.up()
    return made


def _seen(here: World) -> dict[str, Seen]:
    return dict(observe.observe(here.deployment, here.desired))


def test_everything_is_seen_as_it_is(here):
    seen = _seen(here)
    assert set(seen) == {r.address for r in here.desired}
    assert all(s.running and not s.reason and not s.stale for s in seen.values())


def test_nothing_is_there(tmp_path, monkeypatch):
    assert _seen(world(tmp_path, monkeypatch)) == {}


def test_looking_changes_nothing(here):
    here.engine.calls.clear()
    before = {p: p.read_bytes() for p in here.home.root.rglob("*") if p.is_file()}
    _seen(here)
    assert here.engine.calls == []
    assert {p: p.read_bytes() for p in here.home.root.rglob("*") if p.is_file()} == before


FILES = {
    "secrets/root-password": {"secret/root-password": None, "file/minio-env": "what it is made from is missing"},
    "secrets/minio.crt": {"identity/minio": None},
    "certs/kes-server/public.crt": {"certificate/kes-server": None},
    "certs/kes-server/private.key": {"certificate/kes-server": None},
    "certs/kes-server/ca.crt": {"certificate/kes-server": None},
    "certs/minio-server/CAs/ca.crt": {"trust/minio-server": None},
    "config/kes/kes-config.yaml": {"file/kes-config": None},
    "config/minio/minio": {"file/minio-env": None},
    "secrets/fingerprint-minio-backend-default-key.json": {"fingerprint/minio-backend-default-key": None},
}


@pytest.mark.parametrize("lost", FILES)
def test_a_lost_file_is_missed_and_nothing_else(here, lost):
    before = _seen(here)
    here.home.path(lost).unlink()
    after = _seen(here)
    changed = {a: after.get(a) for a in before if after.get(a) != before[a]}
    assert {a: seen and seen.reason for a, seen in changed.items()} == FILES[lost]


@pytest.mark.parametrize("file", ["config/kes/kes-config.yaml", "config/minio/minio"])
def test_a_file_that_somebody_edited_is_put_right(here, file):
    wanted = here.home.read(file)
    here.home.write(file, wanted + b"# mine\n")
    here.up()
    assert here.home.read(file) == wanted


@pytest.mark.parametrize("file", ["certs/kes-server/public.crt", "certs/kes-server/private.key"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN X-----\nAAAA\n-----END X-----\n"])
def test_a_broken_certificate_is_issued_again(here, file, content):
    here.home.write(file, content)
    assert _seen(here)["certificate/kes-server"].reason
    here.up()
    assert here.plan().empty


@pytest.mark.parametrize("file", ["ca/ca.crt", "ca/ca.key"])
@pytest.mark.parametrize("content", [None, b"", b"garbage", Authority.create("kesdeploy fs", NOW).key_pem])
def test_a_ca_that_can_sign_nothing_is_made_again(here, file, content):
    """One whose two halves do not match is what a kill between them leaves."""
    if content is None:
        here.home.path(file).unlink()
    else:
        here.home.write(file, content)
    identity = here.deployment.value(Ref("identity", "minio"))
    plan = here.plan()
    assert plan.verb("authority/ca") is Verb.REPLACE
    assert plan.verb("identity/minio") is Verb.REPLACE
    assert plan.verb("container/minio-server") is Verb.RESTART
    here.up()
    assert here.plan().empty
    assert here.deployment.value(Ref("identity", "minio")) == identity


def test_a_lost_ca_is_made_again_and_the_keys_below_stay(here):
    before = here.home.read("certs/kes-server/private.key")
    here.home.ca_cert.unlink()
    here.home.ca_key.unlink()
    assert here.plan().verb("authority/ca") is Verb.CREATE
    here.up()
    assert here.plan().empty
    assert here.home.read("certs/kes-server/private.key") == before


def test_a_key_can_only_be_asked_for_while_kes_runs(here):
    here.engine.dies(KES)
    assert _seen(here)["key/minio-backend-default-key"].unasked == "KES"
    assert "fingerprint/minio-backend-default-key" in _seen(here)


def test_a_bucket_can_only_be_asked_for_while_minio_runs(here):
    here.engine.dies(MINIO)
    assert "bucket/photos" not in _seen(here)
    here.home.make("minio/.minio.sys/config")
    assert _seen(here)["bucket/photos"].unasked == "MinIO"


def test_silence_is_not_loss(here, monkeypatch):
    """A plan that calls the key or a bucket missing, because nobody answers, would frighten."""

    def silent(*_, **__):
        raise CertificateError("the CA's file cannot be used")

    here.kes.silent = True
    monkeypatch.setattr("kesdeploy.services.minio", silent)
    plan = here.plan()
    assert plan.verb("key/minio-backend-default-key") is Verb.CHECK
    assert plan.verb("bucket/photos") is Verb.CHECK


def test_what_is_known_to_be_gone_is_missing(here):
    here.kes.keys.clear()
    here.store.rules.clear()
    plan = here.plan()
    assert plan.verb("key/minio-backend-default-key") is Verb.CREATE
    assert plan.verb("bucket/photos") is Verb.CREATE


@pytest.mark.parametrize("rule", [None, ("sse-s3", None), ("sse-kms", "another")])
def test_a_bucket_with_another_rule_is_put_right(here, rule):
    here.store.rules["photos"] = rule
    assert _seen(here)["bucket/photos"].reason == "its encryption rule differs"
    here.up()
    assert here.store.rules["photos"] == ("sse-kms", "minio-backend-default-key")


def test_what_of_ours_is_no_longer_wanted_goes(here):
    labels = {**marks(here.home), "kesdeploy.address": "container/old"}
    here.engine.create(ContainerSpec("fs-old", "minio-kes-fs", "i", (), (), "0:0", labels=labels))
    assert here.plan().verb("container/old") is Verb.DELETE
    here.up()
    assert here.engine.container("fs-old") is None


def test_what_is_not_ours_is_not_seen(here):
    here.engine.create_pod(PodSpec("theirs"))
    here.engine.create(ContainerSpec("theirs", "theirs", "i", (), (), "0:0"))
    assert here.plan().empty


def test_a_container_without_a_digest_is_made_again(here):
    labels = {**marks(here.home), "kesdeploy.address": "container/kes-server"}
    here.engine.remove(KES)
    here.engine.create(ContainerSpec(KES, "minio-kes-fs", "i", (), (), "0:0", labels=labels))
    here.engine.start(KES)
    assert here.plan().verb("container/kes-server") is Verb.REPLACE


def test_an_engine_that_refuses_is_not_an_empty_one(here, monkeypatch):
    def refuse(_):
        raise EngineError("gone")

    monkeypatch.setattr(here.engine, "containers", refuse)
    with pytest.raises(EngineError):
        _seen(here)


def test_a_password_that_changed_at_its_source_is_taken_up(tmp_path, monkeypatch):
    source = tmp_path / "password"
    source.write_text("first-password")
    here = world(tmp_path, monkeypatch, spec_of(minio__root_password=f"@{source}"))
    here.up()
    assert here.plan().empty
    source.write_text("second-password")
    assert here.plan().verb("container/minio-server") is Verb.RESTART
    here.up()
    assert b"second-password" in here.home.read("config/minio/minio")
    source.unlink()
    assert here.plan().empty, "a source that is gone changes nothing"
