"""What every engine promises (`kesdeploy.engines.Engine`), on the real thing."""

import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from kesdeploy.engines import Engine, Mount, Pod, Port
from kesdeploy.errors import EngineError, ImageError, PortTaken
from tests.engines.conftest import EACH, IDLE, SERVER, STUBBORN, World, answer, only

pytestmark = pytest.mark.engine
ENGINES = EACH

CLIENT = 'socket(S,2,1,6); connect(S,pack("Sna4x8",2,80,scalar gethostbyname($ARGV[0]))) or die $!; print <S>;'


def test_it_says_who_it_is(engine: Engine):
    info = engine.info()
    assert info.name == type(engine).__name__.lower()
    assert info.version.split(".")[0].isdigit()
    assert info.reason
    assert not info.remote


def test_a_published_port_answers(world: World, free_port: int):
    world.make_pod(Port("127.0.0.1", free_port, 80))
    world.run("web", SERVER)
    assert _eventually(lambda: answer(free_port) == "hello")


def test_pods_and_containers_are_found_by_all_of_their_labels(world: World):
    world.make_pod(labels={"color": "red", "empty": ""})
    world.engine.create(world.spec("a", labels=world.labels | {"color": "blue"}))
    both = world.labels | {"color": "red"}
    assert [pod.name for pod in world.engine.pods(both)] == [world.pod]
    assert world.engine.pods(world.labels | {"color": "blue"}) == ()
    assert [pod.labels["color"] for pod in world.engine.pods(world.labels | {"color": ""})] == ["red"]
    found = world.engine.containers(world.labels)
    assert [(c.name, c.pod, c.state, c.image) for c in found] == [
        (f"{world.mark}-a", world.pod, "created", world.image)
    ]
    assert world.engine.containers(both) == ()


def test_a_container_is_the_same_listed_and_inspected(world: World):
    world.make_pod()
    name = world.run("a")
    (listed,) = world.engine.containers(world.labels)
    seen = world.engine.container(name)
    assert seen is not None
    assert seen.running
    assert (seen.id, seen.pod, seen.image, seen.image_id, seen.labels) == (
        listed.id,
        listed.pod,
        listed.image,
        listed.image_id,
        listed.labels,
    )
    assert abs((_moment(seen.started_at) - _moment(listed.started_at)).total_seconds()) < 1


def test_what_is_not_there_is_none(engine: Engine, world: World):
    assert engine.container(f"{world.mark}-no") is None
    assert engine.pod(f"{world.mark}-no") is None
    assert engine.image("localhost/kesdeploy-no-such-image:1") is None


def test_the_beginning_of_an_id_is_no_name(world: World):
    world.make_pod()
    name = world.run("a")
    seen = world.engine.container(name)
    assert seen is not None
    assert world.engine.container(seen.id[:12]) is None


def test_a_container_gets_what_its_spec_says(world: World, tmp_path: Path):
    (tmp_path / "file").write_text("content")
    tmp_path.chmod(0o755)
    world.make_pod(hosts=(("far-away", "192.0.2.9"),))
    said = world.output(
        'cat /mnt/file; echo; id -u; id -g; echo "$GREETING"; echo "$FROM_IMAGE"; cat /etc/hosts',
        Mount(str(tmp_path), "/mnt"),
        user="1234:1235",
        environment={"GREETING": "hello $world 'q'"},
    ).splitlines()
    assert said[:5] == ["content", "1234", "1235", "hello $world 'q'", "yes"]
    assert any(line.split() == ["192.0.2.9", "far-away"] for line in said)


def test_limits_are_those_of_its_spec(world: World):
    """As the kernel has them: cgroup v2's file, or v1's, whose slice of the machine is seen in the container."""
    world.make_pod()
    said = world.output(
        "cd /sys/fs/cgroup; exec 2>/dev/null; cat memory.max memory/memory.limit_in_bytes; "
        "cat cpu.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us",
        memory=64 * 2**20,
        cpus=0.5,
    ).split()
    assert str(64 * 2**20) in said, said
    assert said[-2:] == ["50000", "100000"], said


def test_without_limits_it_has_none(world: World):
    world.make_pod()
    said = world.output(
        "cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes; cat cpu.max cpu/cpu.cfs_quota_us"
    )
    assert {"max", "-1"} & set(said.split()), said


