"""A certificate and key that somebody brings, in the one form that every server here reads.

KES takes no block but certificates and no PKCS#8 that is encrypted (internal/https/certificate.go), MinIO no second
block beside the key (internal/config/certs.go), both no parameters before an elliptic key. So all that is taken out:
the leaf, then its issuers, and one PKCS#8 key. What cannot be mended is refused. Hints name the files as {cert}, {key}.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kesdeploy.errors import CertificateError
from kesdeploy.pki.authority import Leaf
from kesdeploy.pki.chain import issued, self_signed
from kesdeploy.pki.pem import dump_certificate, dump_key, load_key, public_der, understood

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_KEY = re.compile(rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?-----END \1-----\n?", re.DOTALL)
# Go's own limits: crypto/tls refuses longer RSA keys at every handshake, and knows these curves alone.
RSA_BITS = range(2048, 8193)
CURVES = ("secp256r1", "secp384r1", "secp521r1")
_KINDS = "RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519"
_NEW = (
    "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out csr.pem, for your CA to sign"
)


def server_pair(cert: bytes, key: bytes) -> Leaf:
    """Both as KES and MinIO read them: the leaf first, then those of the chain that signed it, and its key.

    Raises CertificateError for each thing that cannot be mended, with a hint that names the files.
    """
    private = _private_key(key)
    _refuse_kind(private)
    chain = _chain(_certificates(cert), private)
    return Leaf(b"".join(map(dump_certificate, chain)), dump_key(private))


def _certificates(pem: bytes) -> list[Certificate]:
    from cryptography.x509 import load_pem_x509_certificates

    if b"-----BEGIN" not in pem:
        raise _no_pem(pem)
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        raise CertificateError(
            "its file holds no certificate", because=f"what stands there: {_blocks(pem)}", hint="see what {cert} holds"
        )
    with understood("its file holds a certificate that cannot be read"):
        return load_pem_x509_certificates(pem)


def _no_pem(data: bytes) -> CertificateError:
    from cryptography.x509 import load_der_x509_certificate

    if not data.strip():
        return CertificateError("its file is empty", hint="see what {cert} holds")
    try:
        load_der_x509_certificate(data)
    except ValueError:
        hint = "of a PKCS#12 file (.p12, .pfx): openssl pkcs12 -in {cert} -nodes -out all.pem, for both"
        return CertificateError("its file is not in PEM", hint=hint)
    return CertificateError("its file is in DER, not in PEM", hint="openssl x509 -inform DER -in {cert} -out cert.pem")


def _blocks(pem: bytes) -> str:
    return ", ".join(sorted({name.decode() for name in re.findall(rb"-----BEGIN ([A-Z0-9 ]+)-----", pem)})) or "text"


def _private_key(pem: bytes) -> Any:
    """The one private key of a file, whatever else stands in it: parameters, certificates, text."""
    found = [(match[1], match[0]) for match in _KEY.finditer(pem)]
    if not found:
        hint = "openssl pkey -inform DER -in {key} -out key.pem" if b"-----BEGIN" not in pem else "see what {key} holds"
        raise CertificateError("there is no private key in PEM", because=f"there is: {_blocks(pem)}", hint=hint)
    if len(found) > 1:
        hint = "leave the one of this certificate in {key}"
        raise CertificateError(f"there are {len(found)} private keys in one file", hint=hint)
    kind, block = found[0]
    if kind.startswith(b"OPENSSH"):
        raise CertificateError("its key is one of SSH, not of TLS", hint="see what {key} holds")
    if kind.startswith(b"ENCRYPTED") or b"Proc-Type: 4,ENCRYPTED" in block:
        raise CertificateError(
            "its private key is encrypted, and nobody could type the password when the server starts",
            hint="openssl pkey -in {key} -out key.pem; chmod 600 key.pem",
        )
    try:
        return load_key(block)
    except CertificateError as error:
        hint = "see what {key} holds: openssl pkey -in {key} -noout"
        raise CertificateError("its private key cannot be read", because=error.because, hint=hint) from error


def _refuse_kind(key: Any) -> None:
    """Keys that Go, which KES and MinIO are written in, cannot serve with."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if isinstance(key, RSAPrivateKey):
        fits, kind = key.key_size in RSA_BITS, f"RSA of {key.key_size} bits"
    elif isinstance(key, EllipticCurvePrivateKey):
        fits, kind = key.curve.name in CURVES, f"on the curve {key.curve.name}"
    else:
        fits, kind = isinstance(key, Ed25519PrivateKey), type(key).__name__.removesuffix("PrivateKey").strip("_")
    if not fits:
        raise CertificateError(
            f"its key is {kind}, which KES and MinIO cannot serve with; they take {_KINDS}", hint=_NEW
        )


def _chain(certificates: list[Certificate], key: Any) -> list[Certificate]:
    """The leaf of this key, then who signed it and so on, as far as the file goes. Without a root: clients have it."""
    with understood("its certificate cannot be read"):
        leaf = next((c for c in certificates if public_der(c.public_key()) == public_der(key.public_key())), None)
    if leaf is None:
        subject = certificates[0].subject.rfc4514_string()
        raise CertificateError(
            "its private key belongs to another certificate",
            because=f"the certificate is that of {subject or 'nobody by name'}",
            hint="give the pair that was made together: {cert} and {key} are not",
        )
    chain, others = [leaf], [c for c in certificates if c != leaf and not self_signed(c)]
    while above := next((c for c in others if c not in chain and issued(chain[-1], c)), None):
        chain.append(above)
    return chain
