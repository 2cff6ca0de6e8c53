"""Outgoing HTTPS for both stand-ins, failing with the words that the real servers' runtime (Go) would use."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

_CONNECT = {
    errno.ECONNREFUSED: "connect: connection refused",
    errno.EHOSTUNREACH: "connect: no route to host",
    errno.ENETUNREACH: "connect: network is unreachable",
}
# OpenSSL's verify codes and what Go says instead.
_VERIFY = {10: "certificate has expired or is not yet valid", 9: "certificate has expired or is not yet valid"}
_UNKNOWN = "certificate signed by unknown authority"


class Trust:
    """Whom to believe, who to be, and the connections that are kept open for the next request."""

    def __init__(self, context: ssl.SSLContext, timeout: float) -> None:
        self.context = context
        self._timeout = timeout
        self._idle: dict[str, list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()

    def request(self, method: str, url: str, headers: dict[str, str], body: str | bytes | None) -> tuple[int, bytes]:
        """One request; (status, body). Raises OSError. Kept connections that turn out dead are replaced once."""
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        kept = self._take(parts.netloc)
        if kept is not None:
            try:
                return self._send(kept, parts.netloc, method, path, headers, body)
            except (http.client.HTTPException, OSError):
                with self._lock:
                    self._idle.pop(parts.netloc, None)
        try:
            return self._send(self._new(parts.scheme, parts.netloc), parts.netloc, method, path, headers, body)
        except http.client.HTTPException as error:
            raise OSError("EOF") from error

    def _take(self, netloc: str) -> http.client.HTTPConnection | None:
        with self._lock:
            idle = self._idle.get(netloc)
            return idle.pop() if idle else None

    def _new(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        if scheme == "https":
            return http.client.HTTPSConnection(netloc, timeout=self._timeout, context=self.context)
        return http.client.HTTPConnection(netloc, timeout=self._timeout)

    def _send(
        self,
        connection: http.client.HTTPConnection,
        netloc: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: str | bytes | None,
    ) -> tuple[int, bytes]:
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        if not answer.will_close:
            with self._lock:
                self._idle.setdefault(netloc, []).append(connection)
        return answer.status, content


def trust(*, ca: str, cert: str = "", key: str = "", system: bool = True, timeout: float = 30.0) -> Trust:
    """`ca` is a PEM file or a folder of them, besides the system's roots when `system`. Unreadable ones are skipped."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if system:
        context.set_default_verify_paths()
    for file in _files(ca):
        try:
            context.load_verify_locations(file)
        except (OSError, ssl.SSLError):
            continue
    if cert:
        context.load_cert_chain(cert, key)
    return Trust(context, timeout)


def _files(ca: str) -> list[Path]:
    path = Path(ca)
    if not ca:
        return []
    return sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]


def describe(error: OSError, method: str, url: str) -> str:
    """`Post "https://h:1/p": dial tcp …: connect: connection refused`, and the like."""
    return f'{method.capitalize()} "{url}": {_cause(error, url)}'


def _cause(error: OSError, url: str) -> str:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    if isinstance(error, ssl.SSLCertVerificationError):
        return _verification(error, host)
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {host}: no such host"
    if error.errno in _CONNECT:
        return f"dial tcp {_address(host)}:{port}: {_CONNECT[error.errno]}"
    if isinstance(error, TimeoutError):
        return f"dial tcp {_address(host)}:{port}: i/o timeout"
    if isinstance(error, ssl.SSLError):
        return f"remote error: tls: {(error.reason or str(error)).lower().replace('_', ' ')}"
    return str(error) or "EOF"


def _verification(error: ssl.SSLCertVerificationError, host: str) -> str:
    prefix = "tls: failed to verify certificate: x509: "
    if "Hostname mismatch" in error.verify_message or "IP address mismatch" in error.verify_message:
        return f"{prefix}certificate is not valid for {host}"
    return prefix + _VERIFY.get(error.verify_code, _UNKNOWN)


def _address(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError:
        return host
