from __future__ import annotations

import base64
import json

import pytest
from core_fixtures import World, spec_of, world
from xl import meta, store, version

from kesdeploy import ensure, keys, pki, services
from kesdeploy.errors import CertificateError, DataProtected, KesdeployError, ServiceError, SpecError, UsageError
from kesdeploy.plan import Change, Verb
from kesdeploy.resources import Bucket, File, Key, Resource, Secret

KEY = "minio-backend-default-key"
CHANGE = Change(Verb.CREATE, "")


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    return world(tmp_path, monkeypatch)


def _resource(here: World, address: str) -> Resource:
    return next(r for r in here.desired if r.address == address)


def _secret(here: World, make: str, source: str = "") -> str:
    resource = Resource("secret/root-password", Secret("root-password", make, source))
    ensure.ensure_secret(here.deployment, resource, CHANGE)
    return here.home.read_secret("root-password")


# --- secrets


@pytest.mark.parametrize(("make", "length"), [("user", 16), ("password", 32), ("key32", 44)])
def test_a_secret_is_made_once_and_survives(here, make, length):
    value = _secret(here, make)
    assert len(value) == length
    assert _secret(here, make) == value
    assert here.home.secret("root-password").stat().st_mode & 0o777 == 0o600


def test_a_seal_key_is_32_bytes(here):
    assert len(base64.b64decode(_secret(here, "key32"))) == 32


@pytest.mark.parametrize("text", ["correct horse", "correct horse\n", "correct horse\r\n"])
def test_a_secret_of_a_file_comes_without_its_line_end(here, tmp_path, text):
    (tmp_path / "secret").write_bytes(text.encode())
    assert _secret(here, "given", f"@{tmp_path}/secret") == "correct horse"


def test_a_secret_of_a_variable_is_taken_as_it_is(here, monkeypatch):
    monkeypatch.setenv("PASSWORD", "q\"u$o'te#\\ ü")
    assert _secret(here, "given", "env:PASSWORD") == "q\"u$o'te#\\ ü"


@pytest.mark.parametrize("source", ["@/no/such/file", "env:NO_SUCH_VARIABLE"])
def test_a_source_without_a_secret_names_itself(here, source):
    with pytest.raises(UsageError) as raised:
        _secret(here, "given", source)
    assert source in raised.value.what


@pytest.mark.parametrize("value", ["short", " spaces at an end ", "env-begins", "line\nend-inside"])
def test_a_password_that_minio_could_not_use_is_refused_and_not_repeated(here, monkeypatch, value):
    monkeypatch.setenv("PASSWORD", value)
    with pytest.raises(UsageError) as raised:
        _secret(here, "given", "env:PASSWORD")
    assert value not in f"{raised.value} {raised.value.because} {raised.value.hint}"
    assert here.home.read_secret("root-password") is None


# --- files of the deployment


def test_every_file_with_a_secret_is_for_its_owner_alone(here):
    here.up()
    public = {"ca.crt", "public.crt", "bundle.crt", "kesdeploy.yaml"}
    open_to_others = {
        str(path.relative_to(here.home.root))
        for path in here.home.root.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o077 and path.name not in public
    }
    assert open_to_others == set()
    assert all(p.stat().st_mode & 0o777 == 0o700 for p in here.home.root.rglob("*") if p.is_dir())


def test_an_identity_keeps_its_key_when_it_is_made_again(here):
    here.up()
    before = pki.identity(here.home.identity("minio")[0].read_bytes())
    here.home.secret("minio.crt").unlink()
    here.up()
    assert pki.identity(here.home.identity("minio")[0].read_bytes()) == before


def test_a_damaged_identity_is_not_silently_another_one(here):
    here.up()
    here.home.write("secrets/minio.key", b"garbage")
    with pytest.raises(CertificateError) as raised:
        here.up()
    assert "secrets/minio.key" in raised.value.what
    here.home.secret("minio.key").unlink()
    here.up()
    assert here.plan().empty


