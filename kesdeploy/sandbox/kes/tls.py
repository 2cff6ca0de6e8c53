"""TLS that asks for a client certificate and takes any, which Python's `ssl` cannot: it would verify it."""

from __future__ import annotations

import io
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from OpenSSL import SSL

from kesdeploy.sandbox.kes.flags import Fatal
from kesdeploy.sandbox.web import IDLE, Handshake, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from kesdeploy.sandbox.kes.config import TLS

_HANDSHAKE = 10  # seconds


def context(tls: TLS) -> SSL.Context:
    """Read the files that the configuration names. Raises Fatal with the real server's text."""
    try:
        chain, key = _pair(tls)
    except (OSError, ValueError, TypeError) as error:
        raise Fatal(f"failed to read TLS certificate: {_why(error)}") from error
    _check_names(chain[0])
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.set_min_proto_version(SSL.TLS1_2_VERSION)
    made.set_options(SSL.OP_NO_TICKET)
    made.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    made.use_certificate(chain[0])
    for intermediate in chain[1:]:
        made.add_extra_chain_cert(intermediate)
    made.use_privatekey(key)
    made.set_alpn_select_callback(_protocol)
    _ask_for_certificate(made, tls)
    return made


def handshake(current: Callable[[], SSL.Context]) -> Handshake:
    """Wires for the web server, each with the context that is current when its client comes."""

    def shake(sock: socket.socket) -> Wire:
        # A timeout of the kernel's: with one of Python's the socket would not block and OpenSSL could not wait.
        sock.settimeout(None)
        _limit(sock, _HANDSHAKE)
        connection = SSL.Connection(current(), sock)
        connection.set_accept_state()
        connection.do_handshake()
        _limit(sock, int(IDLE))
        return _Wire(connection)

    return shake


class _Wire:
    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection
        stream = _Stream(connection)
        self.rfile: IO[bytes] = io.BufferedReader(stream, 64 * 1024)
        self.wfile: IO[bytes] = io.BufferedWriter(stream, 64 * 1024)
        leaf = connection.get_peer_certificate(as_cryptography=True)
        rest = connection.get_peer_cert_chain(as_cryptography=True) or []
        found = [leaf, *rest] if leaf is not None else []
        self.certificates = tuple(dict.fromkeys(c.public_bytes(Encoding.DER) for c in found))

    def close(self) -> None:
        with suppress(SSL.Error):  # the client may be gone already
            self._connection.shutdown()
        self._connection.close()


class _Stream(io.RawIOBase):
    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._connection.recv_into(buffer))
        except (SSL.ZeroReturnError, SSL.SysCallError, SSL.WantReadError):
            return 0  # closed, reset, or silent for too long

    def write(self, data: Any) -> int:
        try:
            return int(self._connection.send(bytes(data)))
        except SSL.Error as error:
            raise BrokenPipeError from error


def words(error: str) -> str:
    """OpenSSL's complaint in the real server's words, where they are known."""
    return "tls: client didn't provide a certificate" if "did not return a certificate" in error else error


def _limit(sock: socket.socket, seconds: int) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", seconds, 0))


def _protocol(_: SSL.Connection, offered: list[bytes]) -> Any:
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _ask_for_certificate(made: SSL.Context, tls: TLS) -> None:
    mode = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if tls.required else 0)
    if not tls.verify:
        made.set_verify(mode, lambda *_: True)
        return
    made.set_verify(mode)
    made.set_default_verify_paths()
    if tls.ca:
        _trust(made, Path(tls.ca))


def _trust(made: SSL.Context, ca: Path) -> None:
    try:
        for file in sorted(ca.iterdir()) if ca.is_dir() else [ca]:
            made.load_verify_locations(str(file))
    except (OSError, SSL.Error) as error:
        raise Fatal(f"failed to read TLS CA certificates: open {ca}: {error}") from error


def _pair(tls: TLS) -> tuple[list[x509.Certificate], Any]:
    chain = x509.load_pem_x509_certificates(_blocks(Path(tls.cert), ("CERTIFICATE",)))
    pem = _blocks(Path(tls.key), ("PRIVATE KEY", "CERTIFICATE"))
    encrypted = b"Proc-Type: 4,ENCRYPTED" in pem
    if encrypted and not tls.password:
        raise ValueError("https: private key is encrypted: password required")
    if b"BEGIN ENCRYPTED PRIVATE KEY" in pem:
        raise ValueError("tls: failed to parse private key")
    key = load_pem_private_key(pem, tls.password.encode() if encrypted else None)
    if _public(key.public_key()) != _public(chain[0].public_key()):
        raise ValueError("tls: private key does not match public key")
    return chain, key


def _blocks(path: Path, allowed: tuple[str, ...]) -> bytes:
    """The file's bytes, if it holds no other PEM blocks than those (or those with words before, as in RSA …)."""
    pem = path.read_bytes()
    names = [line.strip(b"- \r").removeprefix(b"BEGIN ").decode() for line in pem.split(b"\n") if b"-BEGIN " in line]
    if not names:
        raise ValueError("https: no valid PEM data")
    for name in names:
        if not any(name == a or (name.endswith(f" {a}") and a == "PRIVATE KEY") for a in allowed):
            raise ValueError("https: unsupported PEM data block")
    return pem


def _public(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _check_names(leaf: x509.Certificate) -> None:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = [n for n in names if isinstance(n, x509.DNSName | x509.IPAddress)]
    except x509.ExtensionNotFound:
        found = []
    if not found:
        why = "certificate does not contain any DNS or IP address as SAN"
        raise Fatal(f"invalid TLS certificate: {why}")


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"open {error.filename}: {(error.strerror or 'error').lower()}"
    return str(error)
