"""A KES that others run: what a spec may say of it, what is asked of it, and what its operator is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from bao import NOW, Told, free_port
from their_kes import TheirKes

from kesdeploy import pki, topology
from kesdeploy.errors import CertificateError, ServiceError, SpecError, UsageError
from kesdeploy.home import Home
from kesdeploy.kes_config import KesConfig
from kesdeploy.keystores import FIELDS, KEYSTORES, Pick, Site, Work
from kesdeploy.keystores.kes import login
from kesdeploy.resources import Container, Pod
from kesdeploy.spec import load

KES = KEYSTORES["kes"]
SITE = Site("/root", "1000:1000", {"minio": Pick("minio", ("minio",))})
LEAST = "endpoints: 'https://kes.example.org:7373'"
GENERATE, CREATE = "/v1/key/generate/*", "/v1/key/create/*"


def spec_of(fields: str = LEAST, rest: str = ""):
    return load(f"name: demo\nkey_name: demo-key\nkeystore: {{kes: {{{fields}}}}}\n{rest}", {}, FIELDS)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    kes = TheirKes(tmp_path_factory.mktemp("kes"))
    yield kes
    kes.stop()


@pytest.fixture
def user(theirs, tmp_path, monkeypatch):
    # From a container it would not be reached; that refusal has a test of its own.
    monkeypatch.setattr(login, "refuse_loopback", lambda *_, **__: None)
    return User(theirs, tmp_path)


class User:
    """Somebody with a deployment of their own, whose KES is `theirs`."""

    def __init__(self, theirs, folder) -> None:
        self.theirs, self.folder, self.told = theirs, folder, Told()
        self.home = Home("demo", folder / "minio-kes-demo")
        self.home.prepare()

    def work(self, fields: str = "", *, endpoints: tuple[str, ...] = (), ca: str = "") -> Work:
        found = list(endpoints or (self.theirs.address,))
        spec = spec_of(f"endpoints: {found}, ca: {ca or self.theirs.ca}, {fields}")
        return Work(spec, self.home, NOW, self.told, timeout=5)

    def key(self) -> str:
        """An API key of its own, in a file; the fields that name it."""
        self.api_key = pki.new_api_key()
        (self.folder / "api-key").write_text(f"{self.api_key}\n")
        return f"api_key: '@{self.folder}/api-key'"

    @property
    def identity(self) -> str:
        return pki.identity(pki.key_of(self.api_key))

    def pair(self, certificate: bytes, key: bytes) -> str:
        (self.folder / "crt").write_bytes(certificate)
        (self.folder / "key").write_bytes(key)
        return f"certificate: {self.folder}/crt, key: '@{self.folder}/key'"


# --- the spec


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("", "keystore.kes.endpoints: required"),
        ("endpoints: []", "at least 1 item"),
        ("endpoints: 'http://kes:7373'", "begins with https://"),
        ("endpoints: 'https://kes'", "https://HOST:PORT"),
        ("endpoints: 'https://kes:7373/v1'", "at no path"),
        ("endpoints: 'https://kes{1...3}:7373'", "each address by itself"),
        ("endpoints: 'https://kes:7373, https://kes:7373/'", "twice"),
        ("endpoints: 'https://play.min.io:7373'", "play.min.io is gone; and everybody had its root key"),
        (f"{LEAST}, enclave: tenant", "enclave: KES has none"),
        (f"{LEAST}, api_key: 'kes:v1:AGaV6VXHasF0FnaB60WdCOeTZ8eTIDikL4zlN16c8NAs'", "does not belong in a spec"),
        (f"{LEAST}, api_key: 'env:K', certificate: /c, key: 'env:C'", "never with both"),
        (f"{LEAST}, certificate: /c", "key: a client certificate needs its private key"),
        (f"{LEAST}, key: 'env:C'", "certificate: a client certificate needs"),
        (f"{LEAST}, ca: ca.pem", "absolute path"),
    ],
)
def test_a_mistake_is_told(fields, says):
    with pytest.raises(SpecError) as raised:
        spec_of(fields)
    assert says in raised.value.because
    assert "AGaV6VXHasF0" not in raised.value.because


def test_several_endpoints_as_minio_writes_them():
    assert spec_of("endpoints: 'https://a:7373, https://b:7373/'").keystore.endpoints == (
        "https://a:7373",
        "https://b:7373",
    )


def test_the_section_of_a_kes_of_ours_is_refused():
    with pytest.raises(SpecError) as raised:
        spec_of(rest="kes: {cache: {any: 1m}}\n")
    assert raised.value.because.startswith("kes: this KES is configured by whoever runs it")
    assert spec_of(rest="kes: {cache: {any: 5m}}\n"), "the defaults change nothing"


# --- what is deployed


@pytest.mark.parametrize("fields", [LEAST, f"{LEAST}, api_key: 'env:K'", f"{LEAST}, certificate: /c, key: 'env:C'"])
def test_nothing_of_kes_is_deployed(fields):
    spec = spec_of(fields)
    assert topology.components(spec) == ("minio",)
    assert list(topology.published(spec, KES)) == ["s3_port", "console_port"]
    desired = {r.address: r.body for r in topology.desired(spec, SITE)}
    assert [body.component for body in desired.values() if isinstance(body, Container)] == ["minio"]
    assert [address for address in desired if "operator" in address or "kes-server" in address] == []
    (pod,) = (body for body in desired.values() if isinstance(body, Pod))
    assert (len(pod.ports), len(pod.hosts)) == (2, 1)


def test_the_policy_is_one_that_kes_takes_and_its_linter_too(golden):
    spec = spec_of(rest="minio: {buckets: [{name: photos, key: photos-key}, {name: other}]}\n")
    text = KES.policy(spec)
    golden("keystores/kes-policy.yaml", text)
    policy = yaml.safe_load(text.replace("<identity minio>", "0" * 64))["policy"]
    config = KesConfig.model_validate(
        {
            "version": "v1",
            "admin": {"identity": "disabled"},
            "tls": {"key": "/k", "cert": "/c"},
            "policy": policy,
            "cache": {"expiry": {"any": "5m", "unused": "30s"}},
            "keystore": {"fs": {"path": "/keys"}},
        }
    )
    assert not [pattern for pattern in config.policy["minio-demo"].allow if "create" in pattern]


# --- what is asked


def asked(fields=None):
    known = FIELDS["kes"].model_construct(**(fields or {}))
    return {question.path: question for question in KES.questions(known)}


def test_an_api_key_is_proposed_by_its_place_never_by_its_value(monkeypatch):
    monkeypatch.delenv("MINIO_KMS_KES_API_KEY", raising=False)
    assert (asked()["keystore.kes.api_key"].default, asked()["keystore.kes.api_key"].skip) == ("", "make")
    monkeypatch.setenv("MINIO_KMS_KES_API_KEY", "kes:v1:secret")
    assert asked()["keystore.kes.api_key"].default == "env:MINIO_KMS_KES_API_KEY"
    assert not any(question.secret for question in asked().values())


def test_who_brings_a_certificate_is_not_asked_for_an_api_key():
    assert list(asked({"certificate": "/c"})) == ["keystore.kes.endpoints", "keystore.kes.ca"]


# --- before anything starts


def refused(user, fields: str = "", error: type[Exception] = ServiceError, **options):
    with pytest.raises(error) as found:
        KES.preflight(user.work(fields, **options))
    return found.value


def test_a_kes_that_is_there_passes(user):
    KES.preflight(user.work())
    KES.preflight(user.work(user.key()))
    assert user.told.warnings == []
    assert user.theirs.log.count("create") == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_an_address_that_is_the_pod_itself(theirs, tmp_path, host):
    user = User(theirs, tmp_path)
    error = refused(user, error=UsageError, endpoints=(f"https://{host}:7373",))
    assert error.what.startswith("MinIO cannot reach")
    assert "keystore.kes.endpoints" in error.hint


def test_nobody_there(user):
    error = refused(user, endpoints=(f"https://127.0.0.1:{free_port()}",))
    assert (error.because, error.exit_code) == ("connection refused", 6)


def test_one_of_several_is_enough(user):
    KES.preflight(user.work(endpoints=(f"https://127.0.0.1:{free_port()}", user.theirs.address)))
    assert "MinIO uses the others" in user.told.warnings[0]


def test_another_authority(user, tmp_path):
    other = tmp_path / "other.pem"
    other.write_bytes(pki.Authority.create("other", NOW).cert_pem)
    assert "keystore.kes.ca" in refused(user, ca=str(other)).hint


def test_a_file_that_is_no_authority(user, tmp_path):
    (tmp_path / "none.pem").write_text("no pem")
    refused(user, error=CertificateError, ca=str(tmp_path / "none.pem"))


def test_an_api_key_that_is_none(user):
    (user.folder / "api-key").write_text("hunter2-hunter2")
    error = refused(user, f"api_key: '@{user.folder}/api-key'", error=CertificateError)
    assert "hunter2" not in f"{error.what}{error.because}{error.hint}"


def test_a_certificate_of_another_key(user):
    (certificate, _), (_, key) = user.theirs.client("one"), user.theirs.client("two")
    error = refused(user, user.pair(certificate.read_bytes(), key.read_bytes()), error=CertificateError)
    assert "do not belong together" in error.what


def test_a_certificate_that_kes_would_overlook(user):
    authority = user.theirs.authority
    error = refused(user, user.pair(authority.cert_pem, authority.key_pem), error=CertificateError)
    assert "CA:TRUE" in error.what


def test_a_kes_that_takes_certificates_of_its_own_ca_alone(user, tmp_path):
    user.theirs = strict = TheirKes(tmp_path / "strict", auth="on")
    try:
        error = refused(user, user.key())
        assert "keystore.kes.certificate" in error.hint, error.because
        certificate, key = strict.client("minio")
        KES.preflight(user.work(user.pair(certificate.read_bytes(), key.read_bytes())))
    finally:
        strict.stop()


# --- how it is


def test_states(user):
    work = user.work(user.key())
    gone = replace(work, spec=user.work(user.key(), endpoints=(f"https://127.0.0.1:{free_port()}",)).spec)
    assert KES.state(gone) == "UNREACHABLE"
    work = user.work(user.key())
    assert KES.state(work) == "DENIED"
    user.theirs.allow(user.identity, GENERATE, CREATE)
    assert KES.state(work) == "MISSING KEY"
    user.theirs.door.create_key("demo-key")
    assert KES.state(work) == "ok"
    user.theirs.door.delete_key("demo-key")
