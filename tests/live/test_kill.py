"""Whatever is killed, wherever: one command repairs, no object is lost, and `destroy` leaves nothing."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from commandline import INTERRUPTED, Cli, infra_of, left, podman, process_of
from objects import Objects

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.engine

STEPS = 5  # lines that the first `up` says before its proof


def _after(process: subprocess.Popen[str], lines: int, how: int) -> int:
    """Signal it once it has said so many lines; gives its exit code."""
    assert process.stderr is not None
    for _ in range(lines):
        process.stderr.readline()
    process.send_signal(how)
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.parametrize("lines", range(STEPS + 1))
def test_up_killed_at_each_step_continues(cli: Cli, lines: int) -> None:
    assert _after(cli.popen(*cli.first_up), lines, signal.SIGKILL) == -signal.SIGKILL
    run = cli(*cli.first_up, "--json")
    assert run.json["ok"], run
    Objects.of(cli).put_some()


@pytest.mark.parametrize("milliseconds", [150, 400, 700])
def test_up_killed_at_any_time_can_be_destroyed(cli: Cli, milliseconds: int) -> None:
    process = cli.popen(*cli.first_up)
    time.sleep(milliseconds / 1000)
    process.kill()
    process.communicate()
    cli("destroy", "--yes", expect=0 if left(cli) else 2)
    assert left(cli) == []


@pytest.mark.parametrize("lines", [0, 2, 4])
def test_ctrl_c_is_no_error_and_continues(cli: Cli, lines: int) -> None:
    assert _after(cli.popen(*cli.first_up), lines, signal.SIGINT) in INTERRUPTED
    assert cli(*cli.first_up, "--json").json["ok"]


@pytest.mark.parametrize("command", ["stop", "down", "destroy"])
def test_taking_down_killed_is_finished_by_the_next(running: Cli, command: str) -> None:
    flags = ("--yes",) if command == "destroy" else ()
    process = running.popen(command, *flags)
    time.sleep(0.5)
    process.kill()
    process.communicate()
    if command == "destroy":
        running("destroy", "--yes", expect=0 if left(running) else 2)
        assert left(running) == []
    else:
        running.again()


@pytest.mark.parametrize("victim", ["kes-server", "minio-server", "infra", "both"])
def test_killed_containers_are_repaired(running: Cli, objects: Objects, victim: str) -> None:
    pod = f"minio-kes-{running.name}"
    names = {"infra": [infra_of(pod)], "both": [running.container("kes-server"), running.container("minio-server")]}
    for name in names.get(victim, [running.container(victim)]):
        podman("kill", "-s", "KILL", name)
    assert running("status", "--json", expect=7).json["ok"] is False
    running.again()
    # A connection into the network that is gone would hang.
    objects.s3 = Objects.of(running).s3
    objects.assert_intact()


@pytest.mark.parametrize("part", ["kes-server", "minio-server"])
def test_a_crash_is_mended_by_the_restart_policy(running: Cli, objects: Objects, part: str) -> None:
    os.kill(process_of(running.container(part)), signal.SIGKILL)
    deadline = time.monotonic() + 20
    while running("status", "--json", expect=None).code and time.monotonic() < deadline:
        time.sleep(0.3)
    running("verify")
    objects.assert_intact()


def test_containers_removed_by_hand(running: Cli, objects: Objects) -> None:
    podman("rm", "-f", "-t", "3", running.container("kes-server"))
    assert ("create", "container/kes-server") in running.again().changes
    podman("pod", "rm", "-f", "-t", "3", f"minio-kes-{running.name}")
    running.again()
    objects.assert_intact()


@pytest.mark.parametrize("damage", ["", "{", '{"version": 99}'])
def test_state_lost_damaged_or_newer(running: Cli, objects: Objects, damage: str) -> None:
    state = running.folder / "state.json"
    state.unlink()
    if damage:
        state.write_text(damage)
        refused = running("up", "--yes", expect=8)
        assert "state.json" in refused.err
        assert "try:" in refused.err
        state.unlink()
    running.again("--images", running.images)
    objects.assert_intact()


@pytest.mark.parametrize("folder", ["certs", "config"])
def test_folders_that_can_be_made_again(running: Cli, objects: Objects, folder: str) -> None:
    import shutil

    shutil.rmtree(running.folder / folder)
    running.again()
    objects.assert_intact()
