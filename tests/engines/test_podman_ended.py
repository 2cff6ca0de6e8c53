"""Whether a process is there at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from kesdeploy.engines import podman_ended, podman_read


@pytest.fixture
def gone() -> int:
    process = subprocess.Popen((sys.executable, "-c", ""))
    process.wait()
    return process.pid


def _raw(pid: int, state: str = "running", *, infra: bool = False) -> dict:
    return {"Id": "c", "State": state, "Pid": pid, "ExitCode": 0, "Pod": "p", "IsInfra": infra, "StartedAt": 1}


def _seen(pid: int, conmon: int, state: str = "running", code: int = 0) -> dict:
    return {"Id": "c", "State": {"Status": state, "Pid": pid, "ConmonPid": conmon, "ExitCode": code}}


def _marked(raw: dict, *answers: dict | None) -> dict:
    """As Podman tells of it when asked for that one."""
    left = iter(answers)
    return podman_ended.mark(raw, lambda _: podman_ended.looked(lambda: next(left)))


def test_one_that_runs_stays_as_it_is():
    raw = _raw(os.getpid())
    assert _marked(raw) is raw
    seen = _seen(1, 1)
    assert podman_ended.looked(lambda: seen) is seen


@pytest.mark.parametrize("state", ["running", "stopping"])
def test_one_of_which_nothing_is_left_was_killed(gone, state):
    seen = _seen(gone, gone, state)
    marked = _marked(_raw(gone, state), seen, seen)
    assert (marked["State"], marked["ExitCode"], podman_ended.LOST in marked) == ("exited", 137, True)


def test_while_conmon_lives_podman_is_about_to_be_told(gone):
    """With the exit code, which nobody else knows."""
    marked = _marked(_raw(gone), _seen(gone, os.getpid()))
    assert (marked["State"], podman_ended.LOST in marked) == ("running", False)


def test_what_conmon_wrote_down_at_its_end_counts(gone):
    """Both ended between Podman's answer and our look."""
    marked = _marked(_raw(gone), _seen(gone, gone), _seen(0, 0, "exited", 3))
    assert (marked["State"], marked["ExitCode"], podman_ended.LOST in marked) == ("exited", 3, False)


def test_one_that_is_removed_meanwhile_stays_as_it_was_listed(gone):
    assert _marked(_raw(gone), None)["State"] == "running"
    assert _marked(_raw(gone), _seen(gone, gone), None)["State"] == "running"


@pytest.mark.parametrize("state", ["created", "exited", "paused"])
def test_nothing_is_said_of_the_others(gone, state):
    assert _marked(_raw(gone, state))["State"] == state


def test_a_podman_that_tells_no_process(gone):
    assert _marked({"State": "running"})["State"] == "running"
    untold = {"Id": "c", "State": {"Status": "running", "Pid": gone}}
    assert podman_ended.looked(lambda: untold) is untold


def test_who_died_and_was_not_buried_is_gone():
    """As in a container whose first process waits for nobody."""
    process = subprocess.Popen((sys.executable, "-c", "import time; time.sleep(60)"))
    os.kill(process.pid, signal.SIGKILL)
    time.sleep(0.2)
    seen = _seen(process.pid, process.pid)
    assert _marked(_raw(process.pid), seen, seen)["State"] == "exited"
    process.wait()


def test_a_pod_is_lost_when_nobody_of_it_is_left(gone):
    pod = {"Id": "p", "Name": "pod", "Status": "Running", "Labels": {}}
    seen = _seen(gone, gone)
    infra, member = (_marked(raw, seen, seen) for raw in (_raw(gone, infra=True), _raw(gone)))
    assert podman_read.listed_pod(pod, [infra, member]).lost
    one_runs = podman_read.listed_pod(pod, [infra, _raw(os.getpid())])
    assert (one_runs.lost, one_runs.broken) == (False, True)
    assert not podman_read.listed_pod(pod, [_raw(gone, "exited", infra=True), _raw(gone, "exited")]).lost


def test_a_pod_without_its_infra_container_is_lost():
    """Podman starts no member of such a pod, and makes none."""
    pod = {"Id": "p", "Name": "pod", "Status": "Degraded", "Labels": {}}
    assert podman_read.listed_pod(pod, []).lost
    assert podman_read.listed_pod(pod, [_raw(0, "exited")]).lost
    assert not podman_read.listed_pod(pod, [_raw(0, "created", infra=True)]).lost
