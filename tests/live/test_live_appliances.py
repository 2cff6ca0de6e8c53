"""The real KES and MinIO on stand-ins for Entrust KeyControl, Fortanix DSM and Thales CipherTrust."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest
import yaml
from appliances import Appliance, CipherTrust, KeyControl, Sdkms
from commandline import RELEASE, Cli, Run, podman

from kesdeploy import services
from kesdeploy.errors import ServiceError
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS
from kesdeploy.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kesdeploy.clients.kes import Kes

pytestmark = [pytest.mark.engine, pytest.mark.parametrize("cli", [RELEASE], indirect=True)]


def own_address() -> str:
    """One of this machine that a container reaches too. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its loopback, which no container reaches")
        return str(probe.getsockname()[0])


@pytest.fixture(params=[KeyControl, Sdkms, CipherTrust], ids=lambda appliance: appliance.kind)
def kms(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Appliance]:
    folder = tmp_path / "kms"
    folder.mkdir()
    found = request.param(folder, own_address())
    yield found
    found.close()


def up(cli: Cli, kms: Appliance, expect: int = 0) -> Run:
    spec = cli.home / "spec.yaml"
    spec.write_text(yaml.safe_dump({"name": cli.name, "keystore": {kms.kind: kms.fields}}))
    flags = ("--config", str(spec), "--images", cli.images, "--yes", "--json", "--timeout", "30s")
    return cli("up", *flags, *cli.ports, expect=expect)


def kes(cli: Cli) -> Kes:
    return services.kes(load(cli.read("kesdeploy.yaml"), {}, FIELDS), Home(cli.name, cli.folder), identity="operator")


def forget(cli: Cli) -> None:
    """Have KES read keys anew."""
    podman("kill", "-s", "HUP", cli.container("kes-server"))
    time.sleep(0.5)


def test_it_holds_the_keys(cli: Cli, kms: Appliance) -> None:
    proven = up(cli, kms)
    assert all(check["ok"] for check in proven.data["checks"]), proven
    (default,) = kms.secrets
    assert default.startswith(f"minio-{cli.name}-")
    assert cli.again().changes == []
    assert cli("status", "--json").data["keystore"] == {"kind": kms.kind, "state": "ok"}
    create_use_and_delete(cli, "another")
    assert lists(cli, kms) == (None if kms.kind == "fortanix" else [default])
    the_commands(cli, kms, default)
    kms.credential = "another one now"
    assert cli("status", "--json", expect=7).data["keystore"]["state"] == "DENIED"
    cli("destroy", "--yes")
    assert list(kms.secrets) == [default], "only an explicit command deletes keys of others"


def the_commands(cli: Cli, kms: Appliance, default: str) -> None:
    """`key`, around what each of these does otherwise."""
    cli("key", "create", "by-command")
    assert set(kms.secrets) == {default, "by-command"}
    if kms.kind == "fortanix":
        assert "for ever" in cli("key", "list", expect=2).err
        assert "GET /crypto/v1/keys" not in kms.asked
    else:
        assert [key["name"] for key in cli("key", "list", "--json").data["keys"]] == sorted((default, "by-command"))
    assert cli("key", "info", "by-command", "--json").data["maker"] == "operator"
    if isinstance(kms, CipherTrust):
        kms.may_delete = False
        assert "still there" in cli("key", "delete", "by-command", "--yes", expect=6).err
        kms.may_delete = True
    assert "nobody can recover it" in cli("key", "delete", "by-command", "--yes").err
    assert list(kms.secrets) == [default]


def create_use_and_delete(cli: Cli, key: str) -> None:
    client = kes(cli)
    assert [client.create_key(key), client.create_key(key)] == [True, False]
    data_key = client.generate(key)
    forget(cli)
    assert client.decrypt(key, data_key.ciphertext) == data_key.plaintext
    client.delete_key(key)
    forget(cli)
    with pytest.raises(ServiceError) as gone:
        client.decrypt(key, data_key.ciphertext)
    assert gone.value.status == 404


def lists(cli: Cli, kms: Appliance) -> list[str] | None:
    """The keys, or None where KES refuses at once: with Fortanix, it would never end."""
    if kms.kind != "fortanix":
        return list(kes(cli).list_keys())
    started = time.monotonic()
    with pytest.raises(ServiceError) as refused:
        list(kes(cli).list_keys())
    assert (refused.value.status, time.monotonic() - started < 5) == (403, True)
    assert "GET /crypto/v1/keys" not in kms.asked
    return None


def test_a_wrong_credential_starts_nothing(cli: Cli, kms: Appliance, tmp_path: Path) -> None:
    (tmp_path / "kms" / "credential").write_text("hunter2-wrong")
    refused = up(cli, kms, expect=6)
    assert "(HTTP 401)" in refused.out
    assert "hunter2" not in refused.out + refused.err
    assert kms.secrets == {}
    assert podman("ps", "-aq", "--filter", f"name=^{cli.name}-") == ""
