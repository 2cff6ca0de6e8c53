"""A KES of somebody else: the stand-in as a process, with a CA of its own, and an operator who allows things."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from kesdeploy import pki
from kesdeploy.clients.kes import Kes
from kesdeploy.errors import ServiceError

ROOT = Path(__file__).parents[1]
RELOADED = "Reloading configuration after SIGHUP signal completed"


class TheirKes:
    """`folder` holds its keys, its certificates (`ca.crt` for its clients) and its log."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", auth: str = "off") -> None:
        self.folder, self.address, self.auth = folder, f"https://{host}:{_free_port(host)}", auth
        self.policies: dict[str, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.now = datetime.now(UTC)
        self.authority = pki.Authority.create("their CA", self.now)
        self.ca = folder / "ca.crt"
        self.ca.write_bytes(self.authority.cert_pem)
        self._write("kes", pki.LeafRequest("kes", (host, "127.0.0.1"), pki.Usage.SERVER))
        self.operator = self.client("operator")
        self.process = self._start()

    def client(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of somebody, signed by its CA."""
        return self._write(name, pki.LeafRequest(name, (), pki.Usage.CLIENT, key="ed25519"))

    def allow(self, identity: str, *patterns: str) -> None:
        """Let somebody do this, and nothing else."""
        self.policies[f"p{identity[:8]}"] = {"allow": list(patterns), "identities": [identity]}
        self.reload()

    def reload(self) -> None:
        self._configure()
        before = self.log.count(RELOADED)
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while self.log.count(RELOADED) == before:
            assert time.monotonic() < end, self.log
            time.sleep(0.02)

    @property
    def door(self) -> Kes:
        """As its operator."""
        return Kes(self.address, self.ca, *self.operator, timeout=10)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def _write(self, name: str, request: pki.LeafRequest) -> tuple[Path, Path]:
        leaf = self.authority.issue(request, self.now)
        pair = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        for file, data in zip(pair, (leaf.cert_pem, leaf.key_pem), strict=True):
            file.write_bytes(data)
        return pair

    def _configure(self) -> None:
        config = {
            "version": "v1",
            "address": self.address.removeprefix("https://"),
            "admin": {"identity": pki.identity(self.operator[0].read_bytes())},
            "tls": {
                "cert": f"{self.folder}/kes.crt",
                "key": f"{self.folder}/kes.key",
                "auth": self.auth,
                "ca": str(self.ca),
            },
            "policy": self.policies,
            "keystore": {"fs": {"path": f"{self.folder}/keys"}},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))

    def _start(self) -> subprocess.Popen[bytes]:
        self._configure()
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "kesdeploy.sandbox.kes", "server", f"--config={self.folder}/config.yaml"]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        end = time.monotonic() + 20
        while not self._answers():
            assert process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.05)
        return process

    def _answers(self) -> bool:
        try:
            self.door.version()
        except ServiceError:
            return False
        return True


def _free_port(host: str) -> int:
    with socket.socket() as found:
        found.bind((host, 0))
        return int(found.getsockname()[1])
