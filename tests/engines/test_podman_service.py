"""A service of our own: started where none listens, gone with the command, started again when it dies."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from kesdeploy.engines import Engine, podman_service
from kesdeploy.engines.podman import Podman
from kesdeploy.engines.podman_address import Address
from kesdeploy.engines.podman_door import Door
from kesdeploy.engines.podman_service import Companion, OwnService, Tunnel, listens
from kesdeploy.engines.refusals import TimedOut
from kesdeploy.errors import EngineError
from tests.engines.conftest import STUBBORN, World

OWN = Address("", "test")


@pytest.mark.engine
def test_it_finds_the_programs_of_root_where_cron_starts_us(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with closing(OwnService()) as service:
        service.ensure()
        assert service.pid
        there = Path(f"/proc/{service.pid}/environ").read_bytes().split(b"\0")
    assert b"PATH=/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin" in there


def test_it_is_private_and_leaves_nothing(engine: Engine):
    service = OwnService()
    service.ensure()
    pid = service.pid
    assert pid
    assert service.folder.stat().st_mode & 0o777 == 0o700
    service.close()
    assert not service.folder.exists()
    assert not _alive(pid)


@pytest.mark.engine
def test_two_commands_side_by_side_do_not_disturb_each_other(engine: Engine):
    with closing(Podman(OWN)) as first, closing(Podman(OWN)) as second:
        first.containers({})
        first.close()
        assert second.containers({"no-such-label": ""}) == ()


@pytest.mark.engine
def test_killed_between_two_calls_it_is_started_again(engine: Engine):
    with closing(Podman(OWN)) as podman:
        podman.containers({})
        _kill(podman)
        assert podman.containers({"no-such-label": ""}) == ()


@pytest.mark.engine
def test_killed_in_the_middle_of_a_call_it_is_one_clear_error_and_the_next_call_works(world: World):
    world.make_pod()
    name = world.run("a", STUBBORN)
    with closing(Podman(OWN)) as podman:
        threading.Timer(0.7, lambda: _kill(podman)).start()
        with pytest.raises(EngineError) as error:
            podman.stop(name, timeout=5)
        assert "ended while" in error.value.because
        podman.stop(name, timeout=3)
        seen = podman.container(name)
        assert seen is not None
        assert not seen.running


@pytest.mark.engine
def test_it_ends_by_itself_when_we_are_killed(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    code = (
        "from kesdeploy.engines import podman_service as s; s.IDLE_SECONDS = 1\n"
        "from kesdeploy.engines.podman import Podman; from kesdeploy.engines.podman_address import Address\n"
        "p = Podman(Address('', 'x')); p.containers({}); print(p._companion.pid, flush=True)\n"
        "import time; time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdout
    service = int(child.stdout.readline())
    time.sleep(2.5)
    assert _alive(service), "while we hold a connection it is not idle"
    child.kill()
    child.wait()
    child.stdout.close()
    deadline = time.monotonic() + 10
    while _alive(service) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _alive(service)


@pytest.mark.engine
def test_its_words_are_told_when_it_fails(monkeypatch: pytest.MonkeyPatch, engine: Engine, tmp_path: Path):
    broken = tmp_path / "containers.conf"
    broken.write_text("[engine]\nthis is no toml")
    monkeypatch.setenv("CONTAINERS_CONF", str(broken))
    with pytest.raises(EngineError) as error:
        Podman(OWN)
    assert str(broken) in error.value.because
    assert not list(Path(tmp_path).glob("kesdeploy-podman-*"))


@pytest.fixture
def short():
    """A folder whose name leaves room for a socket's, which has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="kd-") as folder:
        yield Path(folder)


def test_folders_of_killed_commands_are_swept(short: Path, monkeypatch: pytest.MonkeyPatch):
    tmp_path = short
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    old, fresh = tmp_path / "kesdeploy-podman-old", tmp_path / "kesdeploy-podman-fresh"
    used = tmp_path / "kesdeploy-podman-used"
    for folder in (old, fresh, used):
        folder.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(used / "s"))
        server.listen()
        for folder in (old, used):
            os.utime(folder, (1, 1))
        made = podman_service._private_folder()
        assert sorted(tmp_path.iterdir()) == sorted([fresh, used, made])


def test_a_runtime_folder_that_is_too_long_for_a_socket_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    folder = podman_service._private_folder()
    folder.rmdir()
    assert long not in folder.parents


