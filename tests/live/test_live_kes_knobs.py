"""KES's knobs on a real engine: who is let in, on data that is there already, and the way from one KES to the next."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from commandline import RELEASE, Cli, inspect, podman
from objects import Objects

from kesdeploy import pki
from kesdeploy.clients.kes import Kes
from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine
OLD_KES = "quay.io/minio/kes:2024-01-11T13-09-29Z"
NEW_KES = "quay.io/minio/kes:2025-03-12T09-35-18Z"
KEY = "minio-backend-default-key"
both = pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)


class App:
    """A client of KES with an API key of its own."""

    def __init__(self, folder: Path) -> None:
        leaf = pki.Authority.create("app", datetime.now(UTC)).issue(
            pki.LeafRequest("app", (), pki.Usage.CLIENT, key="ed25519"), datetime.now(UTC)
        )
        self.pair = folder / "app.crt", folder / "app.key"
        self.pair[0].write_bytes(leaf.cert_pem)
        self.pair[1].write_bytes(leaf.key_pem)
        (folder / "app.api-key").write_text(pki.api_key_of(leaf.key_pem))
        self.source = f"@{folder / 'app.api-key'}"

    def at(self, cli: Cli) -> Kes:
        return Kes(f"https://127.0.0.1:{cli.port + 2}", cli.folder / "ca" / "ca.crt", *self.pair, timeout=10)

    def refused(self, cli: Cli, key: str) -> int:
        with pytest.raises(ServiceError) as raised:
            self.at(cli).generate(key)
        return raised.value.status


def started_at(cli: Cli, part: str) -> str:
    return str(inspect(cli.container(part))["State"]["StartedAt"])


@both
def test_certificates_only_and_back_on_data_that_is_there(running: Cli, objects: Objects) -> None:
    """The identities stay, and with them everything that KES knows of them."""
    before = running.read("secrets/minio.key")
    changes = running.again("--set", "kes.auth=certificate").changes
    assert ("reload", "container/kes-server") in changes
    assert "MINIO_KMS_KES_API_KEY" not in running.read("config/minio/minio")
    assert running.read("config/minio/client.key") == running.read("secrets/minio.key") == before
    objects.assert_intact()
    objects.put_some()
    stranger = next(c for c in running("verify", "--json").data["checks"] if c["name"] == "KES refuses a stranger")
    assert "another CA turned away by TLS" in stranger["evidence"]
    exported = running("env", "--shell", "json").json
    assert "KES_API_KEY" not in exported
    assert exported["KES_CLIENT_CERT"].endswith("secrets/operator.crt")
    assert not running.again().changes
    changes = running.again("--set", "kes.auth=api-key").changes
    assert ("reload", "container/kes-server") in changes
    assert "CERT_FILE" not in running.read("config/minio/minio")
    objects.assert_intact()


@both
def test_minios_certificate_is_renewed_without_a_restart(running: Cli, objects: Objects) -> None:
    running.again("--set", "kes.auth=certificate")
    since, identity = started_at(running, "minio-server"), pki.identity(running.read("secrets/minio.crt").encode())
    (running.folder / "secrets" / "minio.crt").unlink()
    assert ("reload", "container/minio-server") in running.again().changes
    assert running.read("config/minio/client.crt") == running.read("secrets/minio.crt")
    assert pki.identity(running.read("secrets/minio.crt").encode()) == identity
    # A signal that ends MinIO where it has neither HTTPS nor a client certificate.
    podman("kill", "-s", "HUP", running.container("minio-server"))
    objects.assert_intact()
    assert started_at(running, "minio-server") == since


@both
def test_a_new_authority_while_only_its_certificates_count(running: Cli, objects: Objects) -> None:
    running.again("--set", "kes.auth=certificate")
    (running.folder / "ca" / "ca.key").unlink()
    running.again()
    objects.assert_intact()
    assert all(check["ok"] for check in running("verify", "--json").data["checks"])


@both
def test_a_client_with_a_policy_of_its_own(cli: Cli, tmp_path: Path) -> None:
    app = App(tmp_path)
    allow = "[/v1/key/create/app-*, /v1/key/generate/*]"
    policy = f"{{allow: {allow}, deny: [/v1/key/generate/{KEY}], identities: ['{app.source}']}}"
    cli.up("--set", f"kes.policies={{app: {policy}}}", "--set", "kes.api={/v1/ready: {timeout: 5s}}")
    assert app.source[1:] not in cli.read("kesdeploy.yaml")
    assert app.at(cli).create_key("app-1")
    assert app.at(cli).generate("app-1").plaintext
    assert app.refused(cli, KEY) == 403
    cli.again("--set", "kes.auth=certificate")
    assert app.refused(cli, "app-1") == 0
    cli.again("--set", "kes.auth=api-key", "--set", "kes.policies={}", "--set", f"kes.admin={app.source}")
    assert app.at(cli).generate(KEY).plaintext


@both
def test_minio_is_kept_to_a_prefix(cli: Cli) -> None:
    cli.up("--set", "kes.key_prefix=team-", "--bucket", "photos")
    objects = Objects.of(cli)
    objects.put("photos", "one", os.urandom(3000))
    assert "team-default-key" in objects.head("photos", "one")["x-amz-server-side-encryption-aws-kms-key-id"]
    checks = {check["name"]: check for check in cli("verify", "--json").data["checks"]}
    assert checks["KES keeps MinIO to its prefix"]["ok"]
    refused = cli("up", "--set", "kes.key_prefix=other-", expect=2)
    assert "key_name: 'team-default-key' does not begin with 'other-'" in refused.err


def test_the_specs_own_identities_are_refused(running: Cli) -> None:
    for name in ("minio", "operator"):
        refused = running("up", "--set", f"kes.admin=@{running.folder}/secrets/{name}.crt", expect=2)
        assert f"kes.admin: this is the deployment's own identity '{name}'" in refused.err


@pytest.fixture
def older(cli: Cli) -> tuple[str, ...]:
    if not podman("images", "-q", OLD_KES, check=False):
        pytest.skip(f"{OLD_KES} is not in the local store")
    return ("--set", f"images.kes={OLD_KES}")


@pytest.mark.parametrize("cli", [RELEASE], indirect=True)
def test_an_older_kes_and_forward_but_never_back(cli: Cli, older: tuple[str, ...]) -> None:
    cli.up(*older)
    objects = Objects.of(cli)
    objects.put_some()
    assert not cli.again().changes
    assert "cannot do kes.auth: certificate" in cli("up", "--set", "kes.auth=certificate", expect=2).err
    newer = cli.again("--set", f"images.kes={NEW_KES}").changes
    assert ("replace", "container/kes-server") in newer
    assert ("replace", f"fingerprint/{KEY}") in newer
    objects.assert_intact()
    objects.put_some()
    for command in ("plan", "up"):
        assert "cannot read the keys" in cli(command, *older, expect=9).err
    (cli.folder / "state.json").unlink()
    assert "cannot read the keys" in cli("up", *older, expect=9).err
    cli.again("--set", "kes.auth=certificate")
    objects.assert_intact()
