"""What became of a key, told apart: each has words of its own, a way back, and nothing is made in its place."""

from __future__ import annotations

import json
import shutil

import pytest
from core_fixtures import VAULT, World, spec_of, world

from kesdeploy import deploy, gate, keystores, opening, proven
from kesdeploy.errors import DataProtected, ServiceError
from kesdeploy.home import Home
from kesdeploy.opening import Wish
from kesdeploy.report import Silent

KEY = "minio-backend-default-key"
THEIRS = f"name: fs\nkey_name: {KEY}\nkeystore: {{vault: {{address: 'https://10.0.0.9:8200', prefix: one}}}}\n"


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.up()
    data(made)
    return made


def data(here: World) -> None:
    here.home.make("minio/.minio.sys/config")
    here.home.write(f"kes/{KEY}", b"a2V5")


def lost(here: World) -> DataProtected:
    with pytest.raises(DataProtected) as raised:
        gate.before_minio(here.deployment)
    return raised.value


def test_a_key_that_is_gone(here):
    del here.kes.keys[KEY]
    error = lost(here)
    assert "is gone from the keystore; no other is made in its place" in error.what
    assert error.because == "key does not exist"
    assert error.hint == f"put kes/{KEY} back from your copy; then: kesdeploy up -n fs"
    assert KEY not in here.kes.keys


def test_a_key_that_was_made_again(tmp_path, monkeypatch):
    here = world(tmp_path, monkeypatch)
    here.kes.about[KEY] = {"created_at": "2026-06-01T12:00:00Z", "created_by": "us"}
    here.up()
    here.kes.keys[KEY] = b"another"
    here.kes.about[KEY] = {"created_at": "2026-06-02T08:00:00Z", "created_by": "somebody"}
    error = lost(here)
    assert "another key of the name" in error.what
    assert error.because == "the data's was made 2026-06-01T12:00:00Z, this one 2026-06-02T08:00:00Z by somebody"


def test_another_key_of_which_nothing_is_told(here):
    here.kes.keys[KEY] = b"another"
    assert lost(here).because == "ciphertext is not authentic"


@pytest.fixture
def theirs(tmp_path, monkeypatch) -> World:
    """A deployment that uses a Vault of somebody's."""
    made = world(tmp_path, monkeypatch, spec_of(THEIRS))
    vault = keystores.KEYSTORES["vault"]
    monkeypatch.setattr(type(vault), "instance", lambda *_: made.home.read_secret("instance") or "cluster 1")
    for name in ("bootstrap", "preflight"):
        monkeypatch.setattr(type(vault), name, lambda *_: None)
    monkeypatch.setattr(type(vault), "unsettled", lambda *_: None)
    monkeypatch.setattr("kesdeploy.ensure._maker", lambda *_: next(iter(_ours(made))))
    for name in ("vault-approle-id", "vault-approle-secret"):
        made.home.write_secret(name, "known")
    made.home.write_secret("vault-kv-version", "v2")
    made.up()
    data(made)
    return made


def _ours(here: World) -> frozenset[str]:
    from kesdeploy import identities

    return identities.ours(here.home)


@pytest.mark.parametrize(
    ("field", "value", "was"),
    [("prefix", "two", "'one'"), ("address", "https://10.0.0.8:8200", "'https://10.0.0.9:8200'")],
)
def test_the_spec_names_another_place(theirs, field, value, was):
    theirs.want(**{f"keystore__vault__{field}": value})
    kept = theirs.kes.keys.pop(KEY)
    error = lost(theirs)
    assert error.what == f"the keystore that the spec names now does not hold the key {KEY!r} of the data here"
    assert f"keystore.vault.{field} was {was} and is {value!r}; no such key is there" in error.because
    assert error.hint.startswith(f"kesdeploy up -n fs --set keystore.vault.{field}={was[1:-1]}; or copy the keys")
    theirs.kes.keys[KEY] = b"another"
    assert "opens nothing of it" in lost(theirs).because
    theirs.kes.keys[KEY] = kept


