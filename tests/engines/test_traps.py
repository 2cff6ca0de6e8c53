"""The engines' traps and those of their libraries, one by one, on the real thing (pulling has a module of its own)."""

import inspect
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from kesdeploy.engines import ContainerSpec, Mount, Port
from kesdeploy.engines.podman_read import LEAST_STOP, creation, pod_creation
from kesdeploy.errors import EngineError, ImageError
from tests.engines.conftest import EACH, SERVER, STUBBORN, World, only

pytestmark = pytest.mark.engine
ENGINES = EACH

# A second of grace for itself before it ends, as many servers take.
SLOW = ("/bin/sh", "-c", 'trap "sleep 1; exit 0" TERM; while :; do sleep 0.05; done')


def test_2_a_missing_image_is_told_as_such(world: World):
    world.make_pod()
    spec = world.spec("a")
    missing = ContainerSpec(spec.name, spec.pod, "localhost/no-such-image:1", ("/bin/sh",), (), "0:0")
    with pytest.raises(ImageError) as error:
        world.engine.create(missing)
    assert "localhost/no-such-image:1" in error.value.because


@only("podman")
def test_3_looking_waiting_and_reading_logs_leave_no_process_behind(world: World):
    world.make_pod()
    name = world.run("a")
    before = _conmons(name)
    for _ in range(10):
        world.engine.container(name)
        world.engine.wait(name, timeout=0)
        list(world.engine.logs(name))
    assert _conmons(name) == before == 1


@only("podman")
@pytest.mark.parametrize("count", [3])
def test_4_stubborn_containers_are_stopped_side_by_side(world: World, count: int):
    world.make_pod()
    names = [world.run(str(number), STUBBORN) for number in range(count)]
    begun = time.monotonic()
    world.engine.restart_pod(world.pod)
    assert time.monotonic() - begun < 2 * LEAST_STOP
    assert {c.name for c in world.engine.containers(world.labels) if c.running} == set(names)


@only("podman")
def test_5_the_limits_of_containers_conf_are_kept(world: World):
    world.make_pod()
    ours = world.output("ulimit -Hn; ulimit -Hp 2>/dev/null || ulimit -Hu").splitlines()
    argv = ["podman", "run", "--rm", "--entrypoint", "/bin/sh", world.image, "-c"]
    theirs = subprocess.run([*argv, "ulimit -Hn"], capture_output=True, text=True, check=True).stdout.split()
    assert ours[0] == theirs[0]


