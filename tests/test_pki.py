"""The private authority, what it issues, and when to issue again: every extension, and real TLS handshakes."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from kesdeploy.errors import CertificateError
from kesdeploy.pki import (
    Authority,
    Leaf,
    LeafRequest,
    Usage,
    describe,
    fingerprint,
    identity,
    reason_to_reissue,
    reason_to_replace,
)

# The handshakes below go through OpenSSL, which looks at the real clock.
NOW = datetime.now(UTC).replace(microsecond=0)
SERVER = LeafRequest("kes", ("localhost", "fs-kes-server", "127.0.0.1", "::1"), Usage.SERVER)
CLIENT = LeafRequest("minio", (), Usage.CLIENT, "ed25519")
CA = Authority.create("kesdeploy fs", NOW)


@pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command is missing")
def test_openssl_verifies_our_chain_strictly(tmp_path):
    (tmp_path / "ca.pem").write_bytes(CA.cert_pem)
    for request, purpose in ((SERVER, "sslserver"), (CLIENT, "sslclient")):
        (tmp_path / "leaf.pem").write_bytes(CA.issue(request, NOW).cert_pem)
        args = ("-x509_strict", "-purpose", purpose, "-CAfile", tmp_path / "ca.pem", tmp_path / "leaf.pem")
        assert b": OK" in _openssl("verify", *args)


@pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command is missing")
def test_a_fingerprint_is_openssls_of_the_first_one():
    others = Authority.create("another", NOW).cert_pem
    said = _openssl("x509", "-noout", "-fingerprint", "-sha256", stdin=CA.cert_pem).decode().strip()
    assert fingerprint(CA.cert_pem + others) == said.partition("=")[2]


def test_the_authority_says_what_an_authority_must():
    cert = x509.load_pem_x509_certificate(CA.cert_pem)
    info = describe(CA.cert_pem)
    constraints = cert.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = cert.extensions.get_extension_for_class(x509.KeyUsage)
    assert (constraints.critical, constraints.value) == (True, x509.BasicConstraints(ca=True, path_length=0))
    assert usage.critical
    assert [usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature] == [True, True, False]
    assert info.subject == info.issuer == "CN=kesdeploy fs"
    assert info.not_before == NOW - timedelta(hours=1)
    assert info.not_after == NOW + timedelta(days=3650)


@pytest.mark.parametrize(
    ("request_", "purpose"), [(SERVER, ExtendedKeyUsageOID.SERVER_AUTH), (CLIENT, ExtendedKeyUsageOID.CLIENT_AUTH)]
)
def test_a_leaf_says_what_it_is_for_and_nothing_more(request_, purpose):
    leaf = x509.load_pem_x509_certificate(CA.issue(request_, NOW).cert_pem)
    extensions = {extension.value.__class__: extension for extension in leaf.extensions}
    assert extensions[x509.BasicConstraints].critical
    assert extensions[x509.BasicConstraints].value == x509.BasicConstraints(ca=False, path_length=None)
    assert list(extensions[x509.ExtendedKeyUsage].value) == [purpose]
    assert extensions[x509.KeyUsage].critical
    assert extensions[x509.KeyUsage].value.digital_signature
    assert not extensions[x509.KeyUsage].value.key_cert_sign
    assert extensions[x509.SubjectKeyIdentifier].value == x509.SubjectKeyIdentifier.from_public_key(leaf.public_key())
    own = x509.load_pem_x509_certificate(CA.cert_pem).extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert extensions[x509.AuthorityKeyIdentifier].value.key_identifier == own.value.digest
    assert leaf.not_valid_before_utc == NOW - timedelta(hours=1)
    assert leaf.not_valid_after_utc == NOW + timedelta(days=397)


def test_names_become_dns_names_and_addresses():
    leaf = x509.load_pem_x509_certificate(CA.issue(SERVER, NOW).cert_pem)
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["localhost", "fs-kes-server"]
    assert san.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]
    assert describe(CA.issue(SERVER, NOW).cert_pem).names == SERVER.names


def test_a_leaf_never_outlives_its_authority():
    late = NOW + timedelta(days=3600)
    assert describe(CA.issue(SERVER, late).cert_pem).not_after == describe(CA.cert_pem).not_after


@pytest.mark.parametrize("names", [(), ("mäuse.example",), ("",)])
def test_a_server_certificate_without_a_usable_name_is_refused(names):
    with pytest.raises(CertificateError, match="No certificate can"):
        CA.issue(replace(SERVER, names=names), NOW)


def test_private_keys_stay_out_of_reprs():
    leaf = CA.issue(SERVER, NOW)
    assert "PRIVATE" not in repr(CA) + repr(leaf)
    assert b"BEGIN PRIVATE KEY" in leaf.key_pem


@pytest.mark.parametrize("text", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_said_so(text):
    with pytest.raises(CertificateError):
        describe(text)
    with pytest.raises(CertificateError):
        identity(text)


LEAF = CA.issue(SERVER, NOW)
OTHER_KEY = CA.issue(SERVER, NOW).key_pem
STRANGER = Authority.create("kesdeploy fs", NOW)


@pytest.mark.parametrize(
    ("cert", "key", "request_", "days", "reason"),
    [
        (LEAF.cert_pem, LEAF.key_pem, SERVER, 0, None),
        (LEAF.cert_pem, LEAF.key_pem, replace(SERVER, names=tuple(reversed(SERVER.names))), 0, None),
        (LEAF.cert_pem, LEAF.key_pem, replace(SERVER, names=("LOCALHOST", *SERVER.names[1:3], "0:0::1")), 0, None),
        (LEAF.cert_pem, LEAF.key_pem, SERVER, 367, None),
        (LEAF.cert_pem, LEAF.key_pem, SERVER, 368, "expires in 29 days"),
        (LEAF.cert_pem, LEAF.key_pem, SERVER, 397, "expired on"),
        (LEAF.cert_pem, LEAF.key_pem, SERVER, -1, "not valid before"),
        (None, LEAF.key_pem, SERVER, 0, "certificate is missing"),
        (LEAF.cert_pem, None, SERVER, 0, "key is missing"),
        (b"garbage", LEAF.key_pem, SERVER, 0, "cannot be read"),
        (LEAF.cert_pem, b"garbage", SERVER, 0, "cannot be read"),
        (LEAF.cert_pem, OTHER_KEY, SERVER, 0, "another certificate"),
        (LEAF.cert_pem, LEAF.key_pem, replace(SERVER, usage=Usage.CLIENT), 0, "not a client certificate"),
        (
            LEAF.cert_pem,
            LEAF.key_pem,
            replace(SERVER, names=("localhost", "new")),
            0,
            "+new -127.0.0.1 -::1 -fs-kes-server",
        ),
    ],
)
def test_the_reason_to_reissue(cert, key, request_, days, reason):
    found = reason_to_reissue(cert, key, CA.cert_pem, request_, NOW + timedelta(days=days))
    assert found is None if reason is None else reason in found


def test_another_authority_of_the_same_name_is_a_reason():
    assert "another authority" in reason_to_reissue(LEAF.cert_pem, LEAF.key_pem, STRANGER.cert_pem, SERVER, NOW)


@pytest.mark.parametrize("authority", [b"", b"garbage", LEAF.cert_pem])
def test_what_no_authority_answers_for_is_issued_again(authority):
    assert "another authority" in reason_to_reissue(LEAF.cert_pem, LEAF.key_pem, authority, SERVER, NOW)


@pytest.mark.parametrize(
    ("cert", "key", "days", "reason"),
    [
        (CA.cert_pem, CA.key_pem, 0, None),
        (CA.cert_pem, CA.key_pem, 3620, None),
        # While it lives, it signs: who trusts it has to be told of another before.
        (CA.cert_pem, CA.key_pem, 3649, None),
        (CA.cert_pem, CA.key_pem, 3650, "expired on"),
        # A clock that stands in the past is mended some day; trust that was thrown away stays lost.
        (CA.cert_pem, CA.key_pem, -400, None),
        (None, CA.key_pem, 0, "certificate is missing"),
        (CA.cert_pem, b"", 0, "key is missing"),
        (b"garbage", CA.key_pem, 0, "cannot be read"),
        (CA.cert_pem, b"garbage", 0, "cannot be read"),
        (CA.cert_pem, STRANGER.key_pem, 0, "another certificate"),
    ],
)
def test_the_reason_for_another_authority(cert, key, days, reason):
    found = reason_to_replace(cert, key, NOW + timedelta(days=days))
    assert found is None if reason is None else reason in found


def test_days_left_counts_whole_days():
    info = describe(LEAF.cert_pem)
    assert [info.days_left(NOW + timedelta(days=d)) for d in (0, 396.5, 397, 398)] == [397, 0, 0, -1]


def test_a_handshake_with_the_right_name_and_both_sides_known(tmp_path):
    client, server = _handshake(tmp_path, LEAF, name="fs-kes-server", pair=CA.issue(CLIENT, NOW))
    assert client.version() == "TLSv1.3"
    assert server.getpeercert()["subject"] == ((("commonName", "minio"),),)


def test_a_handshake_by_address(tmp_path):
    _handshake(tmp_path, LEAF, name="::1", pair=CA.issue(CLIENT, NOW))


@pytest.mark.parametrize(
    ("server", "name", "pair", "words"),
    [
        (LEAF, "elsewhere", CLIENT, "Hostname mismatch"),
        (CA.issue(SERVER, NOW - timedelta(days=500)), "localhost", CLIENT, "certificate has expired"),
        (CA.issue(SERVER, NOW + timedelta(days=1)), "localhost", CLIENT, "not yet valid"),
        (STRANGER.issue(SERVER, NOW), "localhost", CLIENT, "certificate verify failed"),
        (CA.issue(CLIENT, NOW), "localhost", CLIENT, "unsuitable certificate purpose"),
        (LEAF, "localhost", None, "peer did not return a certificate"),
        (LEAF, "localhost", SERVER, "unsuitable certificate purpose"),
    ],
)
def test_a_handshake_that_must_fail(server, name, pair, words, tmp_path):
    with pytest.raises(ssl.SSLError, match=words):
        _handshake(tmp_path, server, name=name, pair=pair and CA.issue(pair, NOW))


def _handshake(folder, leaf: Leaf, *, name: str, pair: Leaf | None) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Mutual TLS in memory, as strict as Python 3.13 is by default."""
    outside, inside = _context(folder, ssl.PROTOCOL_TLS_CLIENT, pair), _context(folder, ssl.PROTOCOL_TLS_SERVER, leaf)
    inside.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = outside.wrap_bio(to_client, to_server, server_hostname=name)
    server = inside.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client, server


def _context(folder, protocol: int, leaf: Leaf | None) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=CA.cert_pem.decode())
    if leaf:
        (folder / "pair.pem").write_bytes(leaf.cert_pem + leaf.key_pem)
        context.load_cert_chain(folder / "pair.pem")
    return context


def _openssl(*args, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *map(str, args)], input=stdin, capture_output=True, check=True).stdout
