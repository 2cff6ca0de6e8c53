from __future__ import annotations

from dataclasses import replace

import pytest
from core_fixtures import World, spec_of, world

from kesdeploy import pki, verify
from kesdeploy.errors import ServiceError
from kesdeploy.home import PROOF_BUCKET
from kesdeploy.keystores import Pick
from kesdeploy.state import Pinned

KES, MINIO = "fs-kes-server", "fs-minio-server"
NAMES = [
    "kes-server runs as planned",
    "minio-server runs as planned",
    "certificate of kes-server",
    "KES knows its client",
    "KES refuses a stranger",
    "keystore holds the key",
    "MinIO is ready",
    "MinIO uses the KMS",
    "object",
]


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.up()
    made.engine.calls.clear()
    return made


def _checks(here: World) -> dict[str, verify.Check]:
    return {check.name: check for check in verify.verify(here.deployment, here.desired)}


def _failed(here: World) -> dict[str, verify.Check]:
    return {name: check for name, check in _checks(here).items() if not check.ok}


def test_a_healthy_deployment_passes_every_check_with_evidence(here):
    checks = _checks(here)
    assert list(checks) == NAMES
    assert all(check.ok and check.evidence for check in checks.values())
    assert here.store.objects == {}, "nothing of the proof stays"


def test_each_container_is_called_by_its_own_image(here):
    """Two names of one image, as the stand-ins are: what speaks of MinIO must not name KES."""
    image = here.engine.container("fs-kes-server").image_id
    here.images = dict.fromkeys(here.images, Pick(image, ("/x",)))
    here.up()
    pinned = {c: Pinned(f"localhost/{c}:1", image, "", "1", ("/x",)) for c in ("kes", "minio")}
    here.deployment.state.update(lambda s: replace(s, images=pinned))
    checks = _checks(here)
    assert [checks[f"{c}-server runs as planned"].evidence.partition(",")[0] for c in ("kes", "minio")] == [
        "localhost/kes:1",
        "localhost/minio:1",
    ]


def test_https_has_a_certificate_more(tmp_path, monkeypatch):
    here = world(tmp_path, monkeypatch, spec_of(minio__https=True))
    here.up()
    assert _checks(here)["certificate of minio-server"].ok


def _other_certificate(here: World) -> None:
    leaf = pki.Authority.create("other", here.now).issue(
        pki.LeafRequest("x", ("localhost",), pki.Usage.SERVER), here.now
    )
    here.served[7373] = leaf.cert_pem


def _in_the_clear(here: World) -> None:
    here.store.clear = True


