"""A registry on 127.0.0.1 (the OCI distribution API, as far as engines use it), and its ways to fail."""

import base64
import hashlib
import io
import json
import os
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_BIG = 100_000
_Answer = tuple[int, bytes, str]
QUAY = (401, "UNAUTHORIZED", "access to the requested resource is not authorized")
HUB = (401, "DENIED", "requested access to the resource is denied")


class Registry(ThreadingHTTPServer):
    """Serves what was added or pushed, and NAME:1 with the given layer.

    pace: seconds between the tenths of a layer. silent: answers nothing. stop_half_way: falls silent amid a layer.
    cut: how many layers are cut off in their middle before one comes whole. login: the user and password that it wants.
    refusal: what it says to all. lies: its manifests are others than their digests say. asked: paths of all requests.
    """

    daemon_threads = True

    def __init__(self, layer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pace = 0.0
        self.silent = False
        self.stop_half_way = False
        self.cut = 0
        self.lies = False
        self.login: tuple[str, str] | None = None
        self.refusal: tuple[int, str, str] | None = None
        self.asked: list[str] = []
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.manifest = self._image(layer, "amd64")
        self.over = threading.Event()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def add(self, repository: str, tag: str, layer: bytes, architecture: str = "amd64") -> str:
        """An image of one layer and one platform; its digest."""
        return self._put(repository, tag, self._image(layer, architecture), _MANIFEST)

    def add_index(self, repository: str, tag: str, layer: bytes, *architectures: str) -> str:
        """An image for several platforms; the digest of its index."""
        entries = []
        for architecture in architectures:
            body = self._image(layer, architecture)
            self._put(repository, digest_of(body), body, _MANIFEST)
            entries.append(_descriptor(body, _MANIFEST) | {"platform": {"architecture": architecture, "os": "linux"}})
        index = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}).encode()
        return self._put(repository, tag, index, _INDEX)

    def write_config(self, path: Path) -> None:
        """Podman's registries.conf that allows this registry without TLS."""
        path.write_text(f'[[registry]]\nlocation = "{self.host}"\ninsecure = true\n')

    def write_login(self, path: Path) -> None:
        """The file that `podman login` would write."""
        assert self.login
        secret = base64.b64encode(":".join(self.login).encode()).decode()
        path.write_text(json.dumps({"auths": {self.host: {"auth": secret}}}))

    def _image(self, layer: bytes, architecture: str) -> bytes:
        about = {
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
        }
        config = json.dumps(about).encode()
        self.blobs |= {digest_of(layer): layer, digest_of(config): config}
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [_descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
        }
        return json.dumps(manifest).encode()

    def _put(self, repository: str, name: str, body: bytes, kind: str) -> str:
        for each in (name, digest_of(body)):
            self.manifests[repository, each] = body, kind
        return digest_of(body)


class _Handler(BaseHTTPRequestHandler):
    server: Registry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.silent:
            self.server.over.wait(60)
            self.close_connection = True
            return
        self._send(*(self._refused() or self._found(self.path.strip("/").split("/"))))

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def do_POST(self) -> None:
        self._body()
        place = f"{urlsplit(self.path).path.rstrip('/')}/1"
        self._send(*(self._refused() or (202, b"", "")), Location=place, Range="0-0")

    def do_PATCH(self) -> None:
        body = self._body()
        self.server.blobs["upload" + self.path] = body
        self._send(202, b"", "", Location=self.path, Range=f"0-{max(len(body) - 1, 0)}")

    def do_PUT(self) -> None:
        body, parts = self._body(), urlsplit(self.path).path.strip("/").split("/")
        if refused := self._refused():
            self._send(*refused)
        elif parts[-2] == "manifests":
            kind = self.headers["Content-Type"]
            digest = self.server._put("/".join(parts[1:-2]), parts[-1], body, kind)
            self._send(201, b"", "", Docker_Content_Digest=digest)
        else:
            body = self.server.blobs.pop("upload" + urlsplit(self.path).path, b"") + body
            self.server.blobs[parse_qs(urlsplit(self.path).query)["digest"][0]] = body
            self._send(201, b"", "")

    def _refused(self) -> _Answer | None:
        if self.server.login:
            wanted = base64.b64encode(":".join(self.server.login).encode()).decode()
            if self.headers.get("Authorization") != f"Basic {wanted}":
                return _error(*QUAY)
        return _error(*self.server.refusal) if self.server.refusal and self.path.strip("/") != "v2" else None

    def _found(self, parts: list[str]) -> _Answer:
        if parts == ["v2"]:
            return 200, b"{}", "application/json"
        repository = "/".join(parts[1:-2])
        if parts[-2] == "manifests":
            body, kind = self.server.manifests.get((repository, parts[-1]), (b"", ""))
            if not body and parts[-1] in ("1", digest_of(self.server.manifest)):
                body, kind = self.server.manifest, _MANIFEST
            if body:
                return 200, self.server.manifest + b"\n" if self.server.lies else body, kind
        if parts[-2] == "blobs" and (blob := self.server.blobs.get(parts[-1])):
            return 200, blob, "application/octet-stream"
        return _error(404, "MANIFEST_UNKNOWN", "manifest unknown")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        if status == 401:
            headers["WWW_Authenticate"] = 'Basic realm="test"'
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self._write(body)

    def _write(self, body: bytes) -> None:
        slowly = len(body) > _BIG
        step = max(len(body) // 10, 1) if slowly else max(len(body), 1)
        for begin in range(0, len(body), step):
            self.wfile.write(body[begin : begin + step])
            time.sleep(self.server.pace if slowly else 0)
            if slowly and begin > len(body) // 2:
                if self.server.stop_half_way:
                    self.server.over.wait(60)
                    return
                if self.server.cut:
                    self.server.cut -= 1
                    self.close_connection = True
                    return

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def registry(layer: bytes) -> Iterator[Registry]:
    server = Registry(layer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


def fresh_layer(size: int = 2_000_000) -> bytes:
    """A layer that is new each time: what a store has already is not fetched."""
    content = os.urandom(size)
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo("content")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return layer.getvalue()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _error(status: int, code: str, message: str) -> _Answer:
    return status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(), "application/json"


def _descriptor(content: bytes, kind: str) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest_of(content), "size": len(content)}
