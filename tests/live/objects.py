"""Objects as a user's program stores them: the `minio` SDK, with what `kesdeploy env` prints."""

from __future__ import annotations

import io
import json
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import urllib3
from minio import Minio

if TYPE_CHECKING:
    from commandline import Cli

MB = 1024**2


def credentials(cli: Cli) -> dict[str, str]:
    return dict(json.loads(cli("env", "--shell", "json").out))


def client(env: dict[str, str], host: str = "", *, patient: bool = False) -> Minio:
    """One that never tries again; `patient`: with the retries that the SDK has by itself."""
    scheme, _, found = env["AWS_ENDPOINT_URL"].partition("://")
    port = found.rpartition(":")[2]
    pool = urllib3.PoolManager(ca_certs=env.get("AWS_CA_BUNDLE"), retries=False, timeout=urllib3.Timeout(10))
    if patient:
        pool.connection_pool_kw["retries"] = Minio("unused")._http.connection_pool_kw["retries"]
    return Minio(
        f"{host}:{port}" if host else found,
        env["AWS_ACCESS_KEY_ID"],
        env["AWS_SECRET_ACCESS_KEY"],
        secure=scheme == "https",
        region=env["AWS_REGION"],
        http_client=pool,
    )


@dataclass
class Objects:
    """What was stored, to be compared with what comes back."""

    s3: Minio
    stored: dict[tuple[str, str], bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, cli: Cli) -> Objects:
        return cls(client(credentials(cli)))

    def put(self, bucket: str, name: str, data: bytes) -> None:
        if not self.s3.bucket_exists(bucket):
            self.s3.make_bucket(bucket)
        self.s3.put_object(bucket, name, io.BytesIO(data), len(data), part_size=5 * MB)
        self.stored[bucket, name] = data

    def put_some(self) -> None:
        """One in a bucket without a rule of its own, one of several parts, an empty one."""
        self.put("plain", f"small-{secrets.token_hex(3)}", b"hello " * 50)
        self.put("plain", "größe 1 + 2.bin", os.urandom(6 * MB))
        self.put("plain", "empty", b"")

    def assert_intact(self) -> None:
        assert self.stored
        for (bucket, name), data in self.stored.items():
            assert self.get(bucket, name) == data, f"{bucket}/{name} came back changed"

    def get(self, bucket: str, name: str) -> bytes:
        answer = self.s3.get_object(bucket, name)
        try:
            return bytes(answer.data)
        finally:
            answer.close()
            answer.release_conn()

    def head(self, bucket: str, name: str) -> dict[str, Any]:
        return {k.lower(): v for k, v in (self.s3.stat_object(bucket, name).metadata or {}).items()}