def test_a_health_check_of_the_image_does_not_run(sickly: str, world: World):
    world.make_pod()
    name = f"{world.mark}-sick"
    world.engine.create(replace(world.spec("sick"), image=sickly))
    world.engine.start(name)
    assert "exit 1" in _cli(world, "image", "inspect", sickly), "the image brings one"
    assert _cli(world, "inspect", name, "--format", "{{.Config.Healthcheck.Test}}") == "[NONE]"
    time.sleep(1.5)  # it would run each second
    assert "health" not in _cli(world, "ps", "--filter", f"name={name}", "--format", "{{.Status}}")


@pytest.mark.parametrize("told", [True, False])
def test_containers_of_a_pod_find_each_other_by_name(world: World, told: bool):
    """Whether or not the pod's `hosts` name them."""
    name = f"{world.mark}-web"
    world.make_pod(hosts=((name, "127.0.0.1"),) if told else ())
    world.run("web", SERVER)
    assert "hello" in world.output(f"sleep 0.2; perl -e '{CLIENT}' {name}")


def test_there_is_no_terminal(world: World):
    world.make_pod()
    assert world.output("test -t 1 && echo tty || echo none") == "none"


def test_arguments_are_neither_split_nor_joined(world: World):
    world.make_pod()
    name = world.run("args", ("/bin/perl", "-e", 'print "$_\\n" for @ARGV', "a b", "", "--flag", "$HOME"))
    world.engine.wait(name, timeout=10)
    assert [line.text for line in world.engine.logs(name)] == ["a b", "", "--flag", "$HOME"]


def test_creating_twice_raises(world: World):
    world.make_pod()
    with pytest.raises(EngineError, match="cannot be created") as pod:
        world.make_pod()
    assert "already exists" in pod.value.because
    world.engine.create(world.spec("a"))
    with pytest.raises(EngineError, match="cannot be created") as container:
        world.engine.create(world.spec("a"))
    assert "already in use" in container.value.because


def test_a_missing_mount_source_is_said_before_anything_is_made(world: World, tmp_path: Path):
    world.make_pod()
    missing = tmp_path / "missing"
    with pytest.raises(EngineError) as error:
        world.engine.create(world.spec("a", mounts=(Mount(str(missing), "/mnt"),)))
    assert str(missing) in error.value.because
    assert world.engine.containers(world.labels) == ()
    assert not missing.exists()


def test_a_missing_pod_and_a_missing_program_are_clear(world: World):
    with pytest.raises(EngineError) as no_pod:
        world.engine.create(world.spec("a"))
    assert world.pod in no_pod.value.because
    world.make_pod()
    with pytest.raises(EngineError) as no_program:
        world.run("b", ("/bin/no-such-program",))
    assert "no-such-program" in no_program.value.because


def test_stopping_starting_and_removing_are_safe_to_repeat(world: World):
    world.make_pod()
    name = world.run("a")
    world.engine.start(name)
    for _ in range(2):
        world.engine.stop(name, timeout=3)
    seen = world.engine.container(name)
    assert seen is not None
    assert (seen.state, seen.exit_code) == ("exited", 0)
    world.engine.start(name)
    for _ in range(2):
        world.engine.remove(name)
    for _ in range(2):
        world.engine.remove_pod(world.pod, stop_timeout=3)
    assert world.engine.pod(world.pod) is None


@pytest.mark.parametrize("verb", ["start", "stop", "signal", "logs", "exec", "wait"])
def test_on_what_is_not_there_each_verb_raises(world: World, verb: str):
    name = f"{world.mark}-no"
    calls = {
        "start": lambda: world.engine.start(name),
        "stop": lambda: world.engine.stop(name, timeout=3),
        "signal": lambda: world.engine.signal(name, "SIGHUP"),
        "logs": lambda: list(world.engine.logs(name)),
        "exec": lambda: world.engine.exec(name, ("/bin/id",), timeout=5),
        "wait": lambda: world.engine.wait(name, timeout=5),
    }
    with pytest.raises(EngineError) as error:
        calls[verb]()
    assert name in error.value.what