def test_a_socket_without_anybody_behind_it_does_not_listen(tmp_path: Path):
    path = tmp_path / "s"
    assert not listens(str(path))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert listens(str(path))
    assert path.exists()
    assert not listens(str(path))


def test_a_service_that_accepts_and_never_answers_is_a_timeout_not_a_hang(tmp_path: Path):
    from kesdeploy.engines.podman_door import Call

    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        begun = time.monotonic()
        with pytest.raises(TimedOut):
            Door(f"unix://{path}").send(Call("It cannot be read", "GET", "/info", timeout=0.5))
        assert time.monotonic() - begun < 3


class Sleeper(Companion):
    """Never serves anything."""

    def argv(self) -> tuple[str, ...]:
        return ("sleep", "60")


def test_a_companion_that_never_serves_is_given_up_and_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(podman_service, "_START_SECONDS", 0.3)
    sleeper = Sleeper()
    with pytest.raises(EngineError, match="could not be started"):
        sleeper.ensure()
    assert sleeper.pid is None
    assert not sleeper.folder.exists()


def test_a_tunnel_checks_the_hosts_key_unless_it_is_this_machine():
    there = Tunnel("ssh://core@build.example:2222/run/user/1000/podman/podman.sock", "/keys/id")
    here = Tunnel("ssh://core@127.0.0.1:2222/run/podman/podman.sock")
    try:
        argv = there.argv()
        assert argv[0] == "ssh"
        assert argv[-2:] == ("core@build.example", "cat")
        assert f"{there.socket}:/run/user/1000/podman/podman.sock" in argv
        assert argv[argv.index("-p") + 1] == "2222"
        assert "/keys/id" in argv
        assert "StrictHostKeyChecking=no" not in argv
        assert there.by_hand().startswith("ssh -p 2222 -i /keys/id core@build.example podman info")
        assert "StrictHostKeyChecking=no" in here.argv()
    finally:
        there.close()
        here.close()


@pytest.mark.engine
def test_a_tunnel_serves_and_ends_with_us(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`ssh` is played by a script that forwards as `-L` would, until its input ends."""
    with closing(OwnService()) as far:
        far.ensure()
        (tmp_path / "ssh").write_text(_FAKE_SSH)
        (tmp_path / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        podman = Podman(Address(f"ssh://me@far.example{far.socket}", "connection far"))
        info = podman.info()
        assert (info.remote, info.address) == (True, f"ssh://me@far.example{far.socket}")
        assert podman.containers({"no-such-label": ""}) == ()
        assert podman.run_args("p")[1] == "--url"
        pid = podman._companion.pid
        podman.close()
        assert not _alive(pid)


_FAKE_SSH = f"""#!{sys.executable}
import socket, sys, threading
local, far = sys.argv[sys.argv.index("-L") + 1].split(":")
server = socket.socket(socket.AF_UNIX); server.bind(local); server.listen()
def pump(a, b):
    while data := a.recv(65536): b.sendall(data)
    b.shutdown(socket.SHUT_WR)
def serve():
    while True:
        near, _ = server.accept()
        other = socket.socket(socket.AF_UNIX); other.connect(far)
        for pair in ((near, other), (other, near)):
            threading.Thread(target=pump, args=pair, daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
sys.stdin.read()
"""


def _kill(podman: Podman) -> None:
    assert podman._companion
    pid = podman._companion.pid
    assert pid
    os.killpg(pid, signal.SIGKILL)
    time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False


def test_of_podmans_log_its_errors_count():
    """Each start without root warns of the same as well, and then there is no room for what is wrong."""
    warning = 'time="2026-11-21T11:02:57Z" level=warning msg="\\"/\\" is not a shared mount"\n'
    error = (
        'time="2026-11-21T11:02:57Z" level=error msg="invalid internal status, try \\"podman system migrate\\": no"\n'
    )
    assert podman_service._complaint(warning * 9 + error) == 'invalid internal status, try "podman system migrate": no'
    assert podman_service._complaint("ssh: no route to host\n") == "ssh: no route to host\n"


def test_a_killed_pause_process_has_a_next_step():
    """`podman info`, as otherwise, would only say the same again."""

    class Refusing(OwnService):
        def argv(self) -> tuple[str, ...]:
            words = 'level=error msg="invalid internal status, try \\"podman system migrate\\": no"'
            return ("sh", "-c", f"echo '{words}' >&2; exit 125")

    with closing(Refusing()) as service, pytest.raises(EngineError) as raised:
        service.ensure()
    assert raised.value.hint.startswith("podman system migrate")
    assert raised.value.because.startswith("invalid internal status")
