"""Credentials change while objects are written and read: who tries again notices nothing, and the old are refused."""

from __future__ import annotations

import io
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest
from commandline import RELEASE, inspect, podman
from load import assert_readable, load
from minio import MinioAdmin
from minio.credentials import StaticProvider
from minio.error import S3Error
from objects import Objects, client, credentials

from kesdeploy.clients.kes import Kes
from kesdeploy.clients.vault import Vault
from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

    from commandline import Cli

pytestmark = pytest.mark.engine
EVERYWHERE = pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
CERTIFICATE = ("--set", "kes.auth=certificate")
CONTAINERS = ("kes-server", "minio-server")
KEY = "minio-backend-default-key"


def began(cli: Cli) -> dict[str, str]:
    return {part: inspect(cli.container(part))["State"]["StartedAt"] for part in CONTAINERS}


def restarted(cli: Cli, before: dict[str, str]) -> list[str]:
    return [part for part, since in began(cli).items() if since != before[part]]


def rotate(cli: Cli, *options: str) -> dict:
    done = cli("rotate-credentials", "--yes", "--json", *options)
    assert all(check["ok"] for check in done.data["checks"]), done
    return done.data


def pair_of(cli: Cli, name: str, folder: Path) -> tuple[Path, Path]:
    """A copy of one of its identities in KES."""
    copies = folder / f"{name}.crt", folder / f"{name}.key"
    for copy in copies:
        shutil.copy(cli.folder / "secrets" / copy.name, copy)
    return copies


def assert_kes_refuses(cli: Cli, pair: tuple[Path, Path]) -> None:
    kes = Kes(f"https://127.0.0.1:{cli.port + 2}", cli.folder / "ca/ca.crt", *pair, timeout=5)
    with pytest.raises(ServiceError) as raised:
        kes.generate(KEY)
    assert raised.value.status == 403


def assert_done(cli: Cli) -> None:
    assert cli("plan", "--json").changes == []
    assert cli("status", "--json").json["problems"] == []
    names = {path.name for path in (cli.folder / "secrets").iterdir()}
    assert not [name for name in names if ".old" in name or ".gone" in name]
    assert all(check["ok"] for check in cli("verify", "--restart", "--json").data["checks"])


@EVERYWHERE
@pytest.mark.parametrize(
    ("flags", "part"), [((), "minio-server"), (CERTIFICATE, "kes-server")], ids=["api-key", "certificate"]
)
def test_a_new_identity_for_minio(cli: Cli, tmp_path: Path, flags: tuple[str, ...], part: str) -> None:
    cli.up(*flags)
    old, before = pair_of(cli, "minio", tmp_path), began(cli)
    refused = cli("rotate-credentials", "--kes", expect=2)
    assert "is restarted once" in refused.err
    assert "--yes" in refused.error[-1]
    with load(cli, patient=True) as found:
        done = rotate(cli, "--kes")
    assert found.errors == []
    assert len(found.seconds) > 50
    # Nobody was told to come again in a minute.
    assert max(found.seconds) < 20
    assert restarted(cli, before) == [part]
    assert done["restarted"] == [cli.container(part)]
    assert_kes_refuses(cli, old)
    assert_readable(cli, found.written)
    assert_done(cli)


@EVERYWHERE
def test_kesdeploys_own_identity_costs_nothing(running: Cli, tmp_path: Path) -> None:
    old, before, key = pair_of(running, "operator", tmp_path), began(running), kes_key(running)
    with load(running) as found:
        rotate(running, "--operator")
    assert found.errors == []
    assert restarted(running, before) == []
    assert_kes_refuses(running, old)
    assert kes_key(running) != key
    assert_done(running)


def kes_key(cli: Cli) -> str:
    return credentials(cli)["KES_API_KEY"]


@EVERYWHERE
def test_the_root_password(running: Cli, tmp_path: Path) -> None:
    old = credentials(running)
    rotate(running, "--root-password")
    new = credentials(running)
    assert (new["AWS_ACCESS_KEY_ID"], new["AWS_SECRET_ACCESS_KEY"] != old["AWS_SECRET_ACCESS_KEY"]) == (
        old["AWS_ACCESS_KEY_ID"],
        True,
    )
    assert_root_refused(old)
    client(new).make_bucket("after")

    (tmp_path / "password").write_text("from a file, with spaces\n")
    rotate(running, "--root-password", f"@{tmp_path}/password")
    assert_root_refused(new)
    typed = running("rotate-credentials", "--root-password", "-", "--yes", stdin="typed by somebody\n")
    assert "typed by somebody" not in typed.out + typed.err
    now = credentials(running)
    assert now["AWS_SECRET_ACCESS_KEY"] == "typed by somebody"
    assert client(now).bucket_exists("after")
    assert_done(running)
    assert "typed by somebody" not in str(inspect(running.container("minio-server")))


