"""Texts as they come from who says them: our stand-in for KES (in KES's words), a real OpenBao, a real Podman."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from bao import binary
from commands import ROOT

from kesdeploy import pki
from kesdeploy.explain import advice


def said(*command: str, **environment: str) -> str:
    """What a program says that ends with an error."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C", **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=given, timeout=30, check=False)
    assert done.returncode != 0
    return done.stdout + done.stderr


def meant(text: str) -> str:
    found = advice(text)
    return found.id if found else f"nothing: {text}"


@pytest.fixture
def kes_config(tmp_path):
    now = datetime.now(UTC) - timedelta(hours=1)
    leaf = pki.Authority.create("test", now).issue(pki.LeafRequest("kes", ("127.0.0.1",), "server"), now)
    (tmp_path / "kes.key").write_bytes(leaf.key_pem)
    (tmp_path / "kes.crt").write_bytes(leaf.cert_pem)
    return {
        "address": "127.0.0.1:0",
        "admin": {"identity": "disabled"},
        "tls": {"key": str(tmp_path / "kes.key"), "cert": str(tmp_path / "kes.crt")},
        "policy": {"minio": {"allow": ["/v1/status"], "identities": ["a" * 64]}},
        "keystore": {"fs": {"path": str(tmp_path / "keys")}},
    }


@pytest.mark.parametrize(
    ("change", "identifier"),
    [
        ({"admin": {}}, "kes-no-admin"),
        ({"keystore": {}}, "kes-no-keystore"),
        ({"address": "localhost:7373"}, "kes-address-name"),
        ({"policy": {"minio": {"identities": ["${NOPE}"]}}}, "kes-variable"),
        ({"tls": {"key": "/nope.key", "cert": "/nope.crt"}}, "kes-certificate-unreadable"),
        ({"cache": {"expiry": {"any": 15}}}, "kes-duration"),
    ],
)
def test_a_kes_that_does_not_start(kes_config, tmp_path, change, identifier):
    (tmp_path / "kes.yaml").write_text(yaml.safe_dump({**kes_config, **change}))
    kes = (sys.executable, "-m", "kesdeploy.sandbox.kes", "server", "--config", str(tmp_path / "kes.yaml"))
    assert meant(said(*kes)) == identifier


@pytest.mark.openbao
def test_an_openbao_that_does_not_start_or_answer(tmp_path):
    (tmp_path / "bao.hcl").write_text('storage "file" { path = "/nowhere" }\nlistener "tcp" { tls_disable = true }\n')
    assert meant(said(binary(), "server", "-config", str(tmp_path / "bao.hcl"))) == "vault-storage-gone"
    assert meant(said(binary(), "status", BAO_ADDR="http://127.0.0.1:9")) == "vault-login-unreachable"


@pytest.mark.engine
def test_a_podman_that_refuses(tmp_path):
    assert meant(said("podman", "logs", "kesdeploy-nobody")) == "engine-no-container"
    assert meant(said("podman", "run", "--pull=never", "kesdeploy/nothing:1")) == "image-not-here"
    assert meant(said("podman", "--url", f"unix://{tmp_path}/none.sock", "ps")) == "engine-podman-socket"