def test_a_setting_that_was_left_out_before(theirs):
    theirs.want(keystore__vault__engine="secret", keystore__vault__prefix="two")
    del theirs.kes.keys[KEY]
    error = lost(theirs)
    assert "keystore.vault.engine was left out and is 'secret'" in error.because
    assert "put keystore.vault.prefix, keystore.vault.engine back in" in error.hint


def test_a_vault_that_was_set_up_anew(theirs):
    del theirs.kes.keys[KEY]
    theirs.home.write_secret("instance", "cluster 2")
    error = lost(theirs)
    assert "OpenBao or HashiCorp Vault is not the one that held the key" in error.what
    assert error.because == "it was cluster 1, and is cluster 2"
    assert "vault kv undelete -mount=kv -versions=1 one/" in error.hint


def test_a_migration_that_brought_the_keys_along_passes(theirs):
    """Not whether a setting changed: whether the keystore opens it. From then on, the new place counts."""
    theirs.want(keystore__vault__prefix="two")
    gate.before_minio(theirs.deployment)
    theirs.want(keystore__vault__prefix="one")
    del theirs.kes.keys[KEY]
    assert "keystore.vault.prefix was 'two' and is 'one'" in lost(theirs).because


def test_kes_goes_back_to_what_was_proven(theirs):
    """While MinIO runs: another place for the keys is asked, and left again when they are not there."""
    config = theirs.home.path("config/kes/kes-config.yaml")
    proven_text = config.read_text()
    theirs.want(keystore__vault__prefix="two")
    held = theirs.kes.keys

    def only_there(call):
        if call[0] == "signal":
            theirs.kes.keys = held if config.read_text() == proven_text else {}
        theirs._called(call)

    theirs.engine.on_call = only_there
    with pytest.raises(DataProtected, match="does not hold the key"):
        theirs.up()
    assert config.read_text() == proven_text
    assert theirs.kes.keys is held
    assert theirs.engine.container("fs-minio-server").running
    theirs.want(keystore__vault__prefix="one")
    theirs.up()
    assert theirs.plan().empty


def test_a_spec_that_would_lose_data_does_not_stay(here, monkeypatch):
    here.command_line(monkeypatch)
    deploy.up(Wish("up", "fs", overrides={"keystore.fs": {}}, timeout=1), Silent())
    data(here)
    before = here.home.read("kesdeploy.yaml")
    here.kes.keys[KEY] = b"another"
    here.engine.dies("fs-minio-server")
    with pytest.raises(DataProtected):
        deploy.up(Wish("up", "fs", overrides={"minio.auto_encryption": False}, timeout=1), Silent())
    assert here.home.read("kesdeploy.yaml") == before


def test_nothing_is_proven_by_a_keystore_that_does_not_answer(here):
    here.want(kes__log__error="debug")
    here.kes.lost = True
    with pytest.raises(ServiceError):
        here.up()
    assert proven.differs(here.home)
    here.kes.lost = False
    here.up()
    assert not proven.differs(here.home)


def test_minio_may_not_make_a_key_whose_bucket_left_the_spec(here):
    from kesdeploy import topology
    from kesdeploy.keystores import Site

    here.want(minio__buckets=[{"name": "own", "key": "own-key"}])
    here.up()
    here.want(minio__buckets=[])
    guarded = here.home.guarded_keys()
    site = Site(str(here.home.root), "1000:1000", here.images, guarded=guarded)
    config = next(r for r in topology.desired(here.spec, site) if r.address == topology.KES_CONFIG)
    assert set(config.body.context["keys"]) == {KEY, "own-key"}


# --- before anything is asked


def refused(here: World, **wish) -> DataProtected:
    with pytest.raises(DataProtected) as raised:
        deploy.plan(Wish("plan", "fs", **wish), Silent())
    return raised.value


@pytest.fixture
def known(here, monkeypatch) -> World:
    here.command_line(monkeypatch)
    deploy.up(Wish("up", "fs", overrides={"keystore.fs": {}}, timeout=1), Silent())
    data(here)
    return here