def assert_root_refused(env: dict[str, str]) -> None:
    with pytest.raises(S3Error) as raised:
        client(env).list_buckets()
    assert raised.value.response.status == 403


@pytest.mark.live
@pytest.mark.parametrize("cli", ["release"], indirect=True)
@pytest.mark.parametrize("whose", ["user", "access key of root's"])
def test_who_has_a_login_of_his_own_goes_on_when_roots_password_changes(running: Cli, whose: str) -> None:
    env = credentials(running)
    root = StaticProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
    endpoint = env["AWS_ENDPOINT_URL"].removeprefix("http://")
    admin = MinioAdmin(endpoint=endpoint, credentials=root, secure=False)
    login = ("somebody", "a-secret-of-his-own")
    if whose == "user":
        admin.user_add(*login)
        admin.policy_set("readwrite", user="somebody")
    else:
        admin.add_service_account(access_key=login[0], secret_key=login[1])
    with load(running, patient=True, login=login) as found:
        rotate(running, "--root-password")
    assert found.errors == []
    assert max(found.seconds) < 20
    assert_readable(running, found.written)


@pytest.mark.openbao
@EVERYWHERE
def test_the_secret_id_of_a_managed_vault(cli: Cli) -> None:
    cli("up", "--kms", "vault", "--images", cli.images, "--yes", *cli.ports)
    logins = {name: secret_id(cli, name) for name in ("approle", "operator")}
    before = began(cli)
    with load(cli) as found:
        rotate(cli, "--vault")
    assert found.errors == []
    assert restarted(cli, before) == []
    for name, old in logins.items():
        assert secret_id(cli, name) != old
        with pytest.raises(ServiceError, match="refuses") as raised:
            vault(cli).login_approle(cli.read(f"secrets/vault-{name}-id"), old)
        assert raised.value.status == 400
        vault(cli).login_approle(cli.read(f"secrets/vault-{name}-id"), secret_id(cli, name))
    assert_readable(cli, found.written)
    assert_done(cli)


def secret_id(cli: Cli, name: str) -> str:
    return cli.read(f"secrets/vault-{name}-secret")


def vault(cli: Cli) -> Vault:
    return Vault(f"https://127.0.0.1:{cli.port + 3}", ca=cli.folder / "ca/ca.crt")


@pytest.mark.openbao
def test_all_of_them_with_one_restart(cli: Cli, tmp_path: Path) -> None:
    cli("up", "--kms", "vault", "--images", cli.images, "--yes", *cli.ports, *CERTIFICATE)
    objects, old, before = Objects.of(cli), credentials(cli), began(cli)
    objects.put_some()
    pairs = [pair_of(cli, name, tmp_path) for name in ("minio", "operator")]
    done = rotate(cli, "--all")
    assert [new["what"] for new in done["rotated"]] == ["kes", "operator", "root-password", "vault"]
    assert restarted(cli, before) == ["minio-server"]
    assert_root_refused(old)
    for pair in pairs:
        assert_kes_refuses(cli, pair)
    assert_done(cli)
    Objects(Objects.of(cli).s3, objects.stored).assert_intact()


@EVERYWHERE
@pytest.mark.parametrize("flags", [(), CERTIFICATE], ids=["api-key", "certificate"])
def test_killed_anywhere_what_is_there_works_after_a_reboot(cli: Cli, flags: tuple[str, ...]) -> None:
    """The machine goes down with it: what KES and MinIO find when they start fits together."""
    cli.up(*flags)
    s3 = client(credentials(cli))
    s3.make_bucket("kept")
    for tenths in (3, 7, 11, 15):  # after each effect: tests/test_recredential.py
        name = f"before-{tenths}"
        client(credentials(cli)).put_object("kept", name, io.BytesIO(b"x" * 2000), 2000)
        process = cli.popen("rotate-credentials", "--kes", "--operator", "--yes")
        time.sleep(tenths / 10)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        reboot(cli)
        assert read_again(cli, name) == b"x" * 2000
        if tenths % 8 == 3:
            cli.again()
        else:
            rotate(cli, "--kes", "--operator")
        assert cli("plan", "--json").changes == []
    assert_done(cli)


def reboot(cli: Cli) -> None:
    """Both end as by a power cut, whatever was being done to them, and start with what is there."""
    for part in CONTAINERS:
        podman("kill", "-s", "KILL", cli.container(part), check=False)
    for part in CONTAINERS:
        podman("start", cli.container(part))


def read_again(cli: Cli, name: str) -> bytes:
    """As soon as MinIO answers."""
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = client(credentials(cli), patient=True).get_object("kept", name)
            return bytes(answer.data)
        except S3Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_a_stopped_deployment_is_told_to_start(running: Cli) -> None:
    running("stop")
    assert "kesdeploy start" in running("rotate-credentials", "--all", "--yes", expect=2).err
    running("start")
    rotate(running, "--all")
