"""Certificates as users bring them: made by cryptography with any defect, or by OpenSSL as its manual says."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
NAME = "s3.example.org"
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def p256() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Made:
    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return private(self.key)


def private(key: Any, form: str = "PKCS8", password: bytes | None = None, encoding: str = "PEM") -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(
        getattr(serialization.Encoding, encoding), getattr(serialization.PrivateFormat, form), encryption
    )


def make(
    by: Made | None = None,
    *,
    subject: str = "server",
    names: tuple[str, ...] = (NAME,),
    key: Any = None,
    ca: bool | None = False,
    usages: tuple[Any, ...] | None = (SERVER,),
    signs: bool = True,
    key_usage: bool = True,
    begins: timedelta = timedelta(days=-1),
    ends: timedelta = timedelta(days=90),
) -> Made:
    """A certificate, self-signed unless somebody signs it. `ca` None: without basic constraints."""
    key = key or p256()
    title = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(title)
        .issuer_name(by.certificate.subject if by else title)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + begins)
        .not_valid_after(NOW + ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if by:
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
        builder = builder.add_extension(own, critical=False)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if key_usage:
        flags = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
        flags |= {"key_cert_sign": bool(ca), "crl_sign": bool(ca), "encipher_only": False, "decipher_only": False}
        builder = builder.add_extension(x509.KeyUsage(digital_signature=signs, **flags), critical=True)
    if usages is not None and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(n) for n in names]), critical=False)
    signer = by.key if by else key
    return Made(builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()), key)


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def root(subject: str = "Example Root", **more: Any) -> Made:
    return make(subject=subject, **{"names": (), "ca": True, "ends": timedelta(days=3650), **more})


def intermediate(by: Made, **more: Any) -> Made:
    return make(
        by, **{"subject": "Example Intermediate", "names": (), "ca": True, "ends": timedelta(days=1000), **more}
    )


def rsa_key(bits: int = 2048) -> Any:
    return rsa.generate_private_key(65537, bits)


def openssl(folder: Path, *arguments: str, stdin: str = "") -> None:
    if not shutil.which("openssl"):
        pytest.skip("no openssl on this machine")
    subprocess.run(("openssl", *arguments), cwd=folder, input=stdin, text=True, check=True, capture_output=True)


def openssl_pair(folder: Path, kind: tuple[str, ...] = ("-newkey", "rsa:2048"), name: str = NAME) -> None:
    """root.pem, and server.pem with server.key, as most pages on the web make them."""
    openssl(folder, "req", "-x509", *kind, "-nodes", "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=root")
    openssl(folder, "req", *kind, "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}")
    (folder / "server.ext").write_text(
        f"subjectAltName=DNS:{name},IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
    )
    sign = ("x509", "-req", "-in", "server.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial")
    openssl(folder, *sign, "-days", "90", "-extfile", "server.ext", "-out", "server.pem")
