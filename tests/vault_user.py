"""Somebody with a deployment of his own, and a Vault that somebody else runs: here, a real OpenBao."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta

import pytest
from bao import NOW, Told, binary, spec_of
from cluster import Cluster, token

from kesdeploy import pki
from kesdeploy.errors import ServiceError
from kesdeploy.home import Home
from kesdeploy.keystores import Work
from kesdeploy.keystores.vault import Vault
from kesdeploy.keystores.vault.policy import kes_policy


class User:
    """Somebody with a deployment of his own, and this Vault."""

    def __init__(self, bao, folder, monkeypatch) -> None:
        self.bao, self.folder, self.environment = bao, folder, monkeypatch
        self.home = Home("mine", folder / "minio-kes-mine")
        self.home.prepare()
        self.told = Told()
        (folder / "ca.pem").write_bytes(bao.home.ca_cert.read_bytes())

    def work(self, fields: str = "", *, address: str = "", ca: str = "") -> Work:
        address = address or self.bao.address
        ca = ca or str(self.folder / "ca.pem")
        spec = spec_of(f"address: '{address}', ca: {ca}, {fields}", name="mine")
        return Work(spec, self.home, NOW, self.told, timeout=5)

    def admin(self, method: str, path: str, body=None, namespace: str = ""):
        return self.bao.ask(method, path, self.bao.master, body, namespace)

    def locks_out(self) -> None:
        """As every Vault does that is not ours."""
        self.bao.locks_out = True
        self.bao.restart()
        Vault().bootstrap(self.bao.work)

    def transit(self, key: str = "kes", **settings) -> str:
        """A transit key with these settings, the fields that say so."""
        if "transit/" not in self.admin("GET", "sys/mounts")["data"]:
            self.admin("POST", "sys/mounts/transit", {"type": "transit"})
        self.admin("POST", f"transit/keys/{key}", settings)
        return f"transit: {{key: {key}}}"

    def pair(self, usage=pki.Usage.CLIENT, *, days: int = 0) -> str:
        """A client certificate of the Vault's own authority, `days` from now on; the fields that say so."""
        home = self.bao.home
        authority = pki.Authority(home.ca_cert.read_bytes(), home.ca_key.read_bytes())
        leaf = authority.issue(pki.LeafRequest("kes", (), usage), NOW + timedelta(days=days))
        (self.folder / "client.pem").write_bytes(leaf.cert_pem)
        (self.folder / "client.key").write_bytes(leaf.key_pem)
        return f"tls: {{cert: {self.folder}/client.pem, key: {self.folder}/client.key}}"

    def paste(self, text: str) -> str:
        """Run what `kesdeploy policy vault` prints, as somebody who may do everything; what was said."""
        command = self.folder / "bin" / "vault"
        command.parent.mkdir(exist_ok=True)
        command.write_text(f'#!/bin/sh\nexec {binary()} "$@"\n')
        command.chmod(0o700)
        environment = {
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "BAO_ADDR": self.bao.address,
            "BAO_CACERT": str(self.bao.home.ca_cert),
            "BAO_TOKEN": self.bao.master,
        }
        done = subprocess.run(["sh"], input=text, env=environment, cwd=self.folder, capture_output=True, text=True)  # noqa: PLW1510
        return done.stdout + done.stderr

    def cluster(self) -> Cluster:
        """A Kubernetes cluster, whose service account `minio/kes` this Vault lets in as the role `kes`."""
        home = self.bao.home
        cluster = Cluster(self.folder, pki.Authority(home.ca_cert.read_bytes(), home.ca_key.read_bytes()), NOW)
        if "kubernetes/" not in self.admin("GET", "sys/auth")["data"]:
            self.admin("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
        config = {"kubernetes_host": cluster.address, "disable_local_ca_jwt": True}
        config["kubernetes_ca_cert"] = home.ca_cert.read_text()
        self.admin("POST", "auth/kubernetes/config", config)
        role = {"bound_service_account_names": "kes", "bound_service_account_namespaces": "minio"}
        self.admin("POST", "auth/kubernetes/role/kes", {**role, "token_policies": ["theirs"], "token_period": "5m"})
        return cluster

    def service_account(self, cluster: Cluster, **about) -> str:
        """A token of it that the cluster knows, in a file; the fields that say so."""
        jwt = token(**about)
        cluster.valid.add(jwt)
        (self.folder / "jwt").write_text(f"{jwt}\n")
        return f"kubernetes: {{role: kes, jwt: {self.folder}/jwt}}"

    def approle(self, policy: str, namespace: str = "") -> str:
        """An AppRole with this policy, given by reference; the fields that say so."""
        if "approle/" not in self.admin("GET", "sys/auth", namespace=namespace)["data"]:
            self.admin("POST", "sys/auth/approle", {"type": "approle"}, namespace)
        self.admin("PUT", "sys/policy/theirs", {"policy": policy}, namespace)
        self.admin("POST", "auth/approle/role/theirs", {"token_policies": ["theirs"]}, namespace)
        role_id = self.admin("GET", "auth/approle/role/theirs/role-id", namespace=namespace)["data"]["role_id"]
        secret_id = self.admin("POST", "auth/approle/role/theirs/secret-id", {}, namespace)["data"]["secret_id"]
        (self.folder / "secret-id").write_text(f"{secret_id}\n")
        self.environment.setenv("ROLE_ID", role_id)
        return f"approle: {{id: 'env:ROLE_ID', secret: '@{self.folder}/secret-id'}}"


def good(user, fields: str = "", version: str = "v2") -> str:
    """The fields of an AppRole that has just what KES needs."""
    return user.approle(kes_policy(user.work(fields).spec, version)) + (f", {fields}" if fields else "")


def refused(user, fields: str, **options):
    with pytest.raises(ServiceError) as found:
        Vault().preflight(user.work(fields, **options))
    return found.value