def test_a_folder_of_keys_that_is_gone_is_not_made_anew(known):
    known.home.path(f"kes/{KEY}").unlink()
    error = refused(known)
    assert f"kes/{KEY} is gone" in error.what
    assert error.hint == f"put kes/{KEY} back from your copy; then: kesdeploy up -n fs"


@pytest.mark.parametrize("text", ["name: fs\n", "name: fs\nkeystore: {}\n", "name: fs\nkeystore:\n", ""])
def test_no_kms_any_more(known, text):
    known.home.write("kesdeploy.yaml", text.encode())
    error = refused(known)
    assert "MinIO cannot read it without a KMS" in error.what
    assert "it was 'fs'" in error.because
    assert error.hint == "kesdeploy up -n fs --kms fs"


def test_no_kms_any_more_by_a_flag(known):
    assert "without a KMS" in refused(known, overrides={"keystore": None}).what


def test_a_kms_with_settings_is_told_with_them(theirs):
    theirs.home.write("kesdeploy.yaml", b"name: fs\n")
    with pytest.raises(DataProtected) as raised:
        opening.load(Wish("up", "fs"), theirs.home)
    assert '{"vault": {"address": "https://10.0.0.9:8200", "prefix": "one"}}' in raised.value.hint


def test_no_kms_and_no_data_is_a_question_as_ever(known):
    shutil.rmtree(known.home.path("minio"))
    known.home.write("kesdeploy.yaml", b"name: fs\n")
    with pytest.raises(Exception, match="has a problem"):
        opening.load(Wish("up", "fs"), known.home)


def test_another_keystore_is_noticed_without_the_state(known):
    known.home.state.unlink()
    assert "keystore 'fs'" in refused(known, overrides={"keystore.vault": {}}).what


def test_another_default_key_is_noticed_without_the_fingerprint(known):
    """MinIO's own configuration tells which it was."""
    known.home.secret(f"fingerprint-{KEY}.json").unlink()
    sealed = b'{"version":1,"keyid":"%s","kmskey":"x"}' % KEY.encode()
    known.home.write("minio/.minio.sys/config/config.json/xl.meta", sealed)
    error = refused(known, overrides={"key_name": "another"})
    assert error.hint.startswith(f"kesdeploy up -n fs --key-name {KEY}")


def test_the_storage_of_a_vault_of_ours(tmp_path, monkeypatch):
    made = world(tmp_path, monkeypatch, spec_of(VAULT))
    vault = keystores.of(made.spec)
    assert vault.lacks(made.deployment.work) == ""
    made.home.write_secret(f"fingerprint-{KEY}.json", json.dumps({}))
    assert vault.lacks(made.deployment.work) == "vault/"
    made.home.write("vault/raft/data", b"")
    assert vault.lacks(made.deployment.work) == "secrets/vault-seal-key"
    made.home.write_secret("vault-seal-key", "")
    assert vault.lacks(made.deployment.work) == "secrets/vault-seal-key"
    assert "config/vault-seal/key" in vault.restore(made.spec, "vault-seal-key")
    made.home.write_secret("vault-seal-key", "AAAA")
    assert vault.lacks(made.deployment.work) == ""


@pytest.mark.parametrize("damaged", [None, "", "{", "[]", "1", '{"keys": []}'])
def test_the_unseal_keys_of_a_vault_of_ours(tmp_path, monkeypatch, damaged):
    made = world(tmp_path, monkeypatch, spec_of(VAULT, keystore__vault__seal="shares"))
    vault = keystores.of(made.spec)
    made.home.write_secret(f"fingerprint-{KEY}.json", json.dumps({}))
    made.home.write("vault/raft/data", b"")
    if damaged is not None:
        made.home.write_secret("vault-init.json", damaged)
    assert vault.lacks(made.deployment.work) == "secrets/vault-init.json"
    made.home.write_secret("vault-init.json", '{"keys": ["x"]}')
    assert vault.lacks(made.deployment.work) == ""


def test_the_home_of_a_vault_of_ours(tmp_path, monkeypatch):
    made = world(tmp_path, monkeypatch, spec_of(VAULT))
    assert Home.of("vault").root == made.home.root
