"""The main job as a user types it: up, look, stop, start, down, up, destroy; every object stays readable."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from commandline import RELEASE, engine_holds, inspect, left, podman
from objects import Objects, client, credentials

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from commandline import Cli

pytestmark = pytest.mark.engine
WILD = """ä"q'$HOME#`id` %41 \\n\\ {{x}} ; & | 日本 é*?~"""


def snapshot(cli: Cli) -> dict[str, object]:
    """All that a command without anything to do must leave alone: files, containers, and KES's log of signals."""
    files = {
        str(path): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in cli.folder.rglob("*")
        if path.relative_to(cli.folder).parts[0] not in ("minio", "vault", ".lock")
    }
    parts = podman("ps", "-q", "--filter", f"label=kesdeploy.deployment={cli.name}").split()
    began = {part: inspect(part)["State"]["StartedAt"] for part in parts}
    signals = podman("logs", cli.container("kes-server")).count("SIGHUP")
    return {"files": files, "began": began, "signals": signals}


@pytest.mark.both
@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
@pytest.mark.parametrize("kms", ["fs", pytest.param("vault", marks=pytest.mark.openbao)])
def test_up_to_destroy(cli: Cli, kms: str) -> None:
    first = cli("up", "--kms", kms, "--images", cli.images, "--yes", "--bucket", "photos", *cli.ports)
    assert "proven" in first.out
    assert ("SANDBOX" in first.out) == (cli.images == "sandbox")

    assert "running" in cli("status").out
    status = cli("status", "--json").data
    assert {row["state"] for row in status["containers"]} == {"running"}
    assert len(status["containers"]) == (2 if kms == "fs" else 3)
    assert status["sandbox"] == (cli.images == "sandbox")
    assert all(status["traffic"][who]["requests"] > 0 for who in ("kes", "minio"))
    assert all(status["latency"][what] > 0 for what in ("keystore_ms", "kms_ms"))
    verified = cli("verify", "--json").data["checks"]
    assert all(check["ok"] for check in verified)
    assert len(verified) >= 8

    objects = Objects.of(cli)
    objects.put_some()
    objects.put("photos", "cat", b"meow" * 1000)
    head = objects.head("photos", "cat")
    assert head["x-amz-server-side-encryption"] == "aws:kms"
    assert head["x-amz-server-side-encryption-aws-kms-key-id"].endswith("minio-backend-default-key")

    before = snapshot(cli)
    again = cli.again("--kms", kms)
    assert again.changes == []
    assert snapshot(cli) == before
    assert "nothing to change" in cli("up", "--yes").out

    cli("stop")
    assert cli("status", expect=7).code == 7
    assert "proven" in cli("start").out
    objects.assert_intact()
    cli("down")
    assert engine_holds(cli.name) == []
    assert "proven" in cli("up", "--yes").out
    objects.assert_intact()
    volumes = [
        m
        for part in ("kes-server", "minio-server")
        for m in inspect(cli.container(part))["Mounts"]
        if m["Type"] == "volume"
    ]
    assert volumes == [], "the publisher's VOLUME left anonymous volumes behind"

    assert cli("destroy", expect=9).error[-1].endswith("--yes")
    cli("destroy", "--yes")
    assert left(cli) == []
    assert not list(cli.home.iterdir())
    assert "no deployment" in cli("status", expect=2).err


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_https_with_our_own_authority(cli: Cli) -> None:
    cli.up("--set", "minio.https=true")
    env = credentials(cli)
    assert env["AWS_ENDPOINT_URL"].startswith("https://")
    objects = Objects(client(env))
    objects.put_some()
    objects.assert_intact()
    with pytest.raises(Exception, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
        client({**env, "AWS_CA_BUNDLE": ""}).bucket_exists("plain")
    assert cli.again().changes == []


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_password_with_every_character_logs_in(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "my password"
    file.write_text(f"{WILD}\n")
    cli.up("--root-password", f"@{file}")
    env = credentials(cli)
    assert env["AWS_SECRET_ACCESS_KEY"] == WILD
    objects = Objects(client(env))
    objects.put_some()
    with pytest.raises(Exception, match="SignatureDoesNotMatch"):
        client({**env, "AWS_SECRET_ACCESS_KEY": WILD + "x"}).list_buckets()

    file.write_text(other := secrets.token_hex(10))
    assert ("restart", "container/minio-server") in cli.again().changes
    Objects(client({**env, "AWS_SECRET_ACCESS_KEY": other}), objects.stored).assert_intact()


def test_two_side_by_side(running: Cli, another: Callable[..., Cli]) -> None:
    second = another()
    second.up()
    names = {row["name"]: row["state"] for row in running("list", "--json").data["deployments"]}
    assert names == {running.name: "running", second.name: "running"}
    ours, theirs = Objects.of(running), Objects.of(second)
    ours.put("here", "x", b"one")
    theirs.put("here", "x", b"two")
    assert "which" in replace(running, name="")("status", expect=2).err

    taken = second("up", "--yes", f"--s3-port={running.port}", expect=3)
    assert f"{running.port} by the deployment '{running.name}'" in taken.err
    assert taken.error[-1].startswith(f"  try: kesdeploy up -n {second.name} --port-offset ")
    assert second("up", "--yes", f"--s3-port={second.port}", "--json").changes == []

    second("destroy", "--yes")
    assert left(second) == []
    ours.assert_intact()
    assert running("status").code == 0


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_published_on_every_address_warns_and_speaks_https(cli: Cli) -> None:
    run = cli.up("--bind", "0.0.0.0", "--json")
    assert any("0.0.0.0" in problem["message"] for problem in run.json["problems"]), "nobody was warned"
    env = credentials(cli)
    assert env["AWS_ENDPOINT_URL"].startswith("https://")
    objects = Objects(client(env, host="127.0.0.1"))
    objects.put_some()
    objects.assert_intact()
