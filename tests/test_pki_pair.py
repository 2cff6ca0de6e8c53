"""Pairs as users bring them: taken as KES and MinIO read them, or refused with what is wrong."""

from __future__ import annotations

import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509 import load_pem_x509_certificates
from their_pki import intermediate, make, openssl, openssl_pair, p256, private, root, rsa_key

from kesdeploy.errors import CertificateError
from kesdeploy.pki import server_pair

ROOT = root()
INTER = intermediate(ROOT)
LEAF = make(INTER)
OTHER = make(INTER, subject="other")
RSA = make(INTER, key=rsa_key())
BLOCK = b"-----BEGIN "


def subjects(pem: bytes) -> list[str]:
    return [certificate.subject.rfc4514_string() for certificate in load_pem_x509_certificates(pem)]


# --- what is taken, whatever its form


@pytest.mark.parametrize(
    "cert",
    [
        LEAF.pem + INTER.pem,
        INTER.pem + LEAF.pem,
        ROOT.pem + INTER.pem + LEAF.pem,
        LEAF.pem + INTER.pem + ROOT.pem + OTHER.pem,
        b"subject=CN=server\n" + LEAF.pem + b"\nissuer=...\n" + INTER.pem + b"the end\n",
        LEAF.key_pem + LEAF.pem + INTER.pem,
        (LEAF.pem + INTER.pem).replace(b"\n", b"\r\n"),
    ],
    ids=["as it should be", "upside down", "root first", "with others", "with text", "with its key", "CRLF"],
)
def test_a_chain_is_served_leaf_first_and_nothing_else(cert):
    pair = server_pair(cert, LEAF.key_pem)
    assert subjects(pair.cert_pem) == ["CN=server", "CN=Example Intermediate"]
    assert pair.cert_pem == LEAF.pem + INTER.pem


@pytest.mark.parametrize(
    ("made", "key"),
    [
        (LEAF, LEAF.key_pem),
        (LEAF, private(LEAF.key, "TraditionalOpenSSL")),
        (RSA, private(RSA.key, "TraditionalOpenSSL")),
        (LEAF, b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + LEAF.key_pem),
        (LEAF, LEAF.pem + LEAF.key_pem + INTER.pem),
        (LEAF, b"some text\n" + LEAF.key_pem),
        (LEAF, LEAF.key_pem.replace(b"\n", b"\r\n")),
    ],
    ids=["PKCS#8", "SEC1", "PKCS#1", "with parameters", "with certificates", "with text", "CRLF"],
)
def test_a_key_is_one_block_of_pkcs8(made, key):
    """MinIO takes no second block (internal/config/certs.go), KES no parameters (internal/https/certificate.go)."""
    pair = server_pair(made.pem, key)
    assert pair.key_pem == made.key_pem
    assert pair.key_pem.count(BLOCK) == 1
    assert pair.key_pem.startswith(b"-----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize(
    "key",
    [rsa_key(), p256(), ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP521R1())],
    ids=["RSA", "P-256", "P-384", "P-521"],
)
def test_the_kinds_of_keys_that_go_serves_with(key):
    made = make(key=key)
    assert server_pair(made.pem, made.key_pem).cert_pem == made.pem


def test_a_self_signed_one_stays():
    alone = make()
    assert server_pair(alone.pem, alone.key_pem).cert_pem == alone.pem


def test_the_key_is_not_shown():
    pair = server_pair(LEAF.pem, LEAF.key_pem)
    assert "PRIVATE" not in repr(pair)


@pytest.mark.parametrize(
    "kind",
    [("-newkey", "rsa:2048"), ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"), ("-newkey", "ed25519")],
    ids=["rsa", "ec", "ed25519"],
)
def test_what_openssl_makes(tmp_path, kind):
    openssl_pair(tmp_path, kind)
    pair = server_pair((tmp_path / "server.pem").read_bytes(), (tmp_path / "server.key").read_bytes())
    (tmp_path / "c").write_bytes(pair.cert_pem)
    (tmp_path / "k").write_bytes(pair.key_pem)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "c", tmp_path / "k")


def test_the_old_way_of_openssl_with_parameters_before_the_key(tmp_path):
    openssl(tmp_path, "ecparam", "-name", "prime256v1", "-genkey", "-out", "server.key")
    openssl(tmp_path, "req", "-x509", "-new", "-key", "server.key", "-out", "server.pem", "-subj", "/CN=x")
    key = (tmp_path / "server.key").read_bytes()
    assert b"EC PARAMETERS" in key
    assert server_pair((tmp_path / "server.pem").read_bytes(), key).key_pem.count(BLOCK) == 1


