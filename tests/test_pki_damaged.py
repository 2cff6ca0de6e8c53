"""Certificates and keys that are not what they should be: one clear reason, never a foreign exception."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ed448, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import example, given
from hypothesis import strategies as st

from kesdeploy import pki
from kesdeploy.errors import CertificateError
from kesdeploy.pki.pem import load_key

pytestmark = pytest.mark.filterwarnings("ignore")  # cryptography warns of what it only just accepts

NOW = datetime.now(UTC).replace(microsecond=0)
CA = pki.Authority.create("kesdeploy fs", NOW)
SERVER = pki.LeafRequest("kes", ("localhost", "127.0.0.1"), pki.Usage.SERVER)
LEAF = CA.issue(SERVER, NOW)
DER = ssl.PEM_cert_to_DER_cert(LEAF.cert_pem.decode())


def damaged(changes: list[tuple[int, int]]) -> bytes:
    """The leaf as PEM, with some of its bytes replaced."""
    body = bytearray(DER)
    for place, value in changes:
        body[place % len(body)] = value
    return ssl.DER_cert_to_PEM_cert(bytes(body)).encode()


def where(part: bytes, offset: int = 0) -> int:
    return DER.index(part) + offset


CHANGES = st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), min_size=1, max_size=3)
# 2.5.29.17 (names), 1.2.840.10045.2.1 (an EC key), v3: each is parsed at another moment.
NAMES, EC_KEY, VERSION = b"\x55\x1d\x11", b"\x2a\x86\x48\xce\x3d\x02\x01", b"\xa0\x03\x02\x01\x02"
WORST = [
    [(where(VERSION, 4), 42)],
    [(where(EC_KEY, 6), 22)],
    [(where(EC_KEY, 20), 99)],
    [(where(NAMES, 2), 0x13)],
    [(where(b"\x82\x09localhost"), 0x83)],
]


@given(CHANGES)
@example(WORST[0])
@example(WORST[1])
@example(WORST[2])
@example(WORST[3])
@example(WORST[4])
def test_a_leaf_with_flipped_bytes_is_issued_again(changes):
    """Whatever the damage: either nobody sees it in what is signed, or there is a reason to issue it anew."""
    pem = damaged(changes)
    reason = pki.reason_to_reissue(pem, LEAF.key_pem, CA.cert_pem, SERVER, NOW)
    assert reason or ssl.PEM_cert_to_DER_cert(pem.decode()) == DER


@given(CHANGES)
@example(WORST[0])
@example(WORST[1])
def test_an_authority_with_flipped_bytes_has_a_reason_or_none(changes):
    pem = damaged(changes)
    assert pki.reason_to_reissue(LEAF.cert_pem, LEAF.key_pem, pem, SERVER, NOW) == "it was issued by another authority"
    told = pki.reason_to_replace(pem, LEAF.key_pem, NOW)
    assert told is None or told.startswith(("it cannot be read", "its key belongs to another", "it expire"))


@pytest.mark.parametrize("changes", WORST)
def test_what_cannot_be_described_says_so(changes):
    with pytest.raises(CertificateError):
        pki.describe(damaged(changes))


@given(
    st.binary(max_size=200)
    | st.sampled_from(["CERTIFICATE", "PRIVATE KEY", "EC PRIVATE KEY", "X"]).flatmap(
        lambda kind: st.binary(max_size=60).map(
            lambda body: f"-----BEGIN {kind}-----\n".encode() + body + f"\n-----END {kind}-----\n".encode()
        )
    )
)
def test_any_bytes_are_refused_in_our_words(content):
    for read in (pki.describe, pki.identity, pki.api_key_of, load_key):
        with pytest.raises(CertificateError) as raised:
            read(content)
        assert "\n" not in raised.value.because
    assert pki.reason_to_reissue(content, LEAF.key_pem, CA.cert_pem, SERVER, NOW)
    assert pki.reason_to_reissue(LEAF.cert_pem, content, CA.cert_pem, SERVER, NOW)


# --- what other tools make


def foreign(*extensions: x509.ExtensionType, key=None, name: str = "x") -> bytes:
    """A certificate as somebody else's CA might have made it."""
    key = key or rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, ed448.Ed448PrivateKey) else SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM)


RSA = rsa.generate_private_key(65537, 2048)


def test_a_certificate_without_any_extension():
    info = pki.describe(foreign(key=RSA))
    assert (info.names, info.usages, info.is_ca, info.serial) == ((), (), False, "1")


def test_names_that_no_client_asks_for_are_left_out():
    names = x509.SubjectAlternativeName(
        [x509.RFC822Name("a@b.c"), x509.UniformResourceIdentifier("https://x"), x509.DNSName("ok.example")]
    )
    assert pki.describe(foreign(names, key=RSA)).names == ("ok.example",)


def test_usages_that_nobody_knows_are_told_as_such():
    usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ObjectIdentifier("1.2.3.4")])
    assert pki.describe(foreign(usages, key=RSA)).usages == ("clientAuth", "Unknown OID")


@pytest.mark.parametrize(
    "key", [RSA, ed448.Ed448PrivateKey.generate(), dsa.generate_private_key(2048)], ids=["rsa", "ed448", "dsa"]
)
def test_an_identity_is_that_of_any_kind_of_key(key):
    assert pki.identity(foreign(key=key)) == pki.describe(foreign(key=key)).identity


def test_an_encrypted_key_is_told_as_such():
    pem = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    with pytest.raises(CertificateError, match="is encrypted"):
        pki.identity(pem)


def test_a_key_of_another_kind_than_ours_is_kept():
    """A leaf over the key that is there, whatever made it: its pin and identity stay."""
    pem = RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    leaf = CA.issue(SERVER, NOW, pem)
    assert pki.identity(leaf.cert_pem) == pki.identity(pem)
    assert pki.reason_to_reissue(leaf.cert_pem, leaf.key_pem, CA.cert_pem, SERVER, NOW) is None
