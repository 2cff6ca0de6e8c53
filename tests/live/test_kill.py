"""Whatever is killed, wherever: one command repairs, no object is lost, and `destroy` leaves nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from commandline import INTERRUPTED, Cli, infra_of, left, podman, process_of
from objects import Objects

if TYPE_CHECKING:
    import subprocess

    from fault_table import Recorder

pytestmark = pytest.mark.engine

# What a first `up` says, a line when each of them ends: pod, KES, key, fingerprint, MinIO. Then it proves.
STEPS = 5
# Creating the key and its fingerprint takes milliseconds: killed at once there, a moment later elsewhere.
QUICK = (2, 3)


def ended(process: subprocess.Popen[str], how: int) -> tuple[int, str]:
    """Its exit code, and what it said on stderr after the signal."""
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said, said
    return process.returncode, said


def after(process: subprocess.Popen[str], lines: int, how: int = signal.SIGKILL) -> tuple[int, str]:
    """Signal it once it has said so many lines: it is inside of the next step then."""
    assert process.stderr
    for _ in range(lines):
        process.stderr.readline()
    if lines not in QUICK:
        time.sleep(0.02 if lines else 0.3)
    return ended(process, how)


def at(process: subprocess.Popen[str], seconds: float, how: int = signal.SIGKILL) -> tuple[int, str]:
    time.sleep(seconds)
    return ended(process, how)


def destroyed(cli: Cli) -> bool:
    cli("destroy", "--yes", expect=0 if left(cli) else 2)
    return left(cli) == []


@pytest.mark.parametrize("lines", range(STEPS + 1))
def test_up_killed_inside_each_step(cli: Cli, fault: Recorder, lines: int) -> None:
    """`destroy` leaves nothing of it; killed there once more, `up` ends proven, and then has nothing to do."""
    code, said = after(cli.popen(*cli.first_up), lines)
    assert code == -signal.SIGKILL
    assert lines in QUICK or "✓" not in said, f"step {lines + 1} was over already"
    assert destroyed(cli)
    after(cli.popen(*cli.first_up), lines)
    assert cli(*cli.first_up, "--json").json["ok"]
    assert cli.again().changes == []
    fault(
        "kesdeploy itself is killed",
        "inside each step of the first `up`",
        seen="nothing more",
        repair="`up`, `destroy`",
    )


def test_up_killed_at_any_time_can_be_destroyed(cli: Cli) -> None:
    for milliseconds in (100, 200, 400, 600, 700, 800):
        at(cli.popen(*cli.first_up), milliseconds / 1000)
        assert destroyed(cli)


def test_killed_again_and_again_with_objects(running: Cli, objects: Objects, fault: Recorder) -> None:
    """Without a repair in between."""
    running("down")
    for lines in (0, 1, 2, 3):
        after(running.popen("up", "--yes"), lines)
    for command in ("stop", "start", "stop", "down"):
        at(running.popen(command), 0.5)
    running.again()
    assert running.again().changes == []
    when = "eight times in a row: `up`, `stop`, `start`, `down`"
    fault("kesdeploy itself is killed", when, seen="nothing more", repair="`up`", objects=objects)


@pytest.mark.parametrize("lines", [0, 2, 4])
def test_ctrl_c_inside_a_step_continues(cli: Cli, fault: Recorder, lines: int) -> None:
    code, said = after(cli.popen(*cli.first_up), lines, signal.SIGINT)
    assert code in INTERRUPTED
    assert "error: interrupted" in said
    assert "try: " in said.splitlines()[-1]
    assert cli(*cli.first_up, "--json").json["ok"]
    fault("Ctrl-C", "inside a step of the first `up`", seen="exit 130: interrupted", repair="`up`")


def test_ctrl_c_at_any_time_neither_crashes_nor_hangs(cli: Cli) -> None:
    """Also while the program loads, and amid an import, which other threads may be waiting for."""
    for milliseconds in (80, 160, 240, 320, 400, 550, 650, 900):
        code, said = at(cli.popen(*cli.first_up), milliseconds / 1000, signal.SIGINT)
        assert code == 0 or (code in INTERRUPTED and "interrupted" in said), (code, said)
    assert destroyed(cli)


def test_destroy_killed_is_finished_by_the_next(running: Cli, objects: Objects, fault: Recorder) -> None:
    assert objects.stored
    for seconds in (0.3, 0.5, 0.7):
        at(running.popen("destroy", "--yes"), seconds)
    assert destroyed(running)
    fault("kesdeploy itself is killed", "three times in `destroy`", seen="nothing more", repair="`destroy`")


def test_killed_containers_are_repaired(running: Cli, objects: Objects, fault: Recorder) -> None:
    kes, minio = running.container("kes-server"), running.container("minio-server")
    infra = infra_of(f"minio-kes-{running.name}")
    victims = {"KES": [kes], "MinIO": [minio], "the pod's infra container": [infra], "KES and MinIO": [kes, minio]}
    for victim, names in victims.items():
        podman("kill", "-s", "KILL", *names)
        assert running("status", "--json", expect=7).json["ok"] is False
        running.again()
        # A connection into the network that is gone would hang.
        objects.s3 = Objects.of(running).s3
        fault(f"{victim}: killed", "while all runs", seen="`status`: exit 7", repair="`up`", objects=objects)


def test_a_crash_is_mended_by_the_restart_policy(running: Cli, objects: Objects, fault: Recorder) -> None:
    for part in ("kes-server", "minio-server"):
        os.kill(process_of(running.container(part)), signal.SIGKILL)
    deadline = time.monotonic() + 30
    while running("status", "--json", expect=None).code and time.monotonic() < deadline:
        time.sleep(0.3)
    running("verify")
    what, how = "KES and MinIO crash", "the engine, by itself"
    fault(what, "while all runs", seen="some seconds without S3", repair=how, objects=objects)


def test_a_crash_is_mended_where_the_folder_is_gone_that_up_was_typed_in(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with monkeypatch.context() as elsewhere:
        elsewhere.chdir(gone)
        cli.up()
    gone.rmdir()
    first = process_of(cli.container("minio-server"))
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while process_of(cli.container("minio-server")) in (0, first):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def services_of(pid: int) -> list[int]:
    """The Podman services that a kesdeploy started for itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"service" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_podman_service_killed_while_up_works(cli: Cli, fault: Recorder) -> None:
    process = cli.popen(*cli.first_up)
    assert process.stderr
    process.stderr.readline()
    killed = services_of(process.pid)
    if not killed:
        process.communicate(timeout=60)
        pytest.skip("a Podman service listens here: kesdeploy starts none of its own")
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert process.returncode in (0, 3), said
    assert cli.up("--json").json["ok"]
    fault("Podman's API service is killed", "inside the first `up`", seen="done, or one error (exit 3)", repair="`up`")