def test_one_that_was_paused_goes_on_and_ends(world: World):
    world.make_pod()
    name = world.run("a", ("/bin/sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done'))
    argv = world.engine.run_args(name)
    pause = (*argv[: argv.index("run")], "pause", name)
    whole = (*argv[: argv.index("run")], "pause", *_everything(world, name))
    subprocess.run(pause, check=True, capture_output=True)
    seen = world.engine.container(name)
    assert seen is not None
    assert (seen.state, seen.running) == ("paused", False)
    world.engine.start(name)
    seen = world.engine.container(name)
    assert seen is not None
    assert seen.running
    for end in (
        lambda: world.engine.stop(name, timeout=3),
        lambda: world.engine.remove_pod(world.pod, stop_timeout=3),
    ):
        world.engine.start(name)
        subprocess.run(whole, check=True, capture_output=True)
        end()
    assert world.engine.pod(world.pod) is None


def test_one_that_was_paused_still_has_its_port(world: World, free_port: int):
    world.make_pod(Port("127.0.0.1", free_port, 80))
    name = world.run("web", SERVER)
    argv = world.engine.run_args(name)
    subprocess.run((*argv[: argv.index("run")], "pause", *_everything(world, name)), check=True, capture_output=True)
    found = world.engine.publishers([free_port])[free_port]
    assert isinstance(found, Pod)
    assert found.name == world.pod
    assert not found.broken
    world.engine.start(name)
    assert _eventually(lambda: answer(free_port) == "hello")


def test_a_signal_arrives(world: World):
    world.make_pod()
    script = 'trap "echo hup" HUP; trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done'
    name = world.run("a", ("/bin/sh", "-c", script))
    assert _eventually(lambda: [line.text for line in world.engine.logs(name)] == ["ready"])
    world.engine.signal(name, "SIGHUP")
    assert _eventually(lambda: [line.text for line in world.engine.logs(name)] == ["ready", "hup"])
    world.engine.signal(name, "SIGTERM")
    assert world.engine.wait(name, timeout=5) == 3


def test_wait_gives_up_at_its_deadline(world: World):
    world.make_pod()
    name = world.run("a")
    begun = time.monotonic()
    assert world.engine.wait(name, timeout=0.3) is None
    assert 0.3 <= time.monotonic() - begun < 1.5


def test_logs_come_in_order_with_stream_and_time(world: World):
    world.make_pod()
    name = world.run("a", ("/bin/sh", "-c", "echo one; echo two >&2; echo; printf 'no newline'"))
    world.engine.wait(name, timeout=10)
    lines = list(world.engine.logs(name))
    assert sorted((line.text, line.stream) for line in lines) == sorted(
        [("one", "stdout"), ("two", "stderr"), ("", "stdout"), ("no newline", "stdout")]
    )
    assert [line.text for line in lines if line.stream == "stdout"] == ["one", "", "no newline"]
    assert all(_moment(line.time) for line in lines)
    assert len(list(world.engine.logs(name, tail=1))) == 1
    assert list(world.engine.logs(name, since=int(time.time()) + 3600)) == []


def test_a_long_line_is_one_line(world: World):
    world.make_pod()
    name = world.run("a", ("/bin/perl", "-e", 'print "x" x 100000, "\\n"; print "end\\n"'))
    world.engine.wait(name, timeout=10)
    assert [len(line.text) for line in world.engine.logs(name)] == [100_000, 3]


def test_following_a_log_gives_lines_as_they_come_and_ends_with_the_container(world: World):
    world.make_pod()
    name = world.run("a", ("/bin/sh", "-c", "echo first; sleep 1; echo second; sleep 0.5"))
    begun = time.monotonic()
    seen = [(line.text, time.monotonic() - begun) for line in world.engine.logs(name, follow=True)]
    assert [text for text, _ in seen] == ["first", "second"]
    assert seen[0][1] < 0.8 <= seen[1][1]


def test_exec_gives_code_and_both_outputs(world: World):
    world.make_pod()
    name = world.run("a")
    script = "echo out; echo err >&2; exit 5"
    result = world.engine.exec(name, ("/bin/sh", "-c", script), timeout=10)
    assert (result.exit_code, result.stdout, result.stderr) == (5, b"out\n", b"err\n")
    big = world.engine.exec(name, ("/bin/perl", "-e", 'print "x" x 3_000_000'), timeout=20)
    assert len(big.stdout) == 3_000_000


def test_exec_ends_at_its_deadline(world: World):
    world.make_pod()
    name = world.run("a")
    for script in ("sleep 5", "for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.5; done"):
        begun = time.monotonic()
        with pytest.raises(EngineError):
            world.engine.exec(name, ("/bin/sh", "-c", script), timeout=1)
        assert time.monotonic() - begun < 3


def test_a_taken_port_is_named_with_its_holder(world: World, free_port: int):
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        with pytest.raises(PortTaken) as made:
            world.make_pod(Port("127.0.0.1", free_port, 80))
        world.engine.create(world.spec("web", SERVER))
        with pytest.raises(PortTaken) as started:
            world.engine.start(f"{world.mark}-web")
    for error in (made, started):
        assert str(free_port) in error.value.what
        assert "python" in error.value.what or "pytest" in error.value.what
    world.engine.start(f"{world.mark}-web")
    assert _eventually(lambda: answer(free_port) == "hello")


def test_a_port_that_another_pod_holds_names_its_container(world: World, free_port: int):
    world.make_pod(Port("127.0.0.1", free_port, 80))
    world.run("web", SERVER)
    rival = World(world.engine, world.image)
    try:
        with pytest.raises(PortTaken) as error:
            rival.make_pod(Port("127.0.0.1", free_port, 80))
        assert world.pod in error.value.what
    finally:
        rival.close()


def test_who_publishes_a_port(world: World, free_port: int):
    assert world.engine.publishers([free_port]) == {}
    world.make_pod(Port("127.0.0.1", free_port, 80), labels={"color": "red"})
    world.run("web", SERVER)
    found = world.engine.publishers([free_port, free_port + 1], "127.0.0.1")
    assert list(found) == [free_port]
    pod = found[free_port]
    assert isinstance(pod, Pod)
    assert (pod.name, pod.labels["color"]) == (world.pod, "red")
    assert list(world.engine.publishers([free_port], "::")) == [free_port]
    assert world.engine.publishers([free_port], "192.0.2.2") == {}


def test_a_pod_goes_with_its_containers_and_their_anonymous_volumes(world: World):
    world.make_pod()
    world.run("a")
    world.engine.create(world.spec("b"))
    volumes = _volumes(world)
    assert len(volumes) == 2, "the image declares one"
    assert volumes <= _all_volumes(world)
    world.engine.remove_pod(world.pod, stop_timeout=3)
    assert world.engine.containers(world.labels) == ()
    assert not volumes & _all_volumes(world)


def test_a_container_goes_with_its_anonymous_volumes(world: World):
    world.make_pod()
    name = world.run("a")
    volumes = _volumes(world)
    assert len(volumes) == 1
    world.engine.remove(name)
    assert not volumes & _all_volumes(world)


def test_a_crashing_container_is_restarted_and_counted(world: World):
    world.make_pod()
    name = world.run("a", ("/bin/sh", "-c", "sleep 0.2; exit 1"), restart="unless-stopped")

    def restarts() -> int:
        seen = world.engine.container(name)
        return seen.restarts if seen else 0

    assert _eventually(lambda: restarts() >= 2, within=10)


def test_several_threads_create_and_start_side_by_side(world: World, free_port: int):
    world.make_pod(Port("127.0.0.1", free_port, 80))
    jobs = {"web": SERVER, "b": IDLE, "c": IDLE, "d": IDLE}
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda job: world.run(*job), jobs.items()))
    assert all(c.running for c in world.engine.containers(world.labels))
    assert len(world.engine.containers(world.labels)) == 4
    assert _eventually(lambda: answer(free_port) == "hello")


