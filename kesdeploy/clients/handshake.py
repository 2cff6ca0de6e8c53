"""A handshake without a network: whether a client would take a server's certificate. OpenSSL decides."""

from __future__ import annotations

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kesdeploy.errors import CertificateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kesdeploy.pki import Leaf

# X509_V_FLAG_NO_CHECK_TIME: dates are judged elsewhere, by a clock that tests can set.
_NO_DATES = 0x200000
_ROUNDS = 10


def refuse_untrusted(leaf: Leaf, ca: bytes | None, name: str) -> None:
    """Raises CertificateError with OpenSSL's words when who trusts `ca` (None: this machine's roots) refuses `name`."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        server = _server(leaf).wrap_bio(there, back, server_side=True)
        client = _client(ca).wrap_bio(back, there, server_hostname=name)
        for _ in _shaken(client, server):
            pass
    except ssl.SSLCertVerificationError as error:
        raise CertificateError(
            "who looks at it would not trust it",
            because=f"OpenSSL: {error.verify_message}",
            hint="give the root that signed it as ca, and every intermediate certificate in {cert}",
        ) from error
    except ssl.SSLError as error:
        raise CertificateError(
            "no handshake is possible with it", because=f"OpenSSL: {error.reason or error}", hint="have another issued"
        ) from error


def _shaken(client: ssl.SSLObject, server: ssl.SSLObject) -> Iterator[None]:
    """Either side in turn, until the client has seen the whole certificate and agrees."""
    for _ in range(_ROUNDS):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            if side is client:
                return
        yield


def _server(leaf: Leaf) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory(prefix="kesdeploy-") as folder:
        # The ssl module takes files alone; this folder is the user's own, and gone in a moment.
        cert, key = Path(folder, "crt"), Path(folder, "key")
        cert.write_bytes(leaf.cert_pem)
        key.touch(mode=0o600)
        key.write_bytes(leaf.key_pem)
        context.load_cert_chain(cert, key, password="")
    return context


def _client(ca: bytes | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca.decode() if ca is not None else None)
    context.hostname_checks_common_name = False
    context.verify_flags |= _NO_DATES
    return context
