from __future__ import annotations

import time
from dataclasses import replace

import pytest
from core_fixtures import World, world

from kesdeploy import gate
from kesdeploy.errors import CertificateError, DataProtected, ServiceError

KEY, KES, MINIO = "minio-backend-default-key", "fs-kes-server", "fs-minio-server"


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.up()
    made.engine.calls.clear()
    return made


def test_kes_forgets_before_it_is_asked(here, monkeypatch):
    """A warm cache would answer for a keystore that holds nothing any more."""
    order: list[str] = []
    here.engine.on_call = lambda call: (order.append(call[0]), here._called(call))
    door = here.kes.door
    monkeypatch.setattr("kesdeploy.services.kes", lambda *a, **k: (order.append("ask"), door(*a, **k))[1])
    gate.before_minio(here.deployment)
    assert order[0] == "signal"
    assert "ask" in order


def test_a_good_keystore_opens_the_gate(here):
    gate.before_minio(here.deployment)


@pytest.mark.parametrize("loss", ["gone", "another"])
def test_minio_is_not_started_without_the_very_key(here, loss):
    here.engine.dies(MINIO)
    del here.kes.keys[KEY]
    if loss == "another":
        here.kes.door(here.spec, here.home).create_key(KEY)
    with pytest.raises(DataProtected):
        here.up()
    assert ("start", MINIO) not in here.engine.calls
    assert not here.engine.container(MINIO).running


def test_minio_is_not_started_while_its_identity_is_denied(here):
    here.engine.dies(MINIO)
    here.kes.denied.add("minio")
    with pytest.raises(ServiceError) as raised:
        here.up()
    assert raised.value.exit_code == 6
    assert ("start", MINIO) not in here.engine.calls


def test_a_minio_that_may_not_start_again_is_not_stopped(here):
    here.kes.denied.add("minio")
    here.want(minio__auto_encryption=False)
    with pytest.raises(ServiceError):
        here.up()
    assert here.engine.container(MINIO).running


def test_every_key_of_the_deployment_is_looked_at(here):
    here.want(minio__buckets=[{"name": "own", "key": "own-key"}])
    here.up()
    del here.kes.keys["own-key"]
    with pytest.raises(DataProtected, match="own-key"):
        gate.before_minio(here.deployment)


def test_a_fingerprint_counts_although_its_bucket_left_the_spec(here):
    here.want(minio__buckets=[{"name": "own", "key": "own-key"}])
    here.up()
    here.want(minio__buckets=[])
    del here.kes.keys["own-key"]
    with pytest.raises(DataProtected, match="own-key"):
        gate.before_minio(here.deployment)


# --- a signal is a request


@pytest.mark.parametrize("words", gate.REFUSED)
def test_a_refused_configuration_is_an_error_in_kes_own_words(here, words):
    here.engine.on_call = lambda call: here.engine.says(KES, f"{words}: line 3") if call[0] == "signal" else None
    with pytest.raises(ServiceError) as raised:
        gate.forget_keys(here.deployment)
    assert raised.value.because == f"{words}: line 3"


def test_silence_is_no_success(here):
    here.engine.on_call = lambda _: None
    with pytest.raises(ServiceError, match="does not react"):
        gate.forget_keys(replace(here.deployment, timeout=0.05))


def test_one_that_ends_is_not_waited_for(here, monkeypatch):
    monkeypatch.setattr(gate, "RESTARTS", 0.05)
    here.engine.on_call = lambda call: here.engine.dies(KES, 137) if call[0] == "signal" else None
    begun = time.monotonic()
    with pytest.raises(ServiceError, match=r"does not stay up \(exit code 137\)"):
        gate.forget_keys(replace(here.deployment, timeout=30))
    assert time.monotonic() - begun < 5


def test_one_that_was_started_again_has_forgotten_its_keys(here):
    def restarts(call) -> None:
        if call[0] == "signal":
            here.engine.start(KES)
            here.engine.start(KES)  # the engine in memory numbers its starts

    here.engine.on_call = restarts
    assert gate.forget_keys(replace(here.deployment, timeout=5))


def test_who_did_not_listen_yet_is_asked_again(here, monkeypatch):
    monkeypatch.setattr(gate, "AGAIN", 0.2)
    asked = []

    def deaf_at_first(call) -> None:
        asked.append(call[0])
        if asked.count("signal") > 1:
            here.engine.says(KES, gate.RELOADED)

    here.engine.on_call = deaf_at_first
    assert gate.forget_keys(replace(here.deployment, timeout=10))


def test_an_answer_to_an_earlier_signal_does_not_count(here):
    here.engine.says(KES, gate.RELOADED)
    here.engine.on_call = lambda _: None
    with pytest.raises(ServiceError, match="does not react"):
        gate.forget_keys(replace(here.deployment, timeout=0.05))


def test_an_answer_counts_in_a_log_that_the_engine_cut_off(here):
    here.engine.says(KES, gate.RELOADED)

    def cut_off(call) -> None:
        if call[0] == "signal":
            here.engine.forgets_its_log(KES)
            for line in (*["another line"] * 20, gate.RELOADED):
                here.engine.says(KES, line)

    here.engine.on_call = cut_off
    assert gate.forget_keys(replace(here.deployment, timeout=1))


def test_of_a_long_log_only_the_end_is_read(here, monkeypatch):
    monkeypatch.setattr(gate, "LATEST", 3)
    for _ in range(5):
        here.engine.says(KES, gate.RELOADED)
    here.engine.on_call = lambda call: here.engine.says(KES, gate.RELOADED) if call[0] == "signal" else None
    assert gate.forget_keys(replace(here.deployment, timeout=1))


def test_the_old_certificate_is_no_success(here, monkeypatch):
    old = here.home.read("certs/kes-server/public.crt")
    here.later(days=380)
    monkeypatch.setattr("kesdeploy.clients.served_certificate", lambda *_, **__: old)
    with pytest.raises(CertificateError, match="still serves"):
        here.up()
    monkeypatch.undo()
    here.rewire(monkeypatch)
    here.up()
    assert here.plan().empty


def test_a_server_that_ended_is_not_asked_again(here, monkeypatch):
    monkeypatch.setattr(gate, "RESTARTS", 0.05)
    here.engine.dies(KES, 137)

    def refused(*_, **__):
        raise ServiceError("it does not answer", because="connection refused")

    monkeypatch.setattr("kesdeploy.clients.served_certificate", refused)
    begun = time.monotonic()
    with pytest.raises(ServiceError, match=r"does not stay up \(exit code 137\)"):
        gate.wait_served(replace(here.deployment, timeout=30), "certificate/kes-server")
    assert time.monotonic() - begun < 5


def test_a_server_that_is_too_busy_to_answer_is_asked_again(here, monkeypatch):
    leaf = here.home.path("certs/kes-server/public.crt").read_bytes()
    looks = iter([ServiceError("it does not answer", because="time-out"), leaf])

    def served(*_, **__):
        look = next(looks)
        if isinstance(look, ServiceError):
            raise look
        return look

    monkeypatch.setattr("kesdeploy.clients.served_certificate", served)
    gate.wait_served(here.deployment, "certificate/kes-server")
    assert next(looks, None) is None
