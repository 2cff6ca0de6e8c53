"""Which engine is used, and what is said when none can be. Without any engine: what answers are a few lines of HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingUnixStreamServer
from typing import TYPE_CHECKING

import pytest

from kesdeploy.engines import docker_address, podman_address
from kesdeploy.engines.choose import open_engine
from kesdeploy.engines.docker_address import find
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("docker")

DOCKER = {"Api-Version": "1.44", "Server": "Docker/25.0.1 (linux)"}
PODMAN = {"Api-Version": "1.41", "Libpod-Api-Version": "4.9.3", "Server": "Libpod/4.9.3 (linux)"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with nothing on it: no engine, no socket, no configuration."""
    for name in ("CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINERS_CONF", "DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    for folder in ("bin", "run", "home", "podman"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(docker_address, "SYSTEM", (str(tmp_path / "bin"),))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "home" / ".docker"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(podman_address, "ROOTFUL_SOCKET", str(tmp_path / "podman" / "podman.sock"))
    monkeypatch.setattr(docker_address, "SOCKET", str(tmp_path / "d.sock"))


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"SecurityOptions": ["name=seccomp,profile=default"]}).encode()
        self.send_response_only(200)
        for name, value in self.server.headers.items():  # type: ignore[attr-defined]
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True
    headers: dict[str, str]


@contextmanager
def answering(path: Path, headers: dict[str, str]) -> Iterator[str]:
    """Somebody who calls themselves so, on a socket."""
    server = _Server(str(path), _Answers)
    server.headers = headers
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"unix://{path}"
    finally:
        server.shutdown()
        server.server_close()
        path.unlink()


def program(tmp_path: Path, name: str, says: str = "") -> None:
    path = tmp_path / "bin" / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n[ -n '{says}' ]\n")
    path.chmod(0o755)


def test_docker_alone_is_found_and_the_reason_told(tmp_path: Path):
    with answering(tmp_path / "d.sock", DOCKER):
        info = open_engine().info()
    assert (info.name, info.version) == ("docker", "25.0.1")
    assert info.reason == "its socket answers; no Podman can be used (Podman is not installed)"


def test_where_both_are_here_it_is_podman(tmp_path: Path):
    with answering(tmp_path / "d.sock", DOCKER), answering(tmp_path / "podman" / "podman.sock", PODMAN):
        assert open_engine().info().name == "podman"
        assert open_engine("docker").info().name == "docker"
        assert open_engine("auto", "docker").info().name == "docker"


def test_docker_host_says_which_one_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with answering(tmp_path / "s", DOCKER) as url, answering(tmp_path / "podman" / "podman.sock", PODMAN):
        monkeypatch.setenv("DOCKER_HOST", url)
        info = open_engine().info()
        assert (info.name, info.address, info.reason) == ("docker", url, "DOCKER_HOST")
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
        info = open_engine().info()
        assert info.name == "podman", "a dead one hides no Podman"
        assert "DOCKER_HOST cannot be used" in info.reason
        monkeypatch.setenv("DOCKER_HOST", url)
        monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/podman/podman.sock")
        assert open_engine().info().name == "podman"


def test_a_podman_on_dockers_socket_is_a_podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with answering(tmp_path / "s", PODMAN) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        info = open_engine().info()
        assert (info.name, info.reason) == ("podman", "DOCKER_HOST; what answers there is Podman")
        with pytest.raises(EngineError) as asked:
            open_engine("docker")
        assert asked.value.what == f"What answers on {url} is Podman 4.9.3, not Docker"
        assert asked.value.hint == "--engine podman"
        with pytest.raises(EngineError) as lives:
            open_engine("auto", "docker")
        assert "lives on Docker" in lives.value.because
        assert "--engine" not in lives.value.hint


def test_podmans_docker_command_is_no_docker(tmp_path: Path):
    program(tmp_path, "docker", "podman version 4.9.3")
    with pytest.raises(EngineError, match="Podman is not installed"):
        open_engine()
    with pytest.raises(EngineError, match="Docker is not installed") as error:
        open_engine("docker")
    assert "Podman's own" in error.value.because
    assert "--engine podman" in error.value.hint


def test_a_dead_socket_and_none_are_told_apart(tmp_path: Path):
    with pytest.raises(EngineError, match="Docker is not installed"):
        open_engine("docker")
    program(tmp_path, "dockerd")
    with pytest.raises(EngineError, match="Docker does not run") as stopped:
        open_engine("docker")
    assert stopped.value.hint == "sudo systemctl start docker"
    (tmp_path / "d.sock").touch()
    for choice in ("auto", "docker"):
        with pytest.raises(EngineError, match="Nobody answers on Docker's socket") as dead:
            open_engine(choice)
        assert "gone" in dead.value.because


