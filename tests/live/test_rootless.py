"""A real user without root: from the first `up` over a reboot to a home that can be deleted."""

from __future__ import annotations

import secrets
import stat
from typing import TYPE_CHECKING

import pytest
from objects import Objects
from somebody import TheirCli, somebody

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.openbao]


@pytest.fixture
def their_cli(real_podman, four_ports) -> Iterator[TheirCli]:
    with somebody() as who:
        yield TheirCli(who.home, f"try-{secrets.token_hex(3)}", four_ports, who=who)


def _all_theirs(folder: Path, uid: int) -> bool:
    return all(path.lstat().st_uid == uid for path in (folder, *folder.rglob("*")))


def _others_may(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def test_without_root_it_is_as_good_on_docker(their_cli):
    cli, who = their_cli, their_cli.who
    who.start_docker()
    up = cli("up", "--engine", "docker", "--kms", "fs", "--images", "sandbox", "--yes", "--json", *cli.ports)
    assert up.json["ok"]
    engine = cli("status", "--json").data["engine"]
    assert (engine["name"], engine["rootless"]) == ("docker", True)
    assert _all_theirs(cli.folder, who.uid)
    assert not any(_others_may(path) for path in (cli.folder, *cli.folder.rglob("*.key")))
    objects = Objects.of(cli)
    objects.put_some()

    who.reboot()
    assert "Docker" in cli("status", expect=3).err
    who.start_docker()
    cli("start")
    objects.assert_intact()

    asked = ("docker", "--host", f"unix://{who.runtime}/docker.sock", "info", "--format", "{{.MemoryLimit}}")
    if who.run(*asked).stdout.strip() == "false":
        refused = cli("up", "--set", "limits.minio.memory=1GiB", "--yes", expect=3)
        assert "ignores limits of memory" in refused.err
        objects.assert_intact()
    cli("destroy", "--yes")
    assert not cli.folder.exists()
    assert cli("list", "--json").data["deployments"] == []


def test_without_root_it_is_as_good(their_cli):
    cli, who = their_cli, their_cli.who
    low = cli("up", "--kms", "fs", "--images", "sandbox", "--yes", "--s3-port", "80", expect=2)
    assert "not without root" in low.err
    assert not cli.folder.exists()

    up = cli("up", "--kms", "vault", "--images", "sandbox", "--yes", "--json", *cli.ports)
    assert up.json["ok"]
    assert cli("status", "--json").data["engine"]["rootless"] is True
    assert _all_theirs(cli.folder, who.uid)
    assert not any(
        _others_may(path) for path in (cli.folder, *cli.folder.rglob("*.key"), *cli.folder.rglob("secrets/*"))
    )
    objects = Objects.of(cli)
    objects.put_some()

    who.reboot()
    assert "running" not in {c["state"] for c in cli("status", "--json", expect=7).data["containers"]}
    cli("start")
    objects.assert_intact()
    assert cli("status", "--json").json["ok"]

    assert who.run("rm", "-rf", str(cli.folder / "minio")).returncode == 0
    cli("destroy", "--yes")
    assert not cli.folder.exists()
