"""The HTTPS server that all of them are."""

from __future__ import annotations

import json
import ssl
import threading
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

from kesdeploy.pki import Authority, LeafRequest, Usage

if TYPE_CHECKING:
    from pathlib import Path

Answer = tuple[int, Any]


class Appliance:
    """An HTTPS server whose certificate is from an authority of its own.

    `secrets`: what is kept there, by name. `asked`: every request, as METHOD /path. `instead`: answers that are given
    in place of its own, by path. `given`: a file with `credential`, as a spec names it.
    """

    kind: ClassVar[str]
    credential: ClassVar[str]

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.secrets: dict[str, str] = {}
        self.asked: list[str] = []
        self.instead: dict[str, Answer] = {}
        self.ca = folder / "appliance-ca.pem"
        self.given = f"@{folder / 'credential'}"
        (folder / "credential").write_text(self.credential)
        self._server = ThreadingHTTPServer((host, 0), partial(Handler, self))
        self._server.daemon_threads = True
        self._server.socket = self._secure(folder, host)
        self.address = f"https://{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def fields(self) -> dict[str, Any]:
        """The keystore's section of a spec that uses it."""
        raise NotImplementedError

    def answer(self, method: str, path: str, headers: Any, body: Any) -> Answer:
        """Status, and what is sent: as JSON, a text as a web page, nothing for None. `path` is with its query."""
        raise NotImplementedError

    def _secure(self, folder: Path, host: str) -> Any:
        now = datetime.now(UTC)
        authority = Authority.create("appliance", now)
        leaf = authority.issue(LeafRequest("appliance", (host,), Usage.SERVER), now)
        (folder / "appliance.pem").write_bytes(leaf.key_pem + leaf.cert_pem)
        self.ca.write_bytes(authority.cert_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "appliance.pem")
        # In the connection's own thread: one client that fails the handshake must not stop the rest.
        return context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, appliance: Appliance, *args: Any) -> None:
        self.appliance = appliance
        super().__init__(*args)

    def _any(self) -> None:
        sent = self._chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self._whole()
        path = self.path.partition("?")[0]
        self.appliance.asked.append(f"{self.command} {path}")
        body = json.loads(sent) if sent else None
        found = self.appliance.instead.get(path) or self.appliance.answer(self.command, self.path, self.headers, body)
        self._send(*found)

    def _whole(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> bytes:
        """KES does not say how long its requests are, except to KeyControl."""
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _send(self, status: int, body: Any) -> None:
        text = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        # RFC 9110: a 204 has no body, and no length of one.
        if status != 204:
            self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = _any  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # a client that refuses the certificate, or went away
            self.close_connection = True
