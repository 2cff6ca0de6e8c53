"""A Secrets Manager that checks who asks: moto's server over HTTPS, with IAM users of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kesdeploy import pki
from kesdeploy.pki import LeafRequest, Usage

if TYPE_CHECKING:
    from pathlib import Path

REGION = "eu-central-1"


def policy(action: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


ADMIN = policy("*")


@dataclass(frozen=True)
class Key:
    """An access key of an IAM user, or a temporary one."""

    id: str
    secret: str
    token: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_SESSION_TOKEN": self.token}


class AwsServer:
    """It runs until `stop`. From its fourth request on it wants signatures that are right, and rights."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self.folder, self.host, self.port = folder, host, port
        self.ca = folder / "ca.pem"
        self.authority = pki.Authority.create("an AWS of our own", datetime.now(UTC))
        self.write_ca()
        self.process = self._start()
        try:
            self._wait()
            self.admin = self.user("admin", ADMIN, Key("first", "request"))
        except BaseException:
            self.stop()
            raise

    def write_ca(self) -> None:
        self.ca.write_bytes(self.authority.cert_pem)

    def _start(self) -> subprocess.Popen[bytes]:
        request = LeafRequest("aws", (self.host, "localhost"), Usage.SERVER)
        leaf = self.authority.issue(request, datetime.now(UTC))
        (self.folder / "aws.crt").write_bytes(leaf.cert_pem)
        (self.folder / "aws.key").write_bytes(leaf.key_pem)
        certificate = ("-c", str(self.folder / "aws.crt"), "-k", str(self.folder / "aws.key"))
        with (self.folder / "aws.log").open("ab") as log:
            return subprocess.Popen(
                (sys.executable, "-m", "moto.server", "-H", self.host, "-p", str(self.port), *certificate),
                env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "3"},
                stdout=log,
                stderr=log,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex((self.host, self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "aws.log").read_text())

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)

    @property
    def endpoint(self) -> str:
        return f"{self.host}:{self.port}"

    def user(self, name: str, rights: dict[str, Any], by: Key | None = None) -> Key:
        """A user with this policy. moto compares the actions of a policy, not its resources."""
        iam = self.client("iam", by or self.admin)
        iam.create_user(UserName=name)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(rights))
        return Key(made["AccessKeyId"], made["SecretAccessKey"])

    def temporary(self) -> Key:
        """Keys of a role that may do everything, for an hour."""
        iam = self.client("iam", self.admin)
        role = iam.create_role(RoleName="some", AssumeRolePolicyDocument=json.dumps(ADMIN))["Role"]["Arn"]
        iam.put_role_policy(RoleName="some", PolicyName="own", PolicyDocument=json.dumps(ADMIN))
        made = self.client("sts", self.admin).assume_role(RoleArn=role, RoleSessionName="some")["Credentials"]
        return Key(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])

    @cached_property
    def secrets(self) -> Any:
        """Secrets Manager, as somebody who may do everything."""
        return self.client("secretsmanager", self.admin)

    @property
    def names(self) -> set[str]:
        return {secret["Name"] for secret in self.secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]}

    def client(self, service: str, key: Key) -> Any:
        import botocore.session
        from botocore.config import Config

        return botocore.session.Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=f"https://{self.endpoint}",
            verify=str(self.ca),
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            aws_session_token=key.token or None,
            config=Config(proxies={}),
        )
