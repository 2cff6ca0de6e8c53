"""The real KES and MinIO on AWS Secrets Manager: moto's, where containers reach it, strict about who asks."""

from __future__ import annotations

import json
import secrets
import socket
from typing import TYPE_CHECKING

import pytest
from aws_server import REGION, AwsServer, Key, policy
from commandline import RELEASE, engine_holds, inspect, podman
from objects import Objects
from tunnel import Tunnel

from kesdeploy import pki
from kesdeploy.keystores import FIELDS
from kesdeploy.keystores.aws import Aws
from kesdeploy.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from commandline import Cli

pytestmark = [pytest.mark.engine, pytest.mark.parametrize("cli", [RELEASE], indirect=True)]
pytest.importorskip("moto.server", reason="no moto: pip install 'kesdeploy[dev-clouds]'")


def own_address() -> str:
    """An address of this machine that containers reach too. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError as error:
            pytest.skip(f"this machine has no address but its loopback: {error}")
        return str(probe.getsockname()[0])


def free_port(host: str) -> int:
    with socket.socket() as found:
        found.bind((host, 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    host = own_address()
    server = AwsServer(tmp_path_factory.mktemp("aws"), host, free_port(host))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def kes(aws: AwsServer) -> Key:
    """Somebody who may do what `kesdeploy policy aws` shows, and nothing else."""
    spec = load(f"name: demo\nkey_name: minio-demo-3f9a1c\nkeystore: {{aws: {{region: {REGION}}}}}", {}, FIELDS)
    granted = json.loads(Aws().policy(spec))
    for statement in granted["Statement"]:
        statement["Resource"] = "*"
    return aws.user("kes", granted)


def flags(cli: Cli, aws: AwsServer, *more: str) -> tuple[str, ...]:
    settings = {
        "region": REGION,
        "endpoint": f"https://{aws.endpoint}",
        "ca": aws.ca,
        "credentials.accesskey": "env:AWS_ACCESS_KEY_ID",
        "credentials.secretkey": "env:AWS_SECRET_ACCESS_KEY",
    }
    sets = [f"--set=keystore.aws.{name}={value}" for name, value in settings.items()]
    return ("up", "--kms", "aws", *sets, "--images", cli.images, "--yes", "--timeout", "30s", *cli.ports, *more)


def proving(cli: Cli, aws: AwsServer, *more: str) -> tuple[str, ...]:
    """The same settings, tried without a deployment."""
    return ("policy", "aws", "--prove", *(flag for flag in flags(cli, aws) if flag.startswith("--set")), *more)


def key_of(cli: Cli) -> str:
    """The key that the deployment got a name of its own for."""
    return next(line.partition(": ")[2] for line in cli.read("kesdeploy.yaml").splitlines() if "key_name" in line)


def test_up_to_destroy(cli: Cli, aws: AwsServer, kes: Key) -> None:
    first = cli(*flags(cli, aws, "--bucket", "photos"), env=kes.environment)
    assert "proven" in first.out
    key = key_of(cli)
    assert key.startswith(f"minio-{cli.name}-")
    assert key in aws.names
    objects = Objects.of(cli)
    objects.put_some()
    objects.put("photos", "cat", b"meow" * 1000)
    assert objects.head("photos", "cat")["x-amz-server-side-encryption-aws-kms-key-id"].endswith(key)

    # None of these has the credentials in its environment.
    assert cli("status", "--json").data["keystore"] == {"kind": "aws", "state": "ok"}
    assert all(check["ok"] for check in cli("verify", "--restart", "--json").data["checks"])
    assert cli.again().changes == []
    cli("down")
    assert "proven" in cli("up", "--yes").out
    objects.assert_intact()

    seen = json.dumps(inspect(cli.container("kes-server"))) + podman("logs", cli.container("kes-server")) + first.out
    assert not any(secret in seen for secret in (kes.id, kes.secret))

    gone = cli("destroy", "--yes", "--json")
    assert gone.data["stay"] == {"keystore": "AWS Secrets Manager", "keys": [key]}
    assert key in aws.names, "destroy removed the key in the cloud"


def test_the_key_is_read_from_aws_and_never_made_anew(cli: Cli, aws: AwsServer, kes: Key) -> None:
    cli(*flags(cli, aws), env=kes.environment)
    objects = Objects.of(cli)
    objects.put_some()
    key = key_of(cli)
    material = aws.secrets.get_secret_value(SecretId=key)["SecretString"]
    aws.secrets.delete_secret(SecretId=key, ForceDeleteWithoutRecovery=True)
    assert cli("verify", expect=7).code == 7, "KES still had it in its memory"
    assert "gone from the keystore" in cli("up", "--yes", "--set", "kes.cache.any=1m", expect=9).err
    assert key not in aws.names
    aws.secrets.create_secret(Name=key, SecretString=material)
    assert "proven" in cli("up", "--yes").out
    objects.assert_intact()


def test_a_policy_is_proven_with_a_key_that_is_thrown_away(cli: Cli, aws: AwsServer, kes: Key) -> None:
    before = aws.names
    # What `kesdeploy policy aws` grants: KES's deletions are for ever, so it may make none.
    run = cli(*proving(cli, aws, "--json"), env=kes.environment)
    key = run.data["proof"]["key"]
    assert key.startswith(f"minio-{cli.name}-kesdeploy-probe-"), "such a policy allows no other names"
    assert aws.names - before == {key}
    assert not run.data["proof"]["removed"]
    assert "secretsmanager:DeleteSecret" in run.data["proof"]["because"]
    assert f"{key} stays" in run.json["problems"][0]["message"]

    before = aws.names
    other = aws.user(f"deletes-{secrets.token_hex(3)}", policy("secretsmanager:*"))
    run = cli(*proving(cli, aws, "--set=kes.key_prefix=team-", "--set=key_name=team-k"), env=other.environment)
    assert "team-kesdeploy-probe-" in run.err.splitlines()[0], "what is made there is told first"
    assert "could remove it" in run.out
    assert aws.names == before

    reader = aws.user(f"reader-{secrets.token_hex(3)}", policy("secretsmanager:GetSecretValue"))
    run = cli(*proving(cli, aws), env=reader.environment, expect=6)
    assert "does not create the key" in run.error[0]
    assert "secretsmanager:CreateSecret" in run.error[2], "which right is missing"
    assert "without --prove" in run.error[2]
    assert aws.names == before

    assert list(cli.home.glob("minio-kes-*")) == []
    assert "kesdeploy-probe" not in podman("ps", "-a", "--format", "{{.Names}}")
    assert not any(kes.secret in text for text in (run.out, run.err))


@pytest.mark.parametrize("wrong", ["secret", "id", "rights"])
def test_credentials_that_are_wrong_start_nothing(cli: Cli, aws: AwsServer, kes: Key, wrong: str) -> None:
    """KES itself starts with them, and says that all is well."""
    keys = {"secret": Key(kes.id, "w" * 40), "id": Key("AKIAIOSFODNN7EXAMPLE", kes.secret)}
    key = keys.get(wrong) or aws.user(f"nobody-{secrets.token_hex(3)}", policy("s3:ListAllMyBuckets"))
    run = cli(*flags(cli, aws), env=key.environment, expect=6)
    words = {"secret": "SignatureDoesNotMatch", "id": "InvalidClientTokenId", "rights": "is not authorized to perform"}
    assert words[wrong] in run.error[1]
    assert "keystore.aws" in run.error[2]
    assert engine_holds(cli.name) == []
    assert not cli.folder.exists()


def test_the_gate_catches_what_no_preflight_can(cli: Cli, aws: AwsServer) -> None:
    """A user who may read keys, and may not make any."""
    reader = aws.user(f"reader-{secrets.token_hex(3)}", policy("secretsmanager:GetSecretValue"))
    run = cli(*flags(cli, aws), env=reader.environment, expect=6)
    assert "does not create the key" in run.error[0]
    assert f"aws: failed to create 'minio-{cli.name}-" in run.error[1], "KES's log has more than its answer"
    assert "kesdeploy policy" in run.error[2]
    assert cli.container("minio-server") not in "".join(engine_holds(cli.name)), "MinIO was started without its key"


def test_new_credentials_a_new_authority_and_a_proxy_are_taken_up(
    cli: Cli, tmp_path: Path, aws: AwsServer, kes: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The shell's own is nobody's: there is none at that address.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    ca = tmp_path / "ca.pem"
    ca.write_bytes(aws.authority.cert_pem)
    cli(*flags(cli, aws, f"--set=keystore.aws.ca={ca}"), env=kes.environment)
    objects = Objects.of(cli)
    objects.put_some()
    other = aws.user(f"other-{secrets.token_hex(3)}", policy("secretsmanager:*"))
    run = cli("up", "--yes", "--json", env=other.environment)
    assert ("reload", "container/kes-server") in run.changes
    # KES reads this file at its start alone: a reload would go on with the old one.
    ca.write_bytes(
        aws.authority.cert_pem
        + pki.Authority.create("another", pki.describe(aws.authority.cert_pem).not_before).cert_pem
    )
    assert ("restart", "container/kes-server") in cli.again().changes
    objects.assert_intact()

    tunnel = Tunnel(aws.host)
    try:
        changes = cli.again("--set", f"kes.proxy={tunnel.url}").changes
        assert [change for change in changes if change[0] == "replace"] == [("replace", "container/kes-server")]
        tunnel.asked.clear()
        cli("verify", "--restart")
        assert set(tunnel.asked) == {aws.endpoint}, "KES reads its key through the proxy, and MinIO asks KES without"
    finally:
        tunnel.stop()
    assert cli("verify", "--restart", expect=None).code in (6, 7), "there is no other way"
