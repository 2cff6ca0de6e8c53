"""One HTTPS door for every service: the deployment's CA and no other, time-outs always, the server's own words kept."""

from __future__ import annotations

import json
import socket
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy.errors import CertificateError, ServiceError, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from urllib3 import PoolManager

Pair = tuple[Path, Path]
SUCCESS = range(200, 300)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    """Data keys travel in it."""

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ServiceError("the answer is not JSON", because=str(error), status=self.status) from error


class Door:
    """A service at `address`.

    `ca`: the only trusted authority (None: the public ones). `pair`: client certificate and key.
    `called`: the name that its certificate has to be valid for, where that is not the address.
    `timeout` is in seconds, for connecting and for each read. Proxies of the environment are never used, only `proxy`.
    Safe to share between threads; connections are kept alive.
    """

    def __init__(
        self,
        address: str,
        *,
        ca: Path | None,
        pair: Pair | None = None,
        timeout: float = 15,
        called: str = "",
        proxy: str | None = None,
    ) -> None:
        self.address = address.rstrip("/")
        self.timeout = timeout
        self.pool = _pool(ca, pair, timeout, called, proxy)

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Any answer of the server. ServiceError with status 0 when there is none."""
        import urllib3

        try:
            answer = self.pool.request(method, self.address + path, body=body, headers=headers, retries=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ServiceError(f"{self.address} does not answer", because=cause(error)) from error
        return Answer(answer.status, answer.headers, answer.data)

    def demand(self, method: str, path: str, what: str, *, body: Any = None) -> Answer:
        """An answer of 2xx; any other is a ServiceError: `what`, because of the server's own message."""
        data = json.dumps(body).encode() if body is not None else None
        answer = self.ask(method, path, body=data, headers={"Content-Type": "application/json"} if data else None)
        if answer.status not in SUCCESS:
            raise ServiceError(what, because=message(answer), status=answer.status)
        return answer


def message(answer: Answer) -> str:
    """The server's own words: what a JSON body calls so, the text of any other, else the status."""
    try:
        body = json.loads(answer.body)
        # Entrust's is a text; Azure's and Google's hold the message in a mapping.
        error = body.get("error")
        told = error.get("message") if isinstance(error, dict) else error
        # MinIO's KMS API capitalises what its S3 API has in XML.
        code_and_words = ": ".join(body[part] for part in ("Code", "Message") if body.get(part))
        listed = "; ".join(body.get("errors") or [])
        words = body.get("message") or told or listed or code_and_words or body.get("codeDesc") or ""
    except (ValueError, AttributeError, TypeError):
        words = answer.body.decode(errors="replace").strip()
    return str(words)[:400] or f"HTTP {answer.status}"


def cause(error: BaseException) -> str:
    """The innermost reason of a failed connection, in words."""
    while inner := (getattr(error, "reason", None) or error.__cause__ or error.__context__):
        if not isinstance(inner, BaseException):
            break
        error = inner
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "time-out"
    return str(error) or type(error).__name__


def served_certificate(host: str, port: int, *, timeout: float, client: Pair | None = None) -> bytes:
    """The certificate that a server presents now, as PEM, whoever signed it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if client:
        with _usable(*client):
            context.load_cert_chain(*client, password="")
    try:
        with (
            socket.create_connection((host.strip("[]"), port), timeout) as plain,
            context.wrap_socket(plain) as wrapped,
        ):
            der = wrapped.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise ServiceError(f"{host}:{port} does not answer", because=cause(error)) from error
    return ssl.DER_cert_to_PEM_cert(der).encode()


def _pool(ca: Path | None, pair: Pair | None, timeout: float, called: str, proxy: str | None) -> PoolManager:
    import urllib3

    limits = urllib3.Timeout(connect=timeout, read=timeout)
    named: dict[str, Any] = {"server_hostname": called} if called else {}
    if proxy:
        return urllib3.ProxyManager(proxy, timeout=limits, maxsize=4, ssl_context=client_context(ca, pair), **named)
    if ca is None and pair is None:
        return urllib3.PoolManager(timeout=limits, maxsize=4, **named)
    return urllib3.PoolManager(timeout=limits, maxsize=4, ssl_context=client_context(ca, pair), **named)


def client_context(ca: Path | None, pair: Pair | None) -> ssl.SSLContext:
    """Whom to believe (None: the public authorities) and what to show. The files are read now. CertificateError."""
    with _usable(ca, *(pair or ())):
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        if pair:
            # An empty password: without one, OpenSSL asks for it on the terminal.
            context.load_cert_chain(*pair, password="")
    return context


@contextmanager
def _usable(*files: Path | None) -> Iterator[None]:
    """OpenSSL does not say which of them it is about."""
    try:
        yield
    except OSError as error:
        given = [file for file in files if file]
        meant = [file for file in given if not file.exists()] or given
        what = "" if len(meant) == 1 else "one of "
        raise CertificateError(
            f"{what}{', '.join(map(str, meant))} cannot be used",
            because=in_words(error),
            hint="kesdeploy up -n NAME makes the deployment's own anew",
        ) from error
