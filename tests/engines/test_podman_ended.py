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
    return {"State": state, "Pid": pid, "Pod": "p", "IsInfra": infra, "StartedAt": 1}


def test_one_that_runs_stays_as_it_is():
    raw = _raw(os.getpid())
    assert podman_ended.mark(raw) is raw
    assert podman_ended.state_of({"Status": "running", "Pid": 1}) == "running"


def test_one_without_a_process_has_exited(gone):
    assert podman_ended.mark(_raw(gone))["State"] == "exited"
    assert podman_ended.mark(_raw(gone, "stopping"))["State"] == "exited"
    assert podman_ended.state_of({"Status": "running", "Pid": gone}) == "exited"


@pytest.mark.parametrize("state", ["created", "exited", "paused"])
def test_nothing_is_said_of_the_others(gone, state):
    assert podman_ended.mark(_raw(gone, state))["State"] == state


def test_a_podman_that_tells_no_process(gone):
    assert podman_ended.mark({"State": "running"})["State"] == "running"


def test_who_died_and_was_not_buried_is_gone():
    """As in a container whose first process waits for nobody."""
    process = subprocess.Popen((sys.executable, "-c", "import time; time.sleep(60)"))
    os.kill(process.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert podman_ended.mark(_raw(process.pid))["State"] == "exited"
    process.wait()


def test_a_pod_is_lost_when_nobody_of_it_is_left(gone):
    pod = {"Id": "p", "Name": "pod", "Status": "Running", "Labels": {}}
    infra, member = podman_ended.mark(_raw(gone, infra=True)), podman_ended.mark(_raw(gone))
    assert podman_read.listed_pod(pod, [infra, member]).lost
    one_runs = podman_read.listed_pod(pod, [infra, _raw(os.getpid())])
    assert (one_runs.lost, one_runs.broken) == (False, True)
    assert not podman_read.listed_pod(pod, [_raw(gone, "exited", infra=True), _raw(gone, "exited")]).lost