def test_run_args_run_a_tool_beside_a_container_with_standard_input(world: World):
    world.make_pod()
    web = world.run("web", SERVER)
    script = f"cat; echo; perl -e '{CLIENT}' 127.0.0.1; touch /tmp/new 2>&1; exit 4"
    argv = [*world.engine.run_args(web), "--entrypoint", "/bin/sh", world.image, "-c", script]
    done = subprocess.run(argv, input=b"through", capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.splitlines()[:2]) == (4, [b"through", b"hello"]), done.stderr
    assert b"Read-only" in done.stdout


# images


def test_an_imported_image_has_its_changes(engine: Engine, image: str):
    found = engine.image(image)
    assert found is not None
    assert found.tags == (image,)
    assert found.labels == {"made-by": "test"}
    assert found.size > 100_000
    # What no registry knows has none on Docker.
    assert found.digest.startswith("sha256:") or engine.info().name == "docker"
    assert engine.image(found.id) == found


def test_images_are_tagged_saved_removed_and_loaded(engine: Engine, root_tar: Path, tmp_path: Path):
    first, second = "localhost/kesdeploy-test-a:1", "localhost/kesdeploy-test-b:2"
    made = engine.import_image(root_tar, first)
    engine.tag(first, second)
    archive = tmp_path / "both.tar"
    engine.save((first, second), archive)
    engine.remove_image(first)
    assert engine.image(first) is None
    assert engine.image(second) is not None, "removing a name leaves the other one"
    engine.remove_image(second)
    engine.remove_image(second)
    assert sorted(engine.load(archive)) == [first, second]
    again = engine.image(second)
    assert again is not None
    assert again.id == made.id
    for reference in (first, second):
        engine.remove_image(reference)


