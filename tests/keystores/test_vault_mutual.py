"""A Vault that lets in only who shows a certificate: on a real OpenBao."""

from __future__ import annotations

import pytest
from bao import NOW
from vault_user import good, refused

from kesdeploy import pki
from kesdeploy.keystores.vault import Vault, names

pytestmark = [pytest.mark.openbao, pytest.mark.parametrize("shared", ["shares"], indirect=True)]
VAULT = Vault()


def test_with_the_certificate_it_is_as_any_other(user):
    work = user.work(good(user, user.pair()), address=user.bao.mutual)
    VAULT.preflight(work)
    VAULT.bootstrap(work)
    assert (VAULT.state(work), user.told.warnings) == ("ok", [])


def test_a_token_goes_through_it_too(user, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", user.bao.master)
    work = user.work(f"engine: mutual-kv, {user.pair()}", address=user.bao.mutual)
    VAULT.preflight(work)
    VAULT.bootstrap(work)
    assert VAULT.state(work) == "ok"


def test_without_one(user):
    error = refused(user, good(user), address=user.bao.mutual)
    assert "cannot be reached" in error.what
    assert "keystore.vault.tls.cert" in error.hint
    assert VAULT.state(user.work(good(user), address=user.bao.mutual)) == "UNREACHABLE"


def test_one_of_another_authority(user):
    fields = good(user, user.pair())
    leaf = pki.Authority.create("stranger", NOW).issue(pki.LeafRequest("kes", (), pki.Usage.CLIENT), NOW)
    (user.folder / "client.pem").write_bytes(leaf.cert_pem)
    (user.folder / "client.key").write_bytes(leaf.key_pem)
    error = refused(user, fields, address=user.bao.mutual)
    assert "of an authority that it knows" in error.hint


def test_what_was_stored_serves_when_the_source_is_gone(user):
    work = user.work(good(user, user.pair()), address=user.bao.mutual)
    VAULT.bootstrap(work)
    for name, file in {names.TLS_CERT: "client.pem", names.TLS_KEY: "client.key"}.items():
        user.home.write_secret(name, (user.folder / file).read_text())
        (user.folder / file).unlink()
    VAULT.preflight(work)
    assert VAULT.state(work) == "ok"
