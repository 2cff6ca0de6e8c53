"""The real KES and MinIO with keys in Google's stand-in, under Google's own names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from clouds.elsewhere import named, on_https_port, own_address
from clouds.grpc import Grpc
from clouds.secret_manager import EMAIL, PROJECT, SecretManager, key_file, private_key
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
NAMES = ("secretmanager.googleapis.com", "oauth2.googleapis.com", "accounts.google.com")


@pytest.fixture
def google(cli: Cli, tmp_path: Path) -> Iterator[SecretManager]:
    """A project that KES and kesdeploy find at Google's names, and the key file of a service account of it."""
    for module in ("google.oauth2", "h2"):
        pytest.importorskip(module, reason=f"no {module}: pip install 'kesdeploy[dev-clouds]'")
    folder = tmp_path / "google"
    folder.mkdir()
    issue(folder, NAMES, clock())
    manager = SecretManager()
    for_us = StandIn(folder, manager, (own_address(), 0))
    cli.env.update(named(folder, own_address(), *NAMES, port=for_us.port))
    for_kes = on_https_port(lambda address: Grpc(folder, manager.called, address))
    (folder / "kes.json").write_text(json.dumps(key_file()))
    yield manager
    for_us.close()
    for_kes.close()


def up(cli: Cli, tmp_path: Path, *more: str, expect: int = 0) -> Run:
    folder = tmp_path / "google"
    settings = {"project_id": PROJECT, "credentials": f"@{folder}/kes.json", "ca": folder / "ca.crt"}
    sets = [f"--set=keystore.gcp.{name}={value}" for name, value in settings.items()]
    flags = ("--images", cli.images, "--yes", "--timeout", "30s", *cli.ports, *more)
    return cli("up", "--kms", "gcp", *sets, *flags, expect=expect)


def test_it_holds_the_keys(cli: Cli, google: SecretManager, tmp_path: Path) -> None:
    first = up(cli, tmp_path)
    assert "proven" in first.out
    (key,) = google.secrets
    assert key.startswith(f"minio-{cli.name}-")
    objects = Objects.of(cli)
    objects.put_some()
    assert cli.again().changes == []
    assert cli("status", "--json").data["keystore"] == {"kind": "gcp", "state": "ok"}
    assert all(check["ok"] for check in cli("verify", "--restart", "--json").data["checks"])
    cli("down")
    # What is kept is enough: the file may go.
    (tmp_path / "google" / "kes.json").unlink()
    cli.again()
    objects.assert_intact()
    container = str(inspect(cli.container("kes-server"))) + podman("logs", cli.container("kes-server"))
    assert private_key()[40:90] not in container + first.out + first.err
    google.refuse = (400, "invalid_grant", "Invalid JWT Signature.")
    assert cli("status", "--json", expect=7).data["keystore"]["state"] == "DENIED"
    cli("destroy", "--yes")
    assert list(google.secrets) == [key], "only an explicit command deletes keys in the cloud"


def test_a_new_key_file_is_taken_up(cli: Cli, google: SecretManager, tmp_path: Path) -> None:
    file = tmp_path / "google" / "kes.json"
    up(cli, tmp_path)
    file.write_text(json.dumps(key_file(private_key_id="f" * 40, private_key=private_key().replace("\n", "\\n"))))
    run = cli.again()
    assert ("reload", "container/kes-server") in run.changes
    assert "f" * 40 in cli.read("config/kes/kes-config.yaml")
    file.write_text(json.dumps(key_file(private_key="gone")))
    assert "no PEM key" in cli("up", "--yes", expect=2).error[1]
    assert cli("status", "--json", expect=None).data["keystore"]["state"] == "WRONG"


def test_keys_are_made_listed_and_deleted(cli: Cli, google: SecretManager, tmp_path: Path) -> None:
    up(cli, tmp_path)
    spec = load(cli.read("kesdeploy.yaml"), {}, FIELDS)
    kes = services.kes(spec, Home(cli.name, cli.folder), identity="operator")
    assert [kes.create_key("another"), kes.create_key("another")] == [True, False]
    assert sorted(kes.list_keys()) == sorted(["another", spec.key_name])
    kes.delete_key("another")
    assert "another" not in google.secrets


def test_an_api_that_is_not_enabled_starts_nothing(cli: Cli, google: SecretManager, tmp_path: Path) -> None:
    """KES itself starts with it, and says that all is well."""
    text = "Secret Manager API has not been used in project 1 before or it is disabled."
    google.forbid = (403, "PERMISSION_DENIED", "SERVICE_DISABLED", text)
    run = up(cli, tmp_path, expect=6)
    assert text in run.error[1]
    assert "gcloud services enable" in run.error[2]
    assert engine_holds(cli.name) == []
    assert not cli.folder.exists()


def test_a_key_that_is_only_half_made(cli: Cli, google: SecretManager, tmp_path: Path) -> None:
    """The permissions that KES's own documentation lists are not enough: it makes the secret, and no version of it."""
    google.denied["AddSecretVersion"] = "Permission 'secretmanager.versions.add' denied"
    run = up(cli, tmp_path, "--key-name", "minio-half", expect=6)
    assert "secretmanager.versions.add" in run.error[1]
    assert google.secrets == {"minio-half": []}
    again = up(cli, tmp_path, "--key-name", "minio-half", expect=6)
    assert "without the version 1" in again.error[0]
    assert EMAIL in cli("policy", "gcp").out
