"""MinIO as a spec may want it, all at once: drives, HTTPS, odd names, buckets with keys of their own, variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from commandline import RELEASE
from objects import Objects, credentials

if TYPE_CHECKING:
    from pathlib import Path

    from commandline import Cli

pytestmark = pytest.mark.engine
SPEC = """\
version: 1
name: {name}
keystore: {{fs: {{}}}}
key_name: Our_own-Default
network: {{s3_port: {port}, console_port: {console}, kes_port: {kes}, vault_port: {vault}}}
images: {{source: {images}}}
minio:
  drives: 4
  https: true
  root_user: {user!r}
  root_password: "@{password}"
  auto_encryption: false
  environment: {{MINIO_BROWSER: off, MINIO_STORAGE_CLASS_STANDARD: EC:2, MINIO_AUDIT_WEBHOOK_AUTH_TOKEN_1: env:TOKEN}}
  buckets:
    - {{name: own, key: own-key}}
    - {{name: sse, mode: sse-s3}}
    - {{name: default}}
"""
USER = "a/d=m+i%n:x?y;z@[]"
PASSWORD = "\"'b$(id) `x` #; & | é日 \\n %41 {{x}} <>'\""
TOKEN = "token-0123456789"


def encrypted(objects: Objects, bucket: str) -> tuple[str, str]:
    head = objects.head(bucket, "o")
    key = head.get("x-amz-server-side-encryption-aws-kms-key-id", "")
    return head.get("x-amz-server-side-encryption", ""), key.removeprefix("arn:aws:kms:")


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_every_knob_at_once(cli: Cli, tmp_path: Path) -> None:
    ports = dict(zip(("port", "console", "kes", "vault"), range(cli.port, cli.port + 4), strict=True))
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    file = tmp_path / "spec.yaml"
    given = {"name": cli.name, "images": cli.images, "user": USER, "password": tmp_path / "password"}
    file.write_text(SPEC.format(**given, **ports))
    first = cli("up", "--config", str(file), "--yes", "--timeout", "30s", env={"TOKEN": TOKEN})
    assert "auto-encryption is off" in first.out
    assert TOKEN not in first.out + first.err
    assert f'MINIO_AUDIT_WEBHOOK_AUTH_TOKEN_1="{TOKEN}"' in cli.read("config/minio/minio")
    assert cli.again().changes == []
    assert sorted(p.name for p in (cli.folder / "minio").iterdir()) == ["d1", "d2", "d3", "d4"]

    env = credentials(cli)
    assert (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]) == (USER, PASSWORD)
    objects = Objects.of(cli)
    for bucket in ("own", "sse", "default", "plain"):
        objects.put(bucket, "o", bucket.encode() * 200_000)
    found = {bucket: encrypted(objects, bucket) for bucket in ("own", "sse", "default", "plain")}
    assert found == {
        "own": ("aws:kms", "own-key"),
        "sse": ("AES256", ""),
        "default": ("aws:kms", "Our_own-Default"),
        "plain": ("", ""),
    }

    on = cli.again("--set", "minio.auto_encryption=true")
    assert on.changes == [("replace", "file/minio-env"), ("restart", "container/minio-server")]
    assert "own rule" not in on.data["checks"][-1]["evidence"]
    objects.put("plain", "o2", b"x" * 1000)
    assert objects.head("plain", "o2")["x-amz-server-side-encryption"] == "aws:kms"
    assert ("restart", "container/minio-server") in cli.again("--set", "minio.environment={}").changes
    assert "BROWSER=" not in cli.read("config/minio/minio")
    assert "not on 1" in cli("up", "--yes", "--set", "minio.drives=1", expect=9).error[0]
    objects.assert_intact()
