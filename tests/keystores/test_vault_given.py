"""What a user brings for a Vault of his, as far as one can tell that without asking anybody."""

from __future__ import annotations

import re
import stat
from datetime import timedelta

import pytest
from bao import NOW, Told, spec_of
from cluster import token
from cryptography.hazmat.primitives import serialization as form

from kesdeploy import pki
from kesdeploy.errors import CertificateError, UsageError
from kesdeploy.home import Home
from kesdeploy.keystores import Work
from kesdeploy.keystores.vault import door, jwt, pair

AUTHORITY = pki.Authority.create("theirs", NOW - timedelta(days=400))


@pytest.fixture
def work(tmp_path):
    """A client certificate as it should be; the spec names its files."""
    _issue(tmp_path)
    fields = f"address: 'https://v', tls: {{cert: {tmp_path}/cert, key: {tmp_path}/key}}"
    home = Home("demo", tmp_path / "home")
    home.prepare()
    return Work(spec_of(fields), home, NOW, Told(), 1)


def _issue(folder, now=NOW):
    leaf = AUTHORITY.issue(pki.LeafRequest("kes", (), pki.Usage.CLIENT), now)
    (folder / "cert").write_bytes(leaf.cert_pem)
    (folder / "key").write_bytes(leaf.key_pem)
    return leaf


def _encrypted(pem: bytes) -> bytes:
    key = form.load_pem_private_key(pem, None)
    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"secret"))


def test_a_fit_pair(work, tmp_path):
    pair.check(work)
    assert work.report.warnings == []
    with pair.files(work) as (cert, key):
        assert cert.read_text().strip() == (tmp_path / "cert").read_text().strip()
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert not key.parent.exists()


def test_a_chain_and_a_file_with_both_are_fine(work, tmp_path):
    leaf = _issue(tmp_path)
    (tmp_path / "cert").write_bytes(leaf.cert_pem + AUTHORITY.cert_pem)
    (tmp_path / "key").write_bytes(leaf.cert_pem + leaf.key_pem)
    pair.check(work)


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("cert", lambda leaf: leaf.key_pem, "keystore.vault.tls.cert cannot be used"),
        ("cert", lambda _: b"nonsense", "not a certificate in PEM"),
        ("key", lambda leaf: leaf.cert_pem, "keystore.vault.tls.key cannot be used"),
        ("key", lambda _: b"nonsense", "not a private key in PEM"),
        ("key", lambda leaf: _encrypted(leaf.key_pem), "encrypted"),
        ("key", lambda leaf: leaf.key_pem.replace(b"\n", rb"\n"), "is in one line"),
    ],
    ids=["a-key-for-cert", "no-cert", "a-cert-for-key", "no-key", "encrypted-key", "literal-line-ends"],
)
def test_what_kes_would_skip_without_a_word(work, tmp_path, file, content, complaint):
    (tmp_path / file).write_bytes(content(_issue(tmp_path)))
    with pytest.raises(CertificateError) as found:
        pair.check(work)
    text = f"{found.value.what} {found.value.because}"
    assert complaint in text
    assert "-----" not in text


def test_of_two_pairs(work, tmp_path):
    key = (tmp_path / "key").read_bytes()
    _issue(tmp_path)
    (tmp_path / "key").write_bytes(key)
    with pytest.raises(CertificateError, match="the key of another certificate"):
        pair.check(work)


def test_an_expired_one(work, tmp_path):
    _issue(tmp_path, NOW - timedelta(days=398))
    with pytest.raises(CertificateError, match="expired on"):
        pair.check(work)


def test_one_that_ends_soon(work, tmp_path):
    _issue(tmp_path, NOW - timedelta(days=380))
    pair.check(work)
    assert re.search("has 1[0-9] days left", work.report.warnings[0])


def test_the_key_out_of_the_environment(work, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIENT_KEY", (tmp_path / "key").read_text())
    fields = f"address: 'https://v', tls: {{cert: {tmp_path}/cert, key: 'env:CLIENT_KEY'}}"
    pair.check(Work(spec_of(fields), work.home, NOW, Told(), 1))


@pytest.mark.parametrize("file", ["cert", "key"])
def test_a_file_that_is_not_there(work, tmp_path, file):
    (tmp_path / file).unlink()
    with pytest.raises(UsageError, match=f"no vault-tls.* in @{tmp_path}/{file}"):
        pair.check(work)


@pytest.mark.parametrize("given", ["", "s.VAULTTOKEN", "a.b.c", "a.b", "a.e30", "/var/run/secrets/token", "a.W10.c"])
def test_what_is_no_service_accounts_token(work, given):
    with pytest.raises(UsageError, match="is none") as found:
        jwt.check(work, given)
    assert not given or given not in f"{found.value.what}{found.value.because}"


@pytest.mark.parametrize("around", ["{}", " {}\n", "{}\r\n"])
def test_a_service_accounts_token(work, around):
    jwt.check(work, around.format(token(seconds=90 * 86400)))
    assert work.report.warnings == []


def test_a_token_without_an_end(work):
    """As those of a Secret of the type kubernetes.io/service-account-token are."""
    jwt.check(work, "e30.e30.c")
    assert work.report.warnings == []


def test_what_is_shown_of_a_login_is_no_secret():
    shown = f"{door.Login('id', 'secret-id')!r} {door.ServiceAccount('kes', 'the-jwt')!r}"
    assert shown == "Login(…) ServiceAccount('kes', …)"
