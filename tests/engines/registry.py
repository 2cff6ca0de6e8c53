"""A registry of one image on 127.0.0.1, and its ways to fail."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry(ThreadingHTTPServer):
    """Serves NAME:1 with the given layer. `pace`: seconds between its tenths. `silent`: answers nothing at all."""

    daemon_threads = True

    def __init__(self, layer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pace = 0.0
        self.silent = False
        self.stop_half_way = False
        config = json.dumps(
            {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]}}
        ).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [_descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
        }
        self.blobs = {_digest(layer): layer, _digest(config): config}
        self.manifest = json.dumps(manifest).encode()
        self.over = threading.Event()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def write_config(self, path: Path) -> None:
        """Podman's registries.conf that allows this registry without TLS."""
        path.write_text(f'[[registry]]\nlocation = "{self.host}"\ninsecure = true\n')


class _Handler(BaseHTTPRequestHandler):
    server: Registry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.server.silent:
            self.server.over.wait(60)
            self.close_connection = True
            return
        status, body, kind = self._found(self.path.strip("/").split("/"))
        self._send(status, body, kind)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def _found(self, parts: list[str]) -> tuple[int, bytes, str]:
        if parts == ["v2"]:
            return 200, b"{}", "application/json"
        if parts[-2] == "manifests" and parts[-1] in ("1", _digest(self.server.manifest)):
            return 200, self.server.manifest, _MANIFEST
        if parts[-2] == "blobs" and (blob := self.server.blobs.get(parts[-1])):
            return 200, blob, "application/octet-stream"
        return 404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', "application/json"

    def _send(self, status: int, body: bytes, kind: str) -> None:
        slowly = len(body) > 100_000
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        step = max(len(body) // 10, 1) if slowly else len(body)
        for begin in range(0, len(body), step):
            self.wfile.write(body[begin : begin + step])
            time.sleep(self.server.pace if slowly else 0)
            if slowly and self.server.stop_half_way and begin > len(body) // 2:
                self.server.over.wait(60)
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


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(content: bytes, kind: str) -> dict[str, object]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}