BROKEN = {
    "a container stopped": (lambda h: h.engine.dies(KES), {"kes-server runs as planned"}, "is exited"),
    "a container is gone": (lambda h: h.engine.remove(MINIO), {"minio-server runs as planned"}, "is missing"),
    "it is not what is wanted": (
        lambda h: h.want(minio__drives=4),
        {"minio-server runs as planned"},
        "not what the spec wants",
    ),
    "another certificate": (_other_certificate, {"certificate of kes-server"}, "another certificate"),
    "an expired certificate": (lambda h: h.later(days=400), {"certificates last"}, "kes-server expired"),
    "KES is silent": (
        lambda h: setattr(h.kes, "silent", True),
        {"KES knows its client", "KES refuses a stranger", "keystore holds the key", "object"},
        "connection refused",
    ),
    "the CA's key is lost": (lambda h: h.home.ca_key.unlink(), {"KES refuses a stranger"}, "ca.key"),
    "a stranger is let in": (lambda h: h.kes.denied.clear(), {"KES refuses a stranger"}, "for a stranger"),
    "MinIO is denied": (
        lambda h: h.kes.denied.add("minio"),
        {"keystore holds the key", "object"},
        "insufficient permissions",
    ),
    "the key is gone": (lambda h: h.kes.keys.clear(), {"keystore holds the key", "object"}, "does not exist"),
    "the key was made again": (
        lambda h: h.kes.keys.update({"minio-backend-default-key": b"another"}),
        {"keystore holds the key", "object"},
        "another key of the name",
    ),
    "MinIO is not ready": (lambda h: setattr(h.store, "silent", True), {"MinIO is ready"}, "503"),
    "MinIO is denied the KMS": (
        lambda h: setattr(h.store, "wrong", "kms:NotAuthorized"),
        {"MinIO uses the KMS"},
        "kms:NotAuthorized",
    ),
    "objects lie in the clear": (_in_the_clear, {"object"}, "without encryption"),
    "another key encrypted": (lambda h: setattr(h.store, "key", "other"), {"object"}, "without encryption"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_fails_its_own_check_with_a_hint(here, what):
    break_it, names, words = BROKEN[what]
    break_it(here)
    failed = _failed(here)
    assert set(failed) == names
    assert any(words in check.evidence for check in failed.values())
    assert all("kesdeploy " in check.hint for check in failed.values())


def test_a_refusal_in_tls_is_a_refusal_too(here, monkeypatch):
    class Alert:
        def __init__(self, *_, **__) -> None: ...

        def generate(self, _: str) -> None:
            raise ServiceError("KES refuses", because="TLS alert: unknown ca")

    monkeypatch.setattr("kesdeploy.clients.kes.Kes", Alert)
    assert _checks(here)["KES refuses a stranger"].ok


# --- the object


def test_the_bucket_of_the_proof_has_no_rule_while_auto_encryption_is_on(here):
    """With a rule of its own it would fail closed, and could not see that auto-encryption is off."""
    verify.round_trip(here.deployment, forget=False)
    assert here.store.rules[PROOF_BUCKET] is None


def test_without_auto_encryption_the_bucket_has_a_rule(here):
    here.want(minio__auto_encryption=False)
    verify.round_trip(here.deployment, forget=False)
    assert here.store.rules[PROOF_BUCKET] == ("sse-kms", "minio-backend-default-key")


def test_a_rule_from_when_auto_encryption_was_off_goes(here):
    here.want(minio__auto_encryption=False)
    assert "auto-encryption is off" in verify.round_trip(here.deployment, forget=False)
    here.want(minio__auto_encryption=True)
    verify.round_trip(here.deployment, forget=False)
    assert here.store.rules[PROOF_BUCKET] is None


@pytest.mark.parametrize("forget", [True, False])
def test_kes_forgets_between_put_and_get(here, forget):
    told = verify.round_trip(here.deployment, forget=forget)
    assert (("signal", KES, "SIGHUP") in here.engine.calls) is forget
    assert ("after KES forgot its keys" in told) is forget


def test_plaintext_on_disk_is_found_whatever_head_says(here, monkeypatch):
    head = here.store.head
    here.store.clear = True
    monkeypatch.setattr(type(here.store), "head", lambda s, *a: replace(head(*a), sse="aws:kms", key=s.key))
    with pytest.raises(verify.NotEncrypted, match="in the clear"):
        verify.round_trip(here.deployment, forget=False)
    assert here.store.objects == {}


@pytest.mark.parametrize("where", ["nowhere", "without a sealed key"])
def test_an_object_that_is_not_where_it_should_be(here, monkeypatch, where):
    def put(store, bucket: str, name: str, data: bytes) -> None:
        store.objects[bucket, name] = data
        if where != "nowhere":
            here.home.write(f"minio/{bucket}/{name}/xl.meta", bytes(b ^ 0x55 for b in data))

    monkeypatch.setattr(type(here.store), "put", put)
    with pytest.raises(ServiceError, match="nowhere on disk" if where == "nowhere" else "no sealed key"):
        verify.round_trip(here.deployment, forget=False)


def test_another_object_that_comes_back(here, monkeypatch):
    monkeypatch.setattr(type(here.store), "get", lambda *_: b"something else")
    with pytest.raises(ServiceError, match="is not the one that went in"):
        verify.round_trip(here.deployment, forget=False)
    assert here.store.objects == {}


def test_the_proof_alone_sends_no_signal(here):
    checks = verify.proof(here.deployment)
    assert [check.name for check in checks] == ["keystore holds the key", "MinIO uses the KMS", "object"]
    assert all(check.ok for check in checks)
    assert here.engine.calls == []


def test_what_does_not_run_is_not_asked(tmp_path, monkeypatch):
    """A paused server would answer nothing, each time until its time is up."""
    here = world(tmp_path, monkeypatch)
    here.up()
    here.engine.pauses(KES)
    assert list(_checks(here)) == ["kes-server runs as planned", "minio-server runs as planned"]
    assert not _checks(here)["kes-server runs as planned"].ok