def test_6_a_private_file_is_readable_for_its_owner_inside(world: World, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("hidden words")
    secret.chmod(0o600)
    tmp_path.chmod(0o700)
    owner = tmp_path.stat()
    if not world.engine.info().rootless:
        import os

        os.chown(secret, 1234, 1234)
        os.chown(tmp_path, 1234, 1234)
        owner = tmp_path.stat()
    user = "0:0" if world.engine.info().rootless else f"{owner.st_uid}:{owner.st_gid}"
    world.make_pod()
    assert world.output("cat /mnt/secret", Mount(str(tmp_path), "/mnt"), user=user) == "hidden words"


@only("podman")
def test_7_what_lies_in_a_mounted_file_is_in_no_inspection(world: World, tmp_path: Path):
    (tmp_path / "secret").write_text("hidden words")
    world.make_pod()
    name = world.run("a", mounts=(Mount(str(tmp_path), "/mnt"),))
    for kind, target in (("inspect", name), ("pod", world.pod)):
        argv = ["podman", *(["inspect", target] if kind == "inspect" else ["pod", "inspect", target])]
        assert "hidden words" not in subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@only("podman")
def test_5_and_8_nothing_is_sent_that_podman_drops_or_ignores(world: World):
    """Limits drop the machine's defaults, `userns` is ignored, secrets in the environment show up in inspect."""
    sent = set(creation(world.spec("a")))
    assert sent == {
        "image", "name", "pod", "entrypoint", "command", "environment", "mounts", "user", "labels", "restart_policy",
        "stop_timeout", "tty", "healthcheck",
    }  # fmt: skip
    world.make_pod()
    name = world.run("a")
    (seen,) = json.loads(subprocess.run(["podman", "inspect", name], capture_output=True, check=True).stdout)
    assert seen["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert seen["Config"]["Tty"] is False
    assert seen["Config"]["StopTimeout"] == 10


@pytest.mark.parametrize("relabel", [True, False])
def test_9_a_read_only_mount_is_read_only(world: World, tmp_path: Path, relabel: bool):
    tmp_path.chmod(0o777)
    read_only, writable = (Mount(str(tmp_path), "/mnt", read_only=only, relabel=relabel) for only in (True, False))
    world.make_pod()
    for _ in range(2):
        assert "Read-only" in world.output("touch /mnt/new 2>&1", read_only)
        assert world.output("touch /mnt/new 2>&1", writable) == ""
    assert (tmp_path / "new").exists()


@only("podman")
def test_9_what_describes_a_mount_can_be_used_twice(world: World, tmp_path: Path):
    read_only = Mount(str(tmp_path), "/mnt")
    spec = world.spec("a", mounts=(read_only,))
    world.make_pod()
    for name in ("a", "b"):
        world.engine.create(replace(spec, name=f"{world.mark}-{name}"))
    assert creation(spec)["mounts"][0] == {
        "type": "bind", "source": str(tmp_path), "target": "/mnt", "read_only": True, "relabel": "z",
    }  # fmt: skip


def test_10_exec_does_not_wait_for_input_and_has_no_frames_in_it(world: World):
    world.make_pod()
    name = world.run("a")
    begun = time.monotonic()
    result = world.engine.exec(name, ("/bin/sh", "-c", "cat; echo done"), timeout=10)
    assert (result.exit_code, result.stdout) == (0, b"done\n")
    assert time.monotonic() - begun < 3
    assert "stdin" not in inspect.signature(world.engine.exec).parameters
    assert world.engine.exec(name, ("/bin/no-such-program",), timeout=10).exit_code in (126, 127)


@only("podman")
@pytest.mark.parametrize("asked", [0, 1])
def test_11_a_short_grace_never_ends_in_a_pod_half_removed(world: World, asked: int):
    world.make_pod()
    name = world.run("a", SLOW)
    other = world.run("b", SLOW)
    world.engine.stop(name, timeout=asked)
    seen = world.engine.container(name)
    assert seen is not None
    assert seen.exit_code == 0, "it had its second"
    world.engine.start(name)
    world.engine.remove_pod(world.pod, stop_timeout=asked)
    assert world.engine.pod(world.pod) is None
    assert world.engine.container(other) is None


def test_12_a_pod_whose_port_is_taken_can_be_removed_and_made_again(world: World, free_port: int):
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        with pytest.raises(EngineError, match=str(free_port)):
            world.make_pod(Port("127.0.0.1", free_port, 80))
        with pytest.raises(EngineError, match=str(free_port)):
            world.run("a", SERVER)
        assert [c.state for c in world.engine.containers(world.labels)] == ["created"]
        world.engine.remove_pod(world.pod, stop_timeout=3)
    world.make_pod(Port("127.0.0.1", free_port, 80))
    world.run("a", SERVER)


def test_stopping_what_stands_still_is_no_json_error(world: World):
    world.make_pod()
    world.engine.create(world.spec("a"))
    world.engine.stop(f"{world.mark}-a", timeout=3)


@only("podman")
def test_neighbouring_ports_are_named_one_by_one(world: World, free_port: int):
    """Podman merges them into one range."""
    from kesdeploy.engines.podman_read import published

    world.make_pod(Port("127.0.0.1", free_port, 80), Port("127.0.0.1", free_port + 1, 81))
    world.run("a")
    infra = [raw for raw in world.engine._listed("{}") if raw["PodName"] == world.pod and raw["IsInfra"]]
    shown = [published(raw, "127.0.0.1") for raw in infra]
    assert shown == [{free_port, free_port + 1}]


@only("podman")
def test_a_pod_asks_for_loopback_where_told(world: World):
    world.make_pod(Port("127.0.0.1", 21299, 80))
    body = pod_creation_of(world)
    assert body["portmappings"] == [
        {"host_ip": "127.0.0.1", "host_port": 21299, "container_port": 80, "protocol": "tcp"}
    ]


def pod_creation_of(world: World) -> dict:
    from kesdeploy.engines import PodSpec

    return pod_creation(PodSpec(world.pod, (Port("127.0.0.1", 21299, 80),)))


@only("podman")
def test_one_engine_serves_many_threads(world: World):
    world.make_pod()
    name = world.run("a")
    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(lambda _: world.engine.container(name), range(200)))
    assert all(container is not None and container.running for container in seen)


@only("podman")
def test_listing_is_cheap(world: World):
    """An `up` that changes nothing has about 20 ms for all of its calls (generous here: other tests may run)."""
    world.make_pod()
    world.run("a")
    begun = time.perf_counter()
    for _ in range(10):
        world.engine.pods(world.labels)
        world.engine.containers(world.labels)
    assert (time.perf_counter() - begun) / 10 < 0.1


def _conmons(name: str) -> int:
    """Processes that watch something of this container."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            argv = path.read_bytes().split(b"\0")
        except OSError:
            continue
        count += argv[0].endswith(b"conmon") and name.encode() in argv
    return count


@only("podman")
def test_a_name_of_the_pod_stays_when_its_container_ends(world: World):
    """Podman takes out a line that reads as the container's own: who asks just then would find nobody of that name."""
    name = world.spec("gone").name
    world.make_pod(hosts=((name, "127.0.0.1"),))
    assert world.run("gone", STUBBORN) == name
    subprocess.run(["podman", "kill", name], check=True, capture_output=True)
    world.engine.wait(name, timeout=10)
    subprocess.run(["podman", "container", "cleanup", name], check=True, capture_output=True)
    assert any(name in line.split()[1:] for line in world.output("cat /etc/hosts").splitlines())
