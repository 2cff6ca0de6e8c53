"""MinIO here, KES elsewhere: one deployment uses the KES of another, over an address of this machine."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
import yaml
from commandline import RELEASE, engine_holds, left, podman
from objects import Objects
from their_kes import TheirKes

from kesdeploy import pki
from kesdeploy.clients.kes import Kes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from commandline import Cli

pytestmark = pytest.mark.engine


@pytest.fixture
def address() -> str:
    """One of this machine that is not loopback: that one is each pod's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


@pytest.fixture
def strict(address: str, tmp_path: Path) -> Iterator[TheirKes]:
    """A KES that takes certificates of its own CA alone."""
    kes = TheirKes(tmp_path / "theirs", address, auth="on")
    yield kes
    kes.stop()


def first_up(cli: Cli, endpoint: str, ca: Path, *more: str) -> tuple[str, ...]:
    fields = (f"endpoints={endpoint}", f"ca={ca}", *more)
    sets = (part for field in fields for part in ("--set", f"keystore.kes.{field}"))
    return ("up", "--kms", "kes", "--images", cli.images, "--yes", "--timeout", "30s", *cli.ports, *sets)


def operator(cli: Cli, endpoint: str) -> Kes:
    secrets = cli.folder / "secrets"
    return Kes(endpoint, cli.folder / "ca/ca.crt", secrets / "operator.crt", secrets / "operator.key", timeout=10)


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_two_deployments_and_one_kes(cli: Cli, another: Callable[..., Cli], address: str) -> None:
    cli.up("--bind", address)
    endpoint = cli("status", "--json").data["endpoints"]["kes"]
    second = another(cli.images)

    refused = second(*first_up(second, endpoint, cli.folder / "ca/ca.crt"), expect=6)
    assert "kesdeploy policy" in refused.error[-1]
    policy = yaml.safe_load(second("policy", "--json").data["policy"])["policy"]
    (granted,) = policy.values()
    assert granted["identities"][0] in refused.error[0]
    cli.again("--set", f"kes.policies={json.dumps(policy)}")
    key = granted["allow"][0].rpartition("/")[2]
    operator(cli, endpoint).create_key(key)

    second.again("--adopt-key")
    assert [line for line in engine_holds(second.name) if "kes" in line.replace("minio-kes-", "")] == []
    assert second("status", "--json").data["keystore"]["state"] == "ok"
    assert second.again().changes == []
    objects, ours = Objects.of(second), Objects.of(cli)
    objects.put_some()
    ours.put_some()
    what_minio_may_and_may_not(second, key)
    assert objects.head("plain", "empty")["x-amz-server-side-encryption-aws-kms-key-id"].endswith(key)

    podman("stop", "-t", "3", cli.container("kes-server"))
    with pytest.raises(Exception, match=r"kms:|DecryptionFailed"):
        objects.assert_intact()
    assert second("status", expect=7).code == 7
    cli("start")
    second("stop")
    second("start")
    objects.assert_intact()

    operator(cli, endpoint).delete_key(key)
    second("stop")
    assert "gone from the keystore" in second("start", expect=9).error[0]
    second("destroy", "--yes")
    assert left(second) == []
    ours.assert_intact()


def what_minio_may_and_may_not(cli: Cli, key: str) -> None:
    """That KES knows nobody else here, and what it denies its operator can do."""
    assert cli("key", "info", key, "--json").data["maker"] == "stranger"
    made = cli("key", "dek", key, "--json").data
    assert cli("key", "decrypt", key, made["ciphertext"]).out.strip() == made["plaintext"]
    instead = {"list": "kes key ls", "create": "kes key create new", "encrypt": "kes key encrypt"}
    for verb, theirs in instead.items():
        words = {"list": (), "create": ("new",), "encrypt": (key, "env:HOME")}[verb]
        assert f"whoever runs that KES: {theirs}" in cli("key", verb, *words, expect=6).error[-1]
    assert "default key" in cli("key", "delete", key, "--yes", expect=9).err
    assert "whoever runs that KES" in cli("key", "delete", "another", "--yes", expect=9).error[-1]


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_a_certificate_that_its_operator_issued_and_renews(cli: Cli, strict: TheirKes) -> None:
    certificate, key = strict.client("minio")
    identity = pki.identity(certificate.read_bytes())
    strict.allow(identity, "/v1/key/generate/k-*", "/v1/key/decrypt/k-*", "/v1/key/describe/k-*")
    strict.door.create_key("k-1")
    login = (f"certificate={certificate}", f"key=@{key}")
    cli(*first_up(cli, strict.address, strict.ca, *login), "--key-name", "k-1", "--adopt-key")
    objects = Objects.of(cli)
    objects.put_some()
    assert cli.again().changes == []

    before = certificate.read_bytes()
    request = pki.LeafRequest("minio", (), pki.Usage.CLIENT)
    certificate.write_bytes(strict.authority.issue(request, strict.now, key.read_bytes()).cert_pem)
    assert certificate.read_bytes() != before
    assert ("restart", "container/minio-server") in cli.again().changes
    objects.assert_intact()
