"""The real KES and MinIO with keys in Azure's stand-in, under Azure's own names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from clouds.elsewhere import named, on_https_port, own_address
from clouds.key_vault import CLIENT, SECRET, TENANT, KeyVault
from clouds.server import StandIn, issue
from commandline import RELEASE, Cli, Run, engine_holds, inspect, podman
from objects import Objects

from kesdeploy import services
from kesdeploy.deployment import clock
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS
from kesdeploy.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.parametrize("cli", [RELEASE], indirect=True)]
NAMES = ("hhaz.vault.azure.net", "login.microsoftonline.com")


@pytest.fixture
def vault(cli: Cli, tmp_path: Path) -> Iterator[KeyVault]:
    """A vault that KES and kesdeploy find at Azure's names."""
    pytest.importorskip("azure.identity", reason="no client of Azure: pip install 'kesdeploy[azure]'")
    folder = tmp_path / "azure"
    folder.mkdir()
    issue(folder, NAMES, clock())
    cli.env.update(named(folder, own_address(), *NAMES), AZURE_CLIENT_SECRET=SECRET)
    vault = KeyVault()
    server = on_https_port(lambda address: StandIn(folder, vault, address))
    yield vault
    server.close()


def up(cli: Cli, tmp_path: Path, *more: str, expect: int = 0) -> Run:
    settings = {
        "endpoint": "https://hhaz.vault.azure.net",
        "ca": tmp_path / "azure" / "ca.crt",
        "credentials.tenant_id": TENANT,
        "credentials.client_id": CLIENT,
        "credentials.client_secret": "env:AZURE_CLIENT_SECRET",
    }
    sets = [f"--set=keystore.azure.{name}={value}" for name, value in settings.items()]
    flags = ("--images", cli.images, "--yes", "--timeout", "30s", *cli.ports, *more)
    return cli("up", "--kms", "azure", *sets, *flags, expect=expect)


def test_it_holds_the_keys(cli: Cli, vault: KeyVault, tmp_path: Path) -> None:
    first = up(cli, tmp_path)
    assert "proven" in first.out
    (key,) = vault.secrets
    assert key.startswith(f"minio-{cli.name}-")
    objects = Objects.of(cli)
    objects.put_some()
    assert cli.again().changes == []
    assert cli("status", "--json").data["keystore"] == {"kind": "azure", "state": "ok"}
    assert all(check["ok"] for check in cli("verify", "--restart", "--json").data["checks"])
    cli("down")
    cli.again()
    objects.assert_intact()
    container = str(inspect(cli.container("kes-server"))) + podman("logs", cli.container("kes-server"))
    assert SECRET not in container + first.out + first.err
    vault.refuse = (401, f"AADSTS7000222: The provided client secret keys for app '{CLIENT}' are expired.")
    assert cli("status", "--json", expect=7).data["keystore"]["state"] == "DENIED"
    cli("destroy", "--yes")
    assert list(vault.secrets) == [key], "only an explicit command deletes keys in the cloud"


def test_an_expired_secret_starts_nothing(cli: Cli, vault: KeyVault, tmp_path: Path) -> None:
    """KES itself starts with it, and says that all is well."""
    vault.refuse = (401, f"AADSTS7000222: The provided client secret keys for app '{CLIENT}' are expired.")
    run = up(cli, tmp_path, expect=6)
    assert vault.refuse[1] in run.error[1]
    assert engine_holds(cli.name) == []
    assert not cli.folder.exists()


def test_the_gate_catches_what_no_preflight_can(cli: Cli, vault: KeyVault, tmp_path: Path) -> None:
    vault.forbid["set"] = (403, "ForbiddenByPolicy", "The user does not have secrets set permission.")
    run = up(cli, tmp_path, expect=6)
    assert "does not have secrets set permission" in run.error[1]
    assert "kesdeploy policy" in run.error[2]
    assert cli.container("minio-server") not in "".join(engine_holds(cli.name)), "MinIO was started without its key"


def test_what_kes_does_with_a_deleted_key(cli: Cli, vault: KeyVault, tmp_path: Path) -> None:
    """It purges it: so kesdeploy does not let it."""
    vault.deleted["minio-old-key"] = {"1": "material"}
    assert (
        "recover --vault-name hhaz --name minio-old-key"
        in up(cli, tmp_path, "--key-name", "minio-old-key", expect=9).error[2]
    )
    assert vault.deleted == {"minio-old-key": {"1": "material"}}
    up(cli, tmp_path, "--key-name", "minio-new-key")
    for command in (("key", "create"), ("bucket", "create", "photos", "--key")):
        assert "az keyvault secret recover" in cli(*command, "minio-old-key", expect=9).error[2]
    assert "no '_'" in cli("key", "create", "with_underscore", expect=2).err
    assert "one name" in cli("key", "create", "MINIO-NEW-KEY", expect=2).err
    assert vault.deleted == {"minio-old-key": {"1": "material"}}
    spec = load(cli.read("kesdeploy.yaml"), {}, FIELDS)
    kes = services.kes(spec, Home(cli.name, cli.folder), identity="operator")
    started = time.monotonic()
    kes.create_key("minio-old-key")
    assert vault.deleted == {}
    assert time.monotonic() - started < 15
    kes.delete_key("minio-old-key")
    assert "minio-old-key" not in {**vault.deleted, **vault.secrets}

    cli("key", "create", "minio-other")
    vault.forbid["purge"] = (403, "Forbidden", "The user does not have secrets purge permission.")
    assert "not cleanly" in cli("key", "delete", "minio-other", "--yes").err
    assert "minio-other" in vault.deleted
