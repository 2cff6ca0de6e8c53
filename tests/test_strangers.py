"""Whom KES must refuse."""

from __future__ import annotations

import pytest
from core_fixtures import spec_of, world

from kesdeploy import pki, strangers
from kesdeploy.errors import ServiceError

DENIED = ServiceError("no", because="not authorized: insufficient permissions", status=403)
ALERT = ServiceError("no", because="TLS: TLSV1_ALERT_UNKNOWN_CA")
BROKEN = ServiceError("no", because="Connection reset by peer")


class Answers:
    """A KES that answers one stranger after the other, and knows whose certificate they show."""

    def __init__(self, *answers: ServiceError | None) -> None:
        self.answers = list(answers)
        self.issuers: list[str] = []

    def __call__(self, _spec, _home, pair, *, timeout):
        certificate, key = pair
        assert pki.identity(certificate.read_bytes()) == pki.identity(key.read_bytes())
        self.issuers.append(pki.describe(certificate.read_bytes()).issuer)
        return self

    def generate(self, _):
        if (answer := self.answers.pop(0)) is not None:
            raise answer


@pytest.fixture
def refused(tmp_path, monkeypatch):
    def ask(auth: str, *answers: ServiceError | None) -> tuple[str, Answers]:
        here = world(tmp_path, monkeypatch, spec_of(kes__auth=auth))
        here.up()
        kes = Answers(*answers)
        monkeypatch.setattr(strangers.services, "kes_as", kes)
        return strangers.refused(here.deployment), kes

    return ask


def test_a_key_that_no_policy_names(refused):
    said, kes = refused("api-key", DENIED)
    assert said == "not authorized: insufficient permissions"
    assert kes.issuers == ["CN=kesdeploy fs"]


@pytest.mark.parametrize("alert", [ALERT, BROKEN])
def test_a_certificate_of_another_ca(refused, alert):
    said, kes = refused("certificate", DENIED, alert)
    assert "with a certificate of another CA turned away by TLS" in said
    assert kes.issuers == ["CN=kesdeploy fs", "CN=stranger"]


def test_one_that_only_the_policies_refuse(refused):
    with pytest.raises(ServiceError, match="lets in who has a certificate of another CA"):
        refused("certificate", DENIED, DENIED)


@pytest.mark.parametrize("answers", [(None,), (DENIED, None)])
def test_one_that_is_served(refused, answers):
    with pytest.raises(ServiceError, match="made a data key for a stranger"):
        refused("certificate", *answers)


@pytest.mark.parametrize("silence", ["connection refused", "time-out"])
def test_silence_is_no_refusal(refused, silence):
    with pytest.raises(ServiceError) as raised:
        refused("certificate", DENIED, ServiceError("no", because=silence))
    assert raised.value.because == silence


@pytest.fixture
def kept(tmp_path, monkeypatch):
    here = world(tmp_path, monkeypatch, spec_of(kes__key_prefix="team-"))
    here.up()
    return here


def test_minio_is_kept_to_its_prefix(kept):
    kept.kes.denied.add("minio")
    assert "'xteam-kesdeploy' refused" in strangers.kept_to_its_prefix(kept.deployment)


def test_and_it_is_noticed_when_it_is_not(kept):
    with pytest.raises(ServiceError, match="MinIO may use keys outside of 'team-'"):
        strangers.kept_to_its_prefix(kept.deployment)
    kept.kes.keys["xteam-kesdeploy"] = b"k"
    with pytest.raises(ServiceError, match="MinIO may use keys outside of 'team-'"):
        strangers.kept_to_its_prefix(kept.deployment)