# --- what is refused


def refused(cert: bytes, key: bytes) -> CertificateError:
    with pytest.raises(CertificateError) as raised:
        server_pair(cert, key)
    assert raised.value.what
    assert "PRIVATE KEY-----\nM" not in f"{raised.value.what}{raised.value.because}{raised.value.hint}"
    return raised.value


BUNDLE = pkcs12.serialize_key_and_certificates(b"x", LEAF.key, LEAF.certificate, None, BestAvailableEncryption(b"pw"))
CURVE = ec.generate_private_key(ec.SECP256K1())
SSH = b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE=\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("cert", "key", "words", "hint"),
    [
        (b"", LEAF.key_pem, "file is empty", "{cert}"),
        (b"\n", LEAF.key_pem, "file is empty", "{cert}"),
        (LEAF.der, LEAF.key_pem, "in DER", "openssl x509 -inform DER -in {cert}"),
        (BUNDLE, LEAF.key_pem, "not in PEM", "openssl pkcs12 -in {cert}"),
        (b"no certificate", LEAF.key_pem, "not in PEM", "{cert}"),
        (LEAF.key_pem, LEAF.key_pem, "holds no certificate", "{cert}"),
        (LEAF.pem[:300], LEAF.key_pem, "cannot be read", ""),
        (LEAF.pem.replace(b"M", b"N", 3), LEAF.key_pem, "cannot be read", ""),
        (LEAF.pem, OTHER.key_pem, "belongs to another certificate", "{key}"),
        (INTER.pem, LEAF.key_pem, "belongs to another certificate", "{cert}"),
        (LEAF.pem, b"", "no private key", "openssl pkey"),
        (LEAF.pem, LEAF.pem, "no private key", "{key}"),
        (LEAF.pem, private(LEAF.key, encoding="DER"), "no private key", "openssl pkey -inform DER -in {key}"),
        (LEAF.pem, LEAF.key_pem + OTHER.key_pem, "2 private keys", "{key}"),
        (LEAF.pem, private(LEAF.key, password=b"pw"), "is encrypted", "openssl pkey -in {key}"),
        (RSA.pem, private(RSA.key, "TraditionalOpenSSL", b"pw"), "is encrypted", "openssl pkey -in {key}"),
        (LEAF.pem, SSH, "SSH", "{key}"),
        (LEAF.pem, LEAF.key_pem[:60] + LEAF.key_pem[90:], "cannot be read", "openssl pkey -in {key}"),
        (LEAF.pem, private(CURVE), "curve secp256k1", "openssl req"),
        (LEAF.pem, private(rsa_key(1024)), "RSA of 1024 bits", "openssl req"),
        (LEAF.pem, private(ed448.Ed448PrivateKey.generate()), "Ed448", "openssl req"),
        (LEAF.pem, private(dsa.generate_private_key(2048)), "DSA", "openssl req"),
    ],
)
def test_each_defect_has_words_of_its_own(cert, key, words, hint):
    error = refused(cert, key)
    assert words in f"{error.what} {error.because}"
    assert hint in error.hint


def test_what_the_hint_about_an_encrypted_key_says_works(tmp_path):
    (tmp_path / "their.key").write_bytes(private(LEAF.key, password=b"pw"))
    command = refused(LEAF.pem, (tmp_path / "their.key").read_bytes()).hint.partition(";")[0]
    argv = command.replace("{key}", "their.key").split()[1:]
    openssl(tmp_path, *argv, "-passin", "pass:pw")
    assert server_pair(LEAF.pem, (tmp_path / "key.pem").read_bytes()).key_pem == LEAF.key_pem


def test_what_the_hint_about_der_says_works(tmp_path):
    (tmp_path / "their.crt").write_bytes(LEAF.der)
    openssl(tmp_path, *refused(LEAF.der, LEAF.key_pem).hint.replace("{cert}", "their.crt").split()[1:])
    assert server_pair((tmp_path / "cert.pem").read_bytes(), LEAF.key_pem).cert_pem == LEAF.pem


def test_what_the_hint_about_pkcs12_says_works(tmp_path):
    (tmp_path / "their.p12").write_bytes(BUNDLE)
    command = refused(BUNDLE, LEAF.key_pem).hint.partition(": ")[2].partition(",")[0]
    openssl(tmp_path, *command.replace("{cert}", "their.p12").split()[1:], "-passin", "pass:pw")
    both = (tmp_path / "all.pem").read_bytes()
    assert server_pair(both, both).key_pem == LEAF.key_pem
