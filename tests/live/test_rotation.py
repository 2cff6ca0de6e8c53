"""Certificates change while objects are written and read: nobody notices."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from commandline import RELEASE, inspect
from load import assert_readable, load
from objects import Objects

from kesdeploy import pki
from kesdeploy.clients import served_certificate

if TYPE_CHECKING:
    from commandline import Cli

pytestmark = pytest.mark.engine
PARTS = {"kes-server": 2, "minio-server": 0, "vault": 3}
HTTPS = ("--set", "minio.https=true")


def served(cli: Cli, part: str) -> pki.CertificateInfo:
    pair = cli.folder / "secrets/operator.crt", cli.folder / "secrets/operator.key"
    return pki.describe(served_certificate("127.0.0.1", cli.port + PARTS[part], timeout=5, client=pair))


def began(cli: Cli) -> dict[str, str]:
    return {part: inspect(cli.container(part))["State"]["StartedAt"] for part in ("kes-server", "minio-server")}


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
@pytest.mark.parametrize("flags", [(), HTTPS], ids=["http", "https"])
def test_no_request_fails(cli: Cli, flags: tuple[str, ...]) -> None:
    cli.up(*flags)
    parts = ("kes-server", "minio-server") if flags else ("kes-server",)
    before, started = {part: served(cli, part) for part in parts}, began(cli)
    with load(cli) as found:
        for options in ((), (), ("--new-key",)):
            done = cli("rotate-certs", "--json", *options).data
            assert sorted(c["name"] for c in done["rotated"]) == sorted(parts)
            assert all(check["ok"] for check in done["checks"])
    assert found.errors == []
    assert len(found.seconds) > 50
    assert began(cli) == started, "nothing was restarted"
    for part in parts:
        now = served(cli, part)
        assert now.serial != before[part].serial
        assert now.identity != before[part].identity, "--new-key was the last"
    assert cli("plan", "--json").changes == []
    assert_readable(cli, found.written)


def test_the_key_stays_unless_another_is_wanted(running: Cli) -> None:
    before = served(running, "kes-server")
    running("rotate-certs")
    after = served(running, "kes-server")
    assert (after.identity, after.serial != before.serial) == (before.identity, True)


@pytest.mark.openbao
def test_a_managed_vault_too(cli: Cli) -> None:
    cli("up", "--kms", "vault", "--images", cli.images, "--yes", *cli.ports)
    before = served(cli, "vault").serial
    with load(cli) as found:
        done = cli("rotate-certs", "--json").data
    assert found.errors == []
    assert {c["name"] for c in done["rotated"]} == {"kes-server", "vault"}
    assert served(cli, "vault").serial != before


def test_only_what_ends_soon(running: Cli) -> None:
    before = served(running, "kes-server").serial
    done = running("rotate-certs", "--if-expiring", "30d", "--json").data
    assert done["rotated"] == []
    assert [c["name"] for c in done["kept"]] == ["kes-server"]
    assert running("rotate-certs", "--if-expiring", "400d", "--json").data["rotated"]
    assert served(running, "kes-server").serial != before
    assert "no duration" in running("rotate-certs", "--if-expiring", "soon", expect=2).err


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_a_new_ca_restarts_minio_once(cli: Cli) -> None:
    cli.up(*HTTPS)
    objects = Objects.of(cli)
    objects.put_some()
    before, started = {part: served(cli, part) for part in ("kes-server", "minio-server")}, began(cli)
    ca = cli.read("ca/ca.crt")
    refused = cli("rotate-certs", "--ca", expect=2)
    assert "--yes" in refused.error[-1]
    assert cli.read("ca/ca.crt") == ca

    done = cli("rotate-certs", "--ca", "--yes", "--json").data
    assert {c["name"] for c in done["rotated"]} == {"kes-server", "minio-server"}
    now = began(cli)
    assert now["kes-server"] == started["kes-server"]
    assert now["minio-server"] != started["minio-server"]
    trusted = cli.read("ca/ca.crt")
    assert (
        done["ca"]["sha256"]
        == cli("certs", "show", "ca", "-n", cli.name, "--json").data["sha256"]
        != done["ca"]["before"]
    )
    assert trusted.count("BEGIN CERTIFICATE") == 1
    assert trusted != ca
    for part, old in before.items():
        assert served(cli, part).serial != old.serial
    assert cli("plan", "--json").changes == []
    assert all(check["ok"] for check in cli("verify", "--json").data["checks"])
    Objects(Objects.of(cli).s3, objects.stored).assert_intact()
    assert cli.again().changes == []


def test_killed_in_between_the_next_one_finishes(running: Cli, objects: Objects) -> None:
    for command in (("rotate-certs",), ("rotate-certs", "--ca", "--yes")):
        for wait in (0.45, 0.55, 0.65, 0.8):
            process = running.popen(*command)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        # A new CA restarts MinIO: a kill just then leaves it down until the next run.
        done = running(*command, "--json").data
        assert all(check["ok"] for check in done["checks"])
        assert running.read("ca/ca.crt").count("BEGIN CERTIFICATE") == 1
        assert running("plan", "--json").changes == []
        objects.assert_intact()


def test_what_does_not_run_reads_it_when_it_starts(running: Cli, objects: Objects) -> None:
    running("stop")
    done = running("rotate-certs", "--json").data
    assert done["rotated"]
    assert len(done["stopped"]) == 2
    running("start")
    assert served(running, "kes-server").serial == done["rotated"][0]["serial"]
    objects.assert_intact()