def test_archives_that_are_none_are_image_errors(engine: Engine, tmp_path: Path):
    broken = tmp_path / "broken.tar"
    broken.write_bytes(b"no archive at all" * 100)
    with pytest.raises(ImageError) as error:
        engine.load(broken)
    assert error.value.because
    with pytest.raises(ImageError):
        engine.load(tmp_path / "missing.tar")
    with pytest.raises(ImageError):
        engine.save(("localhost/kesdeploy-no-such-image:1",), tmp_path / "out.tar")
    assert list(tmp_path.iterdir()) == [broken], "nothing half-written stays"
    with pytest.raises(ImageError):
        engine.tag("localhost/kesdeploy-no-such-image:1", "localhost/other:1")


# what breaks


def test_a_stubborn_pod_is_removed_in_bounded_time(world: World):
    world.make_pod()
    for name in "abcd":
        world.run(name, STUBBORN)
    begun = time.monotonic()
    world.engine.remove_pod(world.pod, stop_timeout=3)
    assert time.monotonic() - begun < 8, "four containers at 3 s each, one after the other, would be 12 s"
    assert world.engine.pod(world.pod) is None


def test_a_pod_whose_network_died_is_broken_and_can_be_repaired(world: World, free_port: int):
    world.make_pod(Port("127.0.0.1", free_port, 80))
    web = world.run("web", SERVER)
    other = world.run("b")
    assert not _pod(world).broken
    _break_network(world, web)
    assert _eventually(lambda: _pod(world).broken)
    assert answer(free_port) == ""
    world.engine.restart_pod(world.pod)
    assert not _pod(world).broken
    assert _eventually(lambda: answer(free_port) == "hello")
    assert {c.name for c in world.engine.containers(world.labels) if c.running} == {web, other}


@only("podman")
def test_a_network_that_was_started_anew_under_running_containers_is_broken_too(world: World, free_port: int):
    world.make_pod(Port("127.0.0.1", free_port, 80))
    world.run("web", SERVER)
    time.sleep(1.1)  # the engine tells starts in whole seconds
    infra = _kill_infra(world)
    subprocess.run(["podman", "start", infra], check=True, capture_output=True)
    assert answer(free_port) == ""
    assert _pod(world).broken
    world.engine.restart_pod(world.pod)
    assert _eventually(lambda: answer(free_port) == "hello")


@only("podman")
def test_starting_a_member_starts_a_dead_network(world: World, free_port: int):
    world.make_pod(Port("127.0.0.1", free_port, 80))
    web = world.run("web", SERVER)
    world.engine.stop(web, timeout=3)
    _kill_infra(world)
    world.engine.start(web)
    assert _eventually(lambda: answer(free_port) == "hello")


def test_a_removal_that_races_with_another_still_ends_in_nothing(world: World):
    world.make_pod()
    world.run("a")
    failures: list[Exception] = []

    def remove() -> None:
        try:
            world.engine.remove_pod(world.pod, stop_timeout=3)
        except EngineError as error:
            failures.append(error)

    threads = [threading.Thread(target=remove) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert world.engine.pods(world.labels) == ()
    assert world.engine.containers(world.labels) == ()


def _pod(world: World):
    found = world.engine.pod(world.pod)
    assert found is not None
    return found


def _everything(world: World, member: str) -> list[str]:
    """A member, and what holds its network."""
    return [member] if world.engine.info().name == "docker" else [member, _infra(world)]


def _infra(world: World) -> str:
    return _cli(world, "pod", "inspect", world.pod, "--format", "{{.InfraContainerID}}")


def _break_network(world: World, member: str) -> None:
    if world.engine.info().name == "docker":
        _cli(world, "network", "disconnect", "-f", world.pod, member)
    else:
        _kill_infra(world)


def _kill_infra(world: World) -> str:
    infra = _infra(world)
    subprocess.run(["podman", "kill", "-s", "KILL", infra], check=True, capture_output=True)
    subprocess.run(["podman", "wait", infra], check=True, capture_output=True)
    return infra


def _volumes(world: World) -> set[str]:
    names = [c.name for c in world.engine.containers(world.labels)]
    return set(_cli(world, "inspect", *names, "--format", "{{range .Mounts}}{{.Name}} {{end}}").split())


def _all_volumes(world: World) -> set[str]:
    return set(_cli(world, "volume", "ls", "-q").split())


def _cli(world: World, *argv: str) -> str:
    """The engine's own command line: it sees what was not asked through the engine under test."""
    command = [world.engine.info().name, *argv]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _eventually(true, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(true())


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None
    return moment
