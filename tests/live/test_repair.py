"""What was removed, damaged or edited by hand: `up` makes it what it should be, and touches nothing else."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from commandline import RELEASE, engine_holds, inspect, podman
from objects import Objects, client, credentials

from kesdeploy import pki

if TYPE_CHECKING:
    from pathlib import Path

    from commandline import Cli
    from fault_table import Recorder

pytestmark = pytest.mark.engine


def test_containers_removed_by_hand(running: Cli, objects: Objects, fault: Recorder) -> None:
    podman("rm", "-f", "-t", "3", running.container("kes-server"))
    assert ("create", "container/kes-server") in running.again().changes
    podman("pod", "rm", "-f", "-t", "3", f"minio-kes-{running.name}")
    assert ("create", "pod/pod") in running.again().changes
    fault("KES's container, then the whole pod, is removed", "by hand", seen="", repair="`up`", objects=objects)


def test_state_lost_damaged_or_newer(running: Cli, objects: Objects, fault: Recorder) -> None:
    state = running.folder / "state.json"
    good = state.read_text()
    state.unlink()
    running.again()
    fault("state.json is missing", "while all runs", repair="`up`", objects=objects)

    state.write_text(good.replace('"version": 1', '"version": 99'))
    newer = running("up", "--yes", expect=8)
    assert "newer kesdeploy" in newer.err
    fault("state.json is of a newer kesdeploy", "while all runs", seen=newer, repair="that kesdeploy", objects=objects)
    state.write_text(good[: len(good) // 2])
    refused = running("up", "--yes", expect=8)
    assert "corrupt" in refused.err
    # What it says to type is enough.
    move = refused.error[-1].removeprefix("  try: ").partition(";")[0]
    subprocess.run(shlex.split(move), check=True)
    running.again()
    repair = "what the error says to type: `mv …`, then `up`"
    fault("state.json is cut short", "while all runs", seen=refused, repair=repair, objects=objects)

    state.write_text("{")
    running("down")
    assert engine_holds(running.name) == []


def test_files_and_folders_that_can_be_made_again(running: Cli, objects: Objects, fault: Recorder) -> None:
    for path in ("config/minio/minio", "config/kes/kes-config.yaml", "certs/kes-server/public.crt", "ca/ca.key"):
        (running.folder / path).unlink()
    running.again()
    objects.assert_intact()
    for path in ("certs", "config", "ca"):
        shutil.rmtree(running.folder / path)
    (running.folder / "state.json").unlink()
    running.again()
    assert running.again().changes == []
    fault("`certs/`, `config/`, `ca/` and state.json are deleted", "while all runs", repair="`up`", objects=objects)


def test_edited_spec(running: Cli, objects: Objects) -> None:
    """What KES re-reads is signalled; what MinIO only reads at its start restarts it; the rest stays as it is."""
    spec, kes = running.folder / "kesdeploy.yaml", running.container("kes-server")
    began = inspect(kes)["State"]["StartedAt"]

    spec.write_text(spec.read_text() + "kes: {cache: {any: 1m}, log: {error: debug}}\n")
    assert running.again().changes == [("replace", "file/kes-config"), ("reload", "container/kes-server")]

    spec.write_text(spec.read_text() + "minio: {auto_encryption: false}\n")
    planned = running("plan", "--json").changes
    assert running.again().changes == planned == [("replace", "file/minio-env"), ("restart", "container/minio-server")]
    assert inspect(kes)["State"]["StartedAt"] == began
    objects.assert_intact()
    objects.put("plain", "clear", b"in the clear")
    assert "x-amz-server-side-encryption" not in objects.head("plain", "clear")


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_a_new_ca_and_the_old_one_put_back(cli: Cli, tmp_path: Path) -> None:
    """MinIO reads whom it trusts at its start alone: a signal would leave it with the old CA until KES restarts."""
    cli.up("--set", "minio.https=true")
    objects = Objects.of(cli)
    objects.put_some()
    shutil.copytree(cli.folder / "ca", tmp_path / "ca")

    def renewed() -> None:
        planned, done = cli("plan", "--json"), cli.again()
        assert done.changes == planned.changes
        assert ("reload", "container/kes-server") in done.changes
        assert ("restart", "container/minio-server") in done.changes
        cli("verify", "--restart")
        Objects(client(credentials(cli)), objects.stored).assert_intact()

    (cli.folder / "ca" / "ca.key").unlink()
    assert "need the new" in cli("plan").err
    renewed()
    shutil.copytree(tmp_path / "ca", cli.folder / "ca", dirs_exist_ok=True)
    renewed()
    (cli.folder / "certs" / "minio-server" / "public.crt").write_text("damaged")
    assert ("reload", "container/minio-server") in cli.again().changes


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_https_on_and_off(running: Cli, objects: Objects) -> None:
    for https in ("true", "false"):
        run = running.again("--set", f"minio.https={https}")
        assert ("replace", "container/minio-server") in run.changes
        Objects(client(credentials(running)), objects.stored).assert_intact()


def issued(cli: Cli, **age: int) -> None:
    """KES's certificate, over its own key, as it was issued so long ago."""
    folder = cli.folder / "certs" / "kes-server"
    authority = pki.Authority((cli.folder / "ca/ca.crt").read_bytes(), (cli.folder / "ca/ca.key").read_bytes())
    request = pki.LeafRequest("kes-server", (cli.container("kes-server"), "127.0.0.1"), pki.Usage.SERVER)
    leaf = authority.issue(request, datetime.now(UTC) - timedelta(**age), (folder / "private.key").read_bytes())
    (folder / "public.crt").write_bytes(leaf.cert_pem)


def test_expired_certificates_are_renewed(running: Cli, objects: Objects, fault: Recorder) -> None:
    """Under a running KES, and before a stopped one starts: as after a year, or with a clock that was wrong."""
    issued(running, days=500)
    podman("kill", "-s", "HUP", running.container("kes-server"))
    status = running("status", "--json", expect=7).json
    assert any("kes-server" in problem["message"] for problem in status["problems"])
    assert ("reload", "container/kes-server") in running.again().changes

    running("stop")
    issued(running, days=380)
    running("start")
    days = {row["name"]: row["days_left"] for row in running("status", "--json").data["certificates"]}
    assert days["kes-server"] > 390
    fault("KES's certificate has ended", "while all runs", seen="`status`: exit 7", repair="`up`", objects=objects)
    fault("KES's certificate ends within 30 days", "while stopped", repair="`start`", objects=objects)
