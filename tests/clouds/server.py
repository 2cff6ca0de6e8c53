"""A small HTTPS server that answers as a cloud would, under the cloud's own names."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from kesdeploy import pki

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    Answers = Callable[[str, str, dict[str, str], bytes], tuple[int, dict[str, str], Any]]


def issue(folder: Path, names: tuple[str, ...], now: datetime) -> Path:
    """A leaf for these names in `folder`, as leaf.crt and leaf.key; its authority's certificate, as ca.crt."""
    authority = pki.Authority.create("the internet", now)
    leaf = authority.issue(pki.LeafRequest(names[0], names, pki.Usage.SERVER), now)
    (folder / "leaf.crt").write_bytes(leaf.cert_pem)
    (folder / "leaf.key").write_bytes(leaf.key_pem)
    (folder / "ca.crt").write_bytes(authority.cert_pem)
    return folder / "ca.crt"


class StandIn:
    """Serves what `answers` says to (method, path with query, headers, body): status, headers, JSON."""

    def __init__(self, folder: Path, answers: Answers, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.server = ThreadingHTTPServer(address, _handler(answers))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "leaf.crt", folder / "leaf.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(answers: Answers) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, document = answers(self.command, self.path, dict(self.headers), body)
            text = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def redirect(monkeypatch, port: int, *names: str) -> None:
    """Have these names (or their ends) mean the stand-in, whatever the port. Every other name is nowhere."""
    real = socket.getaddrinfo

    def resolve(host, service, *rest, **more):
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name.endswith(names):
            return real("127.0.0.1", port, *rest, **more)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
