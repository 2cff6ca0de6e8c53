"""OpenSSL's own opinion of a certificate, without a network and without a clock."""

from __future__ import annotations

import ssl
from datetime import timedelta

import pytest
from their_pki import CLIENT, NAME, intermediate, make, root, rsa_key

from kesdeploy.clients.handshake import refuse_untrusted
from kesdeploy.errors import CertificateError
from kesdeploy.pki import server_pair

ROOT = root()
INTER = intermediate(ROOT)
LEAF = make(INTER)


def pair(made, *others):
    return server_pair(made.pem + b"".join(other.pem for other in others), made.key_pem)


@pytest.mark.parametrize(
    ("leaf", "ca", "name"),
    [
        (pair(LEAF, INTER), ROOT.pem, NAME),
        (pair(LEAF, INTER), root("other").pem + ROOT.pem, NAME),
        (pair(make(INTER, names=("127.0.0.1",)), INTER), ROOT.pem, "127.0.0.1"),
        (pair(alone := make()), alone.pem, NAME),
        # Dates are judged elsewhere.
        (pair(make(ROOT, begins=timedelta(-20), ends=timedelta(-10))), ROOT.pem, NAME),
        (pair(make(ROOT, begins=timedelta(9000), ends=timedelta(9001))), ROOT.pem, NAME),
    ],
)
def test_who_is_taken(leaf, ca, name):
    refuse_untrusted(leaf, ca, name)


@pytest.mark.parametrize(
    ("leaf", "ca", "name", "words"),
    [
        (pair(LEAF, INTER), ROOT.pem, "other.example.org", "Hostname mismatch"),
        (pair(LEAF, INTER), ROOT.pem, "127.0.0.1", "IP address mismatch"),
        (pair(LEAF), ROOT.pem, NAME, "unable to get local issuer certificate"),
        (pair(LEAF, INTER), root("other").pem, NAME, "unable to get local issuer certificate"),
        (pair(LEAF, INTER), None, NAME, "unable to get local issuer certificate"),
        (pair(make(), INTER), None, NAME, "self"),
        (pair(make(ROOT, usages=(CLIENT,))), ROOT.pem, NAME, "purpose"),
    ],
)
def test_who_is_not(leaf, ca, name, words):
    with pytest.raises(CertificateError) as raised:
        refuse_untrusted(leaf, ca, name)
    assert words in raised.value.because
    assert raised.value.hint


def test_a_key_that_openssl_finds_too_small():
    """What our own rules leave to it: its security level, which a distribution chooses."""
    small = make(ROOT, key=rsa_key(1024))
    leaf = type(pair(LEAF))(small.pem, small.key_pem)
    if ssl.create_default_context().security_level < 2:
        pytest.skip("this machine's OpenSSL takes RSA of 1024 bits")
    with pytest.raises(CertificateError, match="no handshake is possible") as raised:
        refuse_untrusted(leaf, ROOT.pem, NAME)
    assert "KEY_TOO_SMALL" in raised.value.because


def test_the_key_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    refuse_untrusted(pair(LEAF, INTER), ROOT.pem, NAME)
    assert list(tmp_path.iterdir()) == []