def test_the_authority_is_made_once(here):
    here.up()
    before = here.home.ca_cert.read_bytes()
    ensure.ensure_authority(here.deployment, _resource(here, "authority/ca"), CHANGE)
    assert here.home.ca_cert.read_bytes() == before


def test_a_file_that_is_right_already_is_no_new_generation(here):
    here.up()
    deployment = here.deployment
    before = deployment.state.value.generations
    ensure.ensure_file(deployment, _resource(here, "file/kes-config"), CHANGE)
    assert deployment.state.value.generations == before


def test_a_generation_is_counted_before_the_file_is_written(here, monkeypatch):
    here.up()
    here.want(kes__cache__any="1m")
    deployment = here.deployment
    before = deployment.state.value.generations["file/kes-config"]

    def killed(*_):
        raise SystemError

    monkeypatch.setattr(type(here.home), "write", killed)
    with pytest.raises(SystemError):
        ensure.ensure_file(deployment, _resource(here, "file/kes-config"), CHANGE)
    assert here.deployment.state.value.generations["file/kes-config"] == before + 1


def test_what_kes_would_ignore_is_refused(here, monkeypatch):
    here.up()
    monkeypatch.setattr("kesdeploy.filled.text", lambda *_: "version: v1\nunknown: 1\n")
    resource = _resource(here, "file/kes-config")
    assert isinstance(resource.body, File)
    with pytest.raises(SpecError) as raised:
        ensure.ensure_file(here.deployment, resource, CHANGE)
    assert "unknown" in raised.value.because
    assert b"unknown: 1" not in here.home.read("config/kes/kes-config.yaml")


# --- keys


def _ensure_key(here: World, name: str = KEY) -> None:
    keys.ensure_key(here.deployment, Resource(f"key/{name}", Key(name)), CHANGE)


def _ensure_fingerprint(here: World) -> None:
    ensure.ensure_fingerprint(here.deployment, _resource(here, f"fingerprint/{KEY}"), CHANGE)


def test_a_key_is_created_where_nothing_exists(here):
    _ensure_key(here)
    assert KEY in here.kes.keys


def test_a_key_that_is_there_is_left_alone(here):
    here.kes.keys[KEY] = b"the very key"
    _ensure_key(here)
    assert here.kes.keys[KEY] == b"the very key"


def test_kes_logs_in_again_when_its_keystore_fails_it(here):
    """Its login may have been ended: KES goes on with it until it reads its configuration again."""
    _ensure_key(here)
    here.kes.lost = True

    def login(call):
        here.kes.lost = False
        here._called(call)

    here.engine.on_call = login
    _ensure_key(here)
    assert here.engine.calls[-1] == ("signal", "fs-kes-server", "SIGHUP")


def test_a_key_with_a_fingerprint_is_never_made_again(here):
    _ensure_key(here)
    _ensure_fingerprint(here)
    del here.kes.keys[KEY]
    with pytest.raises(DataProtected) as raised:
        _ensure_key(here)
    assert raised.value.exit_code == 9
    assert not here.kes.keys


def _data(here: World) -> None:
    (here.home.root / "minio" / ".minio.sys" / "config").mkdir(parents=True)


def test_a_default_key_under_data_is_never_made_again_even_without_a_fingerprint(here):
    _data(here)
    with pytest.raises(DataProtected):
        _ensure_key(here)
    _ensure_key(here, "a-new-bucket-key")
    assert set(here.kes.keys) == {"a-new-bucket-key"}


def test_a_key_that_objects_need_is_never_made_again_even_without_a_fingerprint(here):
    """Of a bucket that now gets another key, the objects still need the old one, and not the new one."""
    store(here.home.path("minio"), "photos", "cat", meta(version("sse-kms", "old-key")))
    here.want(minio__buckets=[{"name": "photos", "key": "new-key"}])
    with pytest.raises(DataProtected, match="old-key"):
        _ensure_key(here, "old-key")
    _ensure_key(here, "new-key")
    assert set(here.kes.keys) == {"new-key"}


