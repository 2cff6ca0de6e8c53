"""Whether a server's certificate will be accepted: each defect in words of its own, before anybody meets it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from their_pki import CLIENT, NAME, NOW, SERVER, intermediate, make, openssl, openssl_pair, root, rsa_key

from kesdeploy.errors import CertificateError
from kesdeploy.pki import covers, refuse_unfit

DAY = timedelta(days=1)
ROOT = root()
INTER = intermediate(ROOT)
LEAF = make(INTER)
FULL = LEAF.pem + INTER.pem


def unfit(cert: bytes, ca: bytes | None = ROOT.pem, names: tuple[str, ...] = (NAME,), now=NOW) -> CertificateError:
    with pytest.raises(CertificateError) as raised:
        refuse_unfit(cert, ca, names, now)
    return raised.value


@pytest.mark.parametrize(
    ("cert", "ca"),
    [
        (FULL, ROOT.pem),
        (FULL, None),
        (FULL, root("Another").pem + ROOT.pem),
        (LEAF.pem, INTER.pem),
        ((alone := make()).pem, alone.pem),
        (make(ROOT, usages=None, key_usage=False).pem, ROOT.pem),
        (make(ROOT, usages=(SERVER, CLIENT)).pem, ROOT.pem),
        (make(ROOT, usages=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)).pem, ROOT.pem),
        (make(ROOT, ca=None).pem, ROOT.pem),
        (make(ROOT, names=("*.example.org",)).pem, ROOT.pem),
        (make(old := root(ca=None, key_usage=False)).pem, old.pem),
    ],
    ids=[
        "full",
        "public",
        "two roots",
        "pinned intermediate",
        "alone",
        "no usages",
        "both",
        "any",
        "v1",
        "*",
        "v1 root",
    ],
)
def test_what_everybody_takes(cert, ca):
    assert refuse_unfit(cert, ca, (NAME,), NOW) == ()


@pytest.mark.parametrize(
    ("cert", "words", "hint"),
    [
        (make(ROOT, ca=True, names=(NAME,)).pem, "certificate of a CA", "CA:FALSE"),
        (make(ROOT, names=()).pem, "names no host", "subjectAltName"),
        (make(ROOT, names=("other.example.org",)).pem, f"not valid for {NAME}", NAME),
        (make(ROOT, names=("*.org",)).pem, f"not valid for {NAME}", NAME),
        (make(ROOT, usages=(CLIENT,)).pem, "not for servers: its extended key usage is clientAuth", "serverAuth"),
        (make(ROOT, signs=False).pem, "may not sign a handshake", "digitalSignature"),
        (make(ROOT, ends=-DAY, begins=-2 * DAY).pem, "it expired on 2026-05-31", "{cert}"),
        (make(ROOT, begins=DAY).pem, "not valid before 2026-06-02 12:00 UTC", "clock"),
        (LEAF.pem, "nobody vouches for it: CN=server is signed by CN=Example Intermediate", "fullchain"),
        (make(root("Another")).pem, "nobody vouches for it", "{ca}"),
        (
            make(expired := intermediate(ROOT, ends=-DAY, begins=-2 * DAY)).pem + expired.pem,
            "CN=Example Intermediate, in the chain, expired on 2026-05-31",
            "{cert}",
        ),
        (make(server := make(ROOT, subject="no CA")).pem + server.pem, "CN=no CA, in the chain, is no CA", "CA"),
    ],
)
def test_each_defect_has_words_of_its_own(cert, words, hint):
    error = unfit(cert)
    assert words in f"{error.what}: {error.because}"
    assert hint in f"{error.hint} {error.because}"


@pytest.mark.parametrize(
    ("ca", "words"),
    [
        (root("Example Root", ends=-DAY, begins=-2 * DAY), "in {ca}, expired on"),
        (root("Example Root", begins=DAY), "in {ca}, is not valid before"),
        (make(subject="Example Root", key=ROOT.key), "in {ca}, is no CA"),
    ],
)
def test_a_root_that_vouches_for_nobody(ca, words):
    """Each has a key that signed the leaf."""
    error = unfit(make(ca).pem, ca.pem)
    assert words in error.what


def test_an_authority_without_the_right_to_sign():
    odd = make(ROOT, subject="odd", names=(), ca=True, key_usage=False, usages=None)
    assert refuse_unfit(make(odd).pem + odd.pem, ROOT.pem, (NAME,), NOW) == ()
    error = unfit(make(server := make(ROOT, subject="odd", ca=False)).pem + server.pem)
    assert "may not sign certificates" in error.because


def test_all_names_are_needed():
    cert = make(ROOT, names=("fs-kes-server", "127.0.0.1"))
    assert refuse_unfit(cert.pem, ROOT.pem, ("fs-kes-server", "127.0.0.1"), NOW) == ()
    error = unfit(cert.pem, names=("fs-kes-server", "kes.example.org", "::1"))
    assert error.what == "it is not valid for kes.example.org, ::1"
    assert error.because == "it names fs-kes-server, 127.0.0.1"


@pytest.mark.parametrize(
    ("names", "wanted", "covered"),
    [
        (("s3.example.org",), "S3.Example.ORG.", True),
        (("*.example.org",), "s3.example.org", True),
        (("*.example.org",), "a.s3.example.org", False),
        (("*.example.org",), "example.org", False),
        (("example.org",), "s3.example.org", False),
        (("127.0.0.1",), "127.0.0.1", True),
        (("0:0::1",), "::1", True),
        (("*.0.0.1",), "127.0.0.1", False),
        (("localhost",), "localhost", True),
        (("*",), "localhost", False),
        ((), "localhost", False),
    ],
)
def test_which_name_covers_which(names, wanted, covered):
    assert covers(names, wanted) is covered


@pytest.mark.parametrize(
    ("made", "private", "remarks"),
    [
        (
            make(ROOT, key=ed25519.Ed25519PrivateKey.generate()),
            True,
            ["not every browser takes its kind of key (Ed25519)"],
        ),
        (make(ROOT, key=ec.generate_private_key(ec.SECP521R1())), True, ["not every browser takes"]),
        (make(ROOT, key=rsa_key(), ends=826 * DAY), True, ["Apple's systems refuse"]),
        (make(ROOT, ends=826 * DAY), False, []),
        (make(ROOT, ends=DAY), True, []),
    ],
)
def test_what_is_worth_knowing(made, private, remarks):
    found = refuse_unfit(made.pem, ROOT.pem if private else None, (NAME,), NOW)
    assert len(found) == len(remarks)
    assert all(words in remark for words, remark in zip(remarks, found, strict=True))


def test_for_a_server_without_browsers_their_taste_does_not_matter():
    made = make(ROOT, key=ed25519.Ed25519PrivateKey.generate())
    assert refuse_unfit(made.pem, ROOT.pem, (NAME,), NOW, browsers=False) == ()


# --- made by OpenSSL: what cryptography does not sign any more


def _times():
    from datetime import UTC, datetime

    return datetime.now(UTC)


def test_what_openssl_makes(tmp_path):
    openssl_pair(tmp_path)
    cert, ca = (tmp_path / "server.pem").read_bytes(), (tmp_path / "root.pem").read_bytes()
    assert refuse_unfit(cert, ca, (NAME, "127.0.0.1"), _times()) == ()


def test_the_most_common_command_of_all_makes_a_ca(tmp_path):
    flags = ("-nodes", "-keyout", "k", "-out", "c", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}")
    openssl(tmp_path, "req", "-x509", "-newkey", "rsa:2048", *flags)
    cert = (tmp_path / "c").read_bytes()
    error = unfit(cert, cert, now=_times())
    assert "certificate of a CA" in error.what
    extra = error.hint.rpartition("… ")[2].split()
    assert extra[0] == "-addext"
    openssl(tmp_path, "req", "-x509", "-newkey", "rsa:2048", *flags, *extra)
    cert = (tmp_path / "c").read_bytes()
    assert refuse_unfit(cert, cert, (NAME,), _times()) == ()


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_a_signature_that_go_refuses(tmp_path, digest):
    openssl_pair(tmp_path)
    sign = ("x509", "-req", "-in", "server.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial")
    openssl(tmp_path, *sign, f"-{digest}", "-extfile", "server.ext", "-out", "weak.pem")
    error = unfit((tmp_path / "weak.pem").read_bytes(), (tmp_path / "root.pem").read_bytes(), now=_times())
    assert f"signed with {digest.upper()}" in error.what
    assert "SHA-256" in error.hint


def test_a_key_that_go_does_not_know(tmp_path):
    """RSASSA-PSS as the kind of the key, not only of the signature."""
    openssl(tmp_path, "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "k")
    flags = ("-subj", "/CN=x", "-addext", f"subjectAltName=DNS:{NAME}", "-addext", "basicConstraints=critical,CA:FALSE")
    openssl(tmp_path, "req", "-x509", "-new", "-key", "k", "-out", "c", *flags)
    cert = (tmp_path / "c").read_bytes()
    assert "RSASSA-PSS" in unfit(cert, cert, now=_times()).what
