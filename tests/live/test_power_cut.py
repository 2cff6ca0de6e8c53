"""Everything of a deployment ends in one moment, and Podman, whose watchers end too, is told by nobody."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from commandline import infra_of, inspect

from kesdeploy.errors import PortTaken

if TYPE_CHECKING:
    from collections.abc import Callable

    from commandline import Cli
    from objects import Objects

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="Podman without root holds on to a process of its own besides"),
]


def _cut(cli: Cli) -> None:
    parts = (infra_of(f"minio-kes-{cli.name}"), cli.container("kes-server"), cli.container("minio-server"))
    states = [inspect(part)["State"] for part in parts]
    for pid in [state["ConmonPid"] for state in states] + [state["Pid"] for state in states]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_up_makes_it_again_around_its_data(running: Cli, objects: Objects) -> None:
    _cut(running)
    assert inspect(running.container("kes-server"))["State"]["Status"] == "running", "Podman has found out by itself"
    status = running("status", "--json", expect=7)
    assert {container["state"] for container in status.data["containers"]} == {"exited"}
    assert running("list", "--json").data["deployments"][0]["state"] == "stopped"

    up = running.again()
    assert ("replace", "pod/pod") in up.changes
    objects.assert_intact()
    assert running.again().changes == []


def test_its_ports_are_not_free_for_another(running: Cli, another: Callable[..., Cli]) -> None:
    """Nobody listens there any more, and Podman's rules still lead whoever comes to the dead."""
    _cut(running)
    rival = another()
    rival.port = running.port
    refused = rival.up(expect=PortTaken.exit_code)
    assert f"by the deployment {running.name!r}" in refused.err
    assert not rival.folder.exists()
    running("down")
    rival.up()