@pytest.mark.parametrize("broken", ["denied", "silent"])
def test_a_keystore_that_cannot_say_is_not_taken_for_an_empty_one(here, broken):
    if broken == "denied":
        here.kes.denied.add("operator")
    else:
        here.kes.silent = True
    with pytest.raises(ServiceError):
        _ensure_key(here)
    assert not here.kes.keys


# --- fingerprints


def test_a_fingerprint_is_made_as_minio_and_holds_no_plaintext(here):
    _ensure_key(here)
    here.kes.denied.add("operator")
    _ensure_fingerprint(here)
    file = here.home.fingerprint(KEY)
    document = json.loads(file.read_text())
    assert set(document) == {"key", "keystore", "sandbox", "kes", "ciphertext", "sha256", "made", "origin"}
    assert file.stat().st_mode & 0o777 == 0o600
    ensure.check_fingerprint(here.deployment, KEY)


def test_a_denied_identity_has_no_fingerprint(here):
    _ensure_key(here)
    here.kes.denied.add("minio")
    with pytest.raises(ServiceError):
        _ensure_fingerprint(here)
    assert not here.home.fingerprint(KEY).exists()


@pytest.mark.parametrize(("loss", "words"), [("gone", "does not exist"), ("another", "not authentic")])
def test_a_key_that_is_gone_or_another_protects_the_data(here, loss, words):
    _ensure_key(here)
    _ensure_fingerprint(here)
    old = here.kes.keys.pop(KEY)
    if loss == "another":
        _ensure_key_by_hand(here)
    with pytest.raises(DataProtected) as raised:
        ensure.check_fingerprint(here.deployment, KEY)
    assert words in raised.value.because
    here.kes.keys[KEY] = old
    ensure.check_fingerprint(here.deployment, KEY)


def _ensure_key_by_hand(here: World) -> None:
    here.kes.door(here.spec, here.home).create_key(KEY)


def test_a_key_that_opens_it_to_something_else_protects_the_data(here):
    _ensure_key(here)
    _ensure_fingerprint(here)
    file = here.home.fingerprint(KEY)
    file.write_text(json.dumps({**json.loads(file.read_text()), "sha256": "0" * 64}))
    with pytest.raises(DataProtected):
        ensure.check_fingerprint(here.deployment, KEY)


@pytest.mark.parametrize("broken", ["denied", "silent"])
def test_a_keystore_that_cannot_say_is_a_service_error_and_no_loss(here, broken):
    _ensure_key(here)
    _ensure_fingerprint(here)
    if broken == "denied":
        here.kes.denied.add("minio")
    else:
        here.kes.silent = True
    with pytest.raises(ServiceError):
        ensure.check_fingerprint(here.deployment, KEY)


@pytest.mark.parametrize("text", ["", "{}", '{"ciphertext": "!", "sha256": ""}', "\0"])
def test_a_broken_fingerprint_is_one_clear_error(here, text):
    _ensure_key(here)
    here.home.fingerprint(KEY).write_text(text)
    with pytest.raises(DataProtected, match="fingerprint"):
        ensure.check_fingerprint(here.deployment, KEY)


# --- buckets


@pytest.mark.parametrize(("mode", "rule"), [("sse-kms", ("sse-kms", "own")), ("sse-s3", ("sse-s3", None))])
def test_a_bucket_gets_its_rule_and_keeps_it(here, mode, rule):
    for _ in range(2):
        ensure.ensure_bucket(here.deployment, Resource("bucket/photos", Bucket("photos", "own", mode)), CHANGE)
    assert here.store.rules == {"photos": rule}


def test_no_root_credentials_yet(tmp_path, monkeypatch):
    here = world(tmp_path, monkeypatch, spec_of())
    with pytest.raises(KesdeployError, match="no root credentials"):
        services.root(here.spec, here.home)
