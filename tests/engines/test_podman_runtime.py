"""The folder of what runs, and whom a command from another one may not touch."""

import os
import time
from dataclasses import replace

import pytest

from kesdeploy.engines import Engine, EngineInfo, podman_runtime
from kesdeploy.engines.elsewhere import refuse_left_running
from kesdeploy.errors import EngineError
from tests.engines.conftest import World

HERE = EngineInfo("podman", "5", "local", rootless=True, remote=False, reason="", runtime="/run/user/1")


def test_the_variable_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert podman_runtime.folder() == str(tmp_path)


def test_without_a_login_it_is_one_of_podmans_own(monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp")
    assert podman_runtime.folder() == "/tmp/podman-run-4242"


def test_root_has_one_folder(engine: Engine):
    assert engine.info().runtime == "" or os.geteuid() != 0


@pytest.mark.engine
def test_what_runs_elsewhere_is_not_touched(world: World):
    world.make_pod()
    name = world.run("a")
    with pytest.raises(EngineError, match="demo runs") as error:
        refuse_left_running(HERE, "/tmp/podman-run-1", (f"{world.mark}-no", name), name="demo")
    assert error.value.hint.startswith("XDG_RUNTIME_DIR=/tmp/podman-run-1 kesdeploy down -n demo")
    refuse_left_running(HERE, HERE.runtime, (name,), name="demo")
    refuse_left_running(HERE, "", (name,), name="demo")
    refuse_left_running(replace(HERE, runtime=""), "/tmp/podman-run-1", (name,), name="demo")
    world.engine.stop(name, timeout=3)
    deadline = time.monotonic() + 10
    while podman_runtime.watched((name,)) and time.monotonic() < deadline:
        time.sleep(0.05)  # who watches over it cleans up
    refuse_left_running(HERE, "/tmp/podman-run-1", (name,), name="demo")
