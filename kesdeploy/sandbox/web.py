"""The HTTP/1.1 server under both stand-ins: keep-alive, one thread a connection, TLS as the listener wants it."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import unquote

if TYPE_CHECKING:
    from email.message import Message

IDLE = 90.0  # seconds that a silent connection is kept, as both real servers do


class Wire(Protocol):
    """A connection after its handshake."""

    rfile: IO[bytes]
    wfile: IO[bytes]
    certificates: tuple[bytes, ...]  # the client's, DER, leaf first

    def close(self) -> None: ...


Handshake = Callable[[socket.socket], Wire]


@dataclass(frozen=True)
class Request:
    """`path` is decoded, `query` is as it came. `length` is -1 when the client did not say."""

    method: str
    path: str
    query: str
    headers: Message
    body: IO[bytes]
    length: int
    client: str
    certificates: tuple[bytes, ...]

    def header(self, name: str, default: str = "") -> str:
        return str(self.headers.get(name, default))


@dataclass
class Response:
    """`body` is all of it, or an iterator of which `length` says the size in bytes."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterator[bytes] = b""
    length: int | None = None

    @property
    def size(self) -> int:
        if self.length is not None:
            return self.length
        return len(self.body) if isinstance(self.body, bytes) else 0


Handler = Callable[[Request], Response]


class PlainWire:
    """A socket, or Python's own SSLSocket, as a Wire."""

    certificates: tuple[bytes, ...] = ()

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.rfile = cast("IO[bytes]", sock.makefile("rb", 64 * 1024))
        self.wfile = cast("IO[bytes]", sock.makefile("wb", 64 * 1024))

    def close(self) -> None:
        self._sock.close()


class Body:
    """Reads exactly the bytes of one request, whether it has a length or comes in chunks."""

    def __init__(self, stream: IO[bytes], length: int, *, chunked: bool) -> None:
        self._stream = stream
        self._left = max(length, 0)
        self._chunked = chunked

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if self._left == 0 and self._chunked:
            self._next_chunk()
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        if self._chunked and self._left == 0 and data:
            self._stream.readline()
        return data

    def _next_chunk(self) -> None:
        self._left = int(self._stream.readline(1024).split(b";")[0] or b"0", 16)
        if self._left == 0:
            self._chunked = False
            self._stream.readline()

    def drain(self, limit: int = 1 << 22) -> bool:
        """Read what the handler left; False when it is too much to be worth it."""
        while limit > 0:
            data = self.read(1 << 16)
            if not data:
                return True
            limit -= len(data)
        return False


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        self.request.settimeout(IDLE)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wire = self.server.handshake(self.request)
        self.rfile, self.wfile = cast("Any", self.wire.rfile), cast("Any", self.wire.wfile)

    def finish(self) -> None:
        if hasattr(self, "wire"):
            self.wire.close()

    def version_string(self) -> str:
        return self.server.name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Neither real server logs requests."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        with self.server.busy():
            request, body = self._read()
            response = self.server.respond(request)
            self._write(response)
            if not body.drain():
                self.close_connection = True

    def _read(self) -> tuple[Request, Body]:
        raw, _, query = self.path.partition("?")
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        length = int(self.headers.get("Content-Length") or (-1 if chunked else 0))
        body = Body(self.wire.rfile, length, chunked=chunked)
        stream: Any = body if length or chunked else BytesIO()
        client = self.client_address[0]
        wire = self.wire.certificates
        return Request(self.command, unquote(raw), query, self.headers, stream, length, client, wire), body

    def _write(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in response.headers and response.status != 204:  # noqa: PLR2004
            self.send_header("Content-Length", str(response.size))
        if self.server.closing:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            for part in (response.body,) if isinstance(response.body, bytes) else response.body:
                self.wfile.write(part)
        self.wfile.flush()


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves `respond` until `stop`. An empty host means every interface, IPv6 included where there is one."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        respond: Handler,
        *,
        name: str,
        handshake: Handshake = PlainWire,
        headers: Mapping[str, str] | None = None,
        failed: Callable[[str, str], None] | None = None,
    ) -> None:
        self.dual = not address[0] and socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if self.dual or ":" in address[0] else socket.AF_INET
        self.name = name
        self.handshake = handshake
        self.closing = False
        self._respond = respond
        self._headers = dict(headers or {})
        self._failed = failed
        self._busy = 0
        self._idle = threading.Condition()
        super().__init__(("::", address[1]) if self.dual else address, _Connection)

    def server_bind(self) -> None:
        if self.dual:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def respond(self, request: Request) -> Response:
        response = self._respond(request)
        response.headers = {**self._headers, **response.headers}
        return response

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that hangs up or fails the handshake is worth one line at most."""
        error = sys.exception()
        if self._failed is not None and not isinstance(error, TimeoutError | BrokenPipeError | ConnectionResetError):
            self._failed(f"{client_address[0]}:{client_address[1]}", str(error) or type(error).__name__)

    def busy(self) -> _Busy:
        return _Busy(self)

    def count(self, by: int) -> None:
        with self._idle:
            self._busy += by
            self._idle.notify_all()

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 60}, daemon=True).start()

    def stop(self, grace: float) -> None:
        """Accept nothing more; give requests that run `grace` seconds."""
        self.closing = True
        self.socket.close()
        end = time.monotonic() + grace
        with self._idle:
            while self._busy and (left := end - time.monotonic()) > 0:
                self._idle.wait(left)


class _Busy:
    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> None:
        self._server.count(1)

    def __exit__(self, *_: object) -> None:
        self._server.count(-1)
