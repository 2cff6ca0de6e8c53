"""What is Docker's alone: what takes the place of pods survives a restart; who answers, and how one is pulled."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kesdeploy.engines import Engine, Mount, Port
from kesdeploy.engines.docker_read import creation, network
from kesdeploy.errors import EngineError, ImageError
from tests.engines.conftest import IDLE, SERVER, World, answer, only
from tests.engines.registry import Registry, fresh_layer, registry

pytestmark = [pytest.mark.engine, only("docker")]


def test_a_member_that_was_started_again_is_found_and_answers_as_before(world: World, free_port: int):
    """Whatever address it gets, and in whatever order they come back: as after a restart of the service."""
    world.make_pod(Port("127.0.0.1", free_port, 80))
    web, other = world.run("web", SERVER), world.run("b", IDLE)
    for name in (web, other):
        world.engine.stop(name, timeout=3)
    for name in (other, web):
        world.engine.start(name)
    deadline = time.monotonic() + 5
    while answer(free_port) != "hello" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer(free_port) == "hello"
    found = world.engine.pod(world.pod)
    assert found is not None
    assert not found.broken


def test_a_signal_does_not_end_the_restarts_and_a_stop_does(world: World):
    """Docker takes any signal for a stop by hand."""
    world.make_pod()
    script = 'trap : HUP; trap "exit 0" TERM; while :; do sleep 0.05; done'
    name = world.run("a", ("/bin/sh", "-c", script), restart="unless-stopped")
    world.engine.signal(name, "SIGHUP")
    pid = int(_inspect(name)["State"]["Pid"])
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _inspect(name)["State"]["Pid"] in (0, pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _inspect(name)["State"]["Running"]
    assert _inspect(name)["HostConfig"]["RestartPolicy"]["Name"] == "always", "with the service, too"
    world.engine.stop(name, timeout=3)
    assert _inspect(name)["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped", "and stays down with it"
    world.engine.start(name)
    assert _inspect(name)["HostConfig"]["RestartPolicy"]["Name"] == "always"


def _inspect(name: str) -> dict[str, Any]:
    return dict(json.loads(subprocess.run(["docker", "inspect", name], capture_output=True, check=True).stdout)[0])


def test_ports_are_published_where_told_and_by_those_that_serve_them(world: World, free_port: int):
    world.make_pod(Port("127.0.0.1", free_port, 80))
    web, other = world.run("web", SERVER), world.run("b", IDLE)
    bound = [_inspect(name)["HostConfig"]["PortBindings"] for name in (web, other)]
    assert bound == [{"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(free_port)}]}, {}]


def test_a_second_network_of_the_same_name_is_refused_as_a_pod_is(world: World):
    world.make_pod()
    subprocess.run(["docker", "network", "inspect", world.pod], capture_output=True, check=True)
    before = _networks()
    with pytest.raises(EngineError) as error:
        world.make_pod()
    assert "already exists" in error.value.because
    assert _networks() == before


def test_a_network_of_somebody_else_is_seen_and_is_no_pod(world: World):
    subprocess.run(["docker", "network", "create", "--label", "its=own", world.pod], capture_output=True, check=True)
    try:
        found = world.engine.pod(world.pod)
        assert found is not None
        assert found.labels == {"its": "own"}
        assert world.engine.pods({"its": "own"}) == ()
        with pytest.raises(EngineError, match="cannot be created"):
            world.engine.create(world.spec("a"))
    finally:
        subprocess.run(["docker", "network", "rm", world.pod], capture_output=True, check=True)


def _networks() -> str:
    return subprocess.run(["docker", "network", "ls", "-q"], capture_output=True, text=True, check=True).stdout


def test_a_label_for_selinux_is_asked_for_in_the_only_form_that_knows_one(world: World):
    from kesdeploy.engines import PodSpec

    net = {"Labels": network(PodSpec("p"))["Labels"]}
    mounts = (Mount("/a", "/x"), Mount("/b", "/y", read_only=False, relabel=False))
    spec = world.spec("a", mounts=mounts)
    where = creation(spec, net, selinux=True)["HostConfig"]
    assert where["Binds"] == ["/a:/x:ro,z"]
    assert [mount["Source"] for mount in where["Mounts"]] == ["/b"]
    assert creation(spec, net)["HostConfig"]["Binds"] == []


@pytest.fixture
def server() -> Iterator[Registry]:
    with registry(fresh_layer()) as running:
        yield running


def test_a_pull_brings_the_image_or_says_why_not(engine: Engine, server: Registry, free_port: int):
    reference = f"{server.host}/some/tool:1"
    said: list[object] = []
    found = engine.pull(reference, stall=10, progress=said.append)
    assert found.tags == (reference,)
    assert found.digest.startswith("sha256:")
    assert said
    engine.remove_image(reference)
    with pytest.raises(ImageError, match="cannot be pulled") as missing:
        engine.pull(f"{server.host}/some/tool:no-such-tag", stall=10, progress=said.append)
    assert "not found" in missing.value.because or "unknown" in missing.value.because
    with pytest.raises(ImageError) as dead:
        engine.pull(f"127.0.0.1:{free_port}/some/tool:1", stall=10, progress=said.append)
    assert "refused" in dead.value.because


def test_a_registry_that_says_nothing_is_given_up(engine: Engine, server: Registry):
    server.silent = True
    begun = time.monotonic()
    with pytest.raises(ImageError) as error:
        engine.pull(f"{server.host}/some/tool:1", stall=1, progress=lambda _: None)
    assert time.monotonic() - begun < 4
    assert "said nothing for 1 s" in error.value.because
