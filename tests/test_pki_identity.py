"""Identities and API keys: against the values that KES publishes, and against the openssl command."""

from __future__ import annotations

import base64
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy.errors import CertificateError
from kesdeploy.pki import Authority, LeafRequest, Usage, api_key_of, describe, identity, key_of, new_api_key

NOW = datetime(2026, 5, 4, tzinfo=UTC)
CLIENT = LeafRequest("minio", (), Usage.CLIENT, "ed25519")
CA = Authority.create("kesdeploy fs", NOW)

# Public test vectors of kms-go v0.3.1 (apikey_test.go), KES (server_test.go) and KES's documentation.
PUBLISHED = {
    "AGaV6VXHasF0FnaB60WdCOeTZ8eTIDikL4zlN16c8NAs": "ea9826089311fe44d7590408ede9150f7c637b6cab0a91ee6fe1aa5d9fb366f6",
    "ACQpoGqx3rHHjT938Hfu5hVVQJHZWSqVI2Xp1KlYxFVw": "0426fa9a04bc2756b92fbe8a97e1a1e07b53ecf04ed33da22c33e5c9faeb8cbb",
    "AMxvd2uV1l5dDSRwuKZxSjuM5BDemlr+685+JAHA1TuJ": "ab785e3b95d80d72cc9c27cb9fde886a0bf9068a69d40e3bd08a54e68c3f2bf7",
    "AD9E7FSYWrMD+VjhI6q545cYT9YOyFxZb7UnjEepYDRc": "3ecfcdf38fcbe141ae26a1030f81e96b753365a46760ae6b578698a97c59fd22",
    "ABfa1xsnIV0lltXQC8tHXic8lte7J6hT7EoGv6+s5QCW": "cf6c535e738c1dd47a1d746366fde7f0309d1e0a8471b9f6e909833906afbbfa",
}
REJECTED = {
    "v1:AM0F5TP43FYEShMzA42f2drFYGnBOiNx7UH4DK0nm08E": "prefix",
    "kes:AM0F5TP43FYEShMzA42f2drFYGnBOiNx7UH4DK0nm08E": "prefix",
    "AM0F5TP43FYEShMzA42f2drFYGnBOiNx7UH4DK0nm08E": "prefix",
    "": "prefix",
    "kes:v1:": "invalid length",
    "kes:v1:AM0F5TP43FYEShMzA42f2drFYGnBOiNx7UH4DK0nm08": "illegal base64",
    "kes:v1:AM0F5TP43FYEShMzA42f2drFYGnBOiNx7UH4DK0nm0==": "invalid length",
    "kes:v1:AM0F5TP43FYEShMzA42f2drFYGnBOiNx7UH4DK0nm08E\n": "illegal base64",
    "kes:v1:äM0F5TP43FYEShMzA42f2drFYGnBOiNx7UH4DK0nm08E": "illegal base64",
    "kes:v1:sbDvZFqUPFFwxRS4EkuoEb2nyyInkdKSUEYHXFHeTouW": "unsupported type",
}


@pytest.mark.parametrize(("encoded", "expected"), PUBLISHED.items())
def test_identities_are_those_that_kes_publishes(encoded, expected):
    api_key = f"kes:v1:{encoded}"
    assert identity(key_of(api_key)) == expected
    assert api_key_of(key_of(api_key)) == api_key


@pytest.mark.parametrize(("api_key", "because"), REJECTED.items())
def test_what_kes_rejects_is_rejected_and_never_repeated(api_key, because):
    with pytest.raises(CertificateError) as caught:
        key_of(api_key)
    assert because in caught.value.because
    assert len(api_key) < 20 or api_key[7:] not in f"{caught.value} {caught.value.because}"


@given(st.binary(min_size=32, max_size=32))
def test_every_seed_survives_the_round_trip(seed):
    api_key = "kes:v1:" + base64.b64encode(b"\0" + seed).decode()
    assert api_key_of(key_of(api_key)) == api_key


@given(
    st.one_of(
        st.text(), st.text().map("kes:v1:".__add__), st.binary().map(lambda b: "kes:v1:" + base64.b64encode(b).decode())
    )
)
def test_the_parser_either_round_trips_or_says_no(text):
    try:
        key = key_of(text)
    except CertificateError:
        return
    assert api_key_of(key) == text


def test_new_api_keys_differ_and_only_ed25519_keys_have_one():
    assert new_api_key() != new_api_key()
    assert api_key_of(CA.issue(CLIENT, NOW).key_pem).startswith("kes:v1:A")
    with pytest.raises(CertificateError, match="no API key"):
        api_key_of(CA.key_pem)


@pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command is missing")
@pytest.mark.parametrize(
    "algorithm", ["ec -pkeyopt ec_paramgen_curve:P-256", "rsa -pkeyopt rsa_keygen_bits:2048", "ed25519"]
)
def test_identity_of_what_openssl_made(algorithm, tmp_path):
    """The recipe of KES's own documentation, with openssl alone as the judge."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    _openssl("genpkey", "-out", key, "-algorithm", *algorithm.split())
    _openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=x", "-days", "1", "-out", cert)
    der = _openssl("pkey", "-pubin", "-outform", "DER", stdin=_openssl("x509", "-in", cert, "-noout", "-pubkey"))
    expected = _openssl("dgst", "-sha256", "-r", stdin=der).split()[0].decode()
    assert identity(cert.read_bytes()) == identity(key.read_bytes()) == expected


def test_renewal_over_the_same_key_keeps_the_identity_and_changes_the_serial():
    first = CA.issue(CLIENT, NOW)
    again = CA.issue(CLIENT, NOW + timedelta(days=300), key_pem=first.key_pem)
    assert identity(again.cert_pem) == identity(first.cert_pem) == identity(first.key_pem)
    assert describe(again.cert_pem).serial != describe(first.cert_pem).serial
    assert identity(CA.issue(CLIENT, NOW).cert_pem) != identity(first.cert_pem)


def test_an_api_key_and_its_signed_certificate_are_one_identity():
    api_key = new_api_key()
    leaf = CA.issue(CLIENT, NOW, key_pem=key_of(api_key))
    assert identity(leaf.cert_pem) == identity(key_of(api_key))
    assert api_key_of(leaf.key_pem) == api_key


def _openssl(*args, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *map(str, args)], input=stdin, capture_output=True, check=True).stdout