def test_without_the_right_to_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_: str) -> bool:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "d.sock").touch()
    monkeypatch.setattr(docker_address, "listens", refuse)
    for choice in ("auto", "docker"):
        with pytest.raises(EngineError, match="No right to use Docker's socket") as error:
            open_engine(choice)
        assert "usermod -aG docker" in error.value.hint


def test_when_neither_can_be_used_it_is_about_the_one_that_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.platform", "darwin")
    program(tmp_path, "podman", "podman version 5")
    program(tmp_path, "docker", "Docker version 25")
    with pytest.raises(EngineError, match="virtual machine does not run"):
        open_engine()


def test_without_the_library_it_says_how_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "docker" else real(name))
    (tmp_path / "d.sock").touch()
    for choice in ("auto", "docker"):
        with pytest.raises(EngineError, match="library for Python is not installed") as error:
            open_engine(choice)
        assert "pip install 'kesdeploy[docker]'" in error.value.hint


def test_several_threads_may_look_for_docker_first(tmp_path: Path):
    """Its library imports itself in a circle."""
    script = """
import threading
from kesdeploy.engines import docker_address
together, failed = threading.Barrier(4), []
def look():
    together.wait()
    try:
        docker_address._need_library()
        docker_address._context(None)
    except ImportError as error:
        failed.append(error)
threads = [threading.Thread(target=look) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
raise SystemExit(str(failed) if failed else 0)
"""
    for _ in range(6):
        done = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_too_old_a_docker_is_told(tmp_path: Path):
    with (
        answering(tmp_path / "d.sock", {"Api-Version": "1.39", "Server": "Docker/18.09.1 (linux)"}),
        pytest.raises(EngineError, match=r"Docker 18\.09\.1 is too old"),
    ):
        open_engine("docker")


def test_what_is_recorded_stands(tmp_path: Path):
    with pytest.raises(EngineError, match="lives on podman") as error:
        open_engine("docker", "podman")
    assert error.value.exit_code == 3
    assert "leave out --engine docker" in error.value.hint
    with answering(tmp_path / "podman" / "podman.sock", PODMAN), pytest.raises(EngineError, match="Docker is not"):
        open_engine("auto", "docker")


def _context(tmp_path: Path, name: str, host: str) -> None:
    from hashlib import sha256

    folder = tmp_path / "home" / ".docker" / "contexts" / "meta" / sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    about = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (folder / "meta.json").write_text(json.dumps(about))


def _current(tmp_path: Path, name: str) -> None:
    (tmp_path / "home" / ".docker").mkdir(exist_ok=True)
    (tmp_path / "home" / ".docker" / "config.json").write_text(json.dumps({"currentContext": name}))


def test_contexts_as_the_docker_command_line_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _current(tmp_path, "far")
    _context(tmp_path, "far", "tcp://192.0.2.1:2375")
    _context(tmp_path, "farther", "ssh://me@192.0.2.2")
    assert (find().url, find().reason, find().path) == ("tcp://192.0.2.1:2375", "context far", "")
    monkeypatch.setenv("DOCKER_CONTEXT", "farther")
    assert (find().url, find().reason) == ("ssh://me@192.0.2.2", "context farther")
    with answering(tmp_path / "s", DOCKER) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        assert (find().url, find().reason) == (url, "DOCKER_HOST")


def test_a_context_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(EngineError, match="DOCKER_CONTEXT names no context") as error:
        find()
    assert error.value.because == "nowhere"
    config = tmp_path / "home" / ".docker" / "config.json"
    assert error.value.hint == f"echo '{{}}' > {config}; docker context ls"
    monkeypatch.delenv("DOCKER_CONTEXT")
    _current(tmp_path, "gone")
    with pytest.raises(EngineError, match="the current context names no context"):
        find()


def test_a_rootless_docker_is_found_and_its_command_line_too(tmp_path: Path):
    with answering(tmp_path / "run" / "docker.sock", DOCKER) as url:
        found = find()
    assert (found.url, found.flags) == (url, ("--host", url))


def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DOCKER_HOST", "nonsense://x")
    with pytest.raises(EngineError) as error:
        open_engine("docker")
    assert "nonsense" in error.value.what
