"""Where Podman is looked for, and what is said when it is not there. Without any engine."""

import json
import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kesdeploy.engines import podman_address
from kesdeploy.engines.choose import open_engine
from kesdeploy.engines.podman_address import Address, connections, find
from kesdeploy.errors import EngineError


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with nothing on it: no podman, no docker, no socket, no configuration."""
    for name in ("CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINERS_CONF", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(podman_address, "ROOTFUL_SOCKET", str(tmp_path / "podman" / "podman.sock"))
    monkeypatch.setattr("kesdeploy.engines.docker_address.SOCKET", str(tmp_path / "no-docker.sock"))
    (tmp_path / "podman").mkdir()


def _program(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bin" / name
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)


def _listen(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def test_container_host_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _program(tmp_path, "podman")
    with _listen(tmp_path / "s"), _listen(tmp_path / "podman" / "podman.sock"):
        monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/s")
        assert find() == Address(f"unix://{tmp_path}/s", "CONTAINER_HOST")
    monkeypatch.setenv("CONTAINER_HOST", "tcp://127.0.0.1:1")
    assert find().url == "tcp://127.0.0.1:1"


def test_docker_host_is_not_podmans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _program(tmp_path, "podman")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    assert find().url == ""


def test_a_dead_container_host_is_an_error_and_nothing_else_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _program(tmp_path, "podman")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/s")
    with pytest.raises(EngineError) as absent:
        find()
    assert "no such socket" in absent.value.because
    _listen(tmp_path / "s").close()
    with pytest.raises(EngineError) as dead:
        find()
    assert "gone" in dead.value.because
    assert "unset CONTAINER_HOST" in dead.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="asks as another user, which root alone can become")
def test_a_socket_without_rights_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/s")
    with _listen(tmp_path / "s") as server:
        (tmp_path / "s").chmod(0o600)
        assert server
        os.seteuid(65534)
        try:
            with pytest.raises(EngineError) as error:
                find()
        finally:
            os.seteuid(0)
    assert "No right" in error.value.what
    assert "sudo" in error.value.hint


def test_the_users_socket_comes_before_a_service_of_our_own(tmp_path: Path):
    _program(tmp_path, "podman")
    with _listen(tmp_path / "podman" / "podman.sock"):
        assert find().url == f"unix://{tmp_path}/podman/podman.sock"
    assert find() == Address("", find().reason), "the file is still there, but nobody listens"


def test_named_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _program(tmp_path, "podman")
    folder = tmp_path / "config" / "containers"
    folder.mkdir(parents=True)
    (folder / "containers.conf").write_text(
        '[engine]\nactive_service = "old"\n[engine.service_destinations.old]\nuri = "ssh://a@b/s"\nidentity = "/k"\n'
    )
    saved = {
        "Connection": {"Default": "vm", "Connections": {"vm": {"URI": "ssh://core@127.0.0.1:5/s", "Identity": "/i"}}}
    }
    (folder / "podman-connections.json").write_text(json.dumps(saved))
    known, default = connections()
    assert (set(known), default) == ({"old", "vm"}, "vm")
    monkeypatch.setenv("CONTAINER_CONNECTION", "old")
    assert find() == Address("ssh://a@b/s", "connection old", "/k")
    monkeypatch.setenv("CONTAINER_CONNECTION", "nwe")
    with pytest.raises(EngineError) as error:
        find()
    assert "old, vm" in error.value.because


def test_the_default_connection_counts_where_podman_is_not_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "config" / "containers"
    folder.mkdir(parents=True)
    saved = {"Connection": {"Default": "vm", "Connections": {"vm": {"URI": "ssh://core@127.0.0.1:5/s"}}}}
    (folder / "podman-connections.json").write_text(json.dumps(saved))
    assert find().url == "ssh://core@127.0.0.1:5/s"
    _program(tmp_path, "podman")
    assert find().url == "", "as podman(1): on Linux podman means this machine"
    monkeypatch.setattr("sys.platform", "darwin")
    assert find().url == "ssh://core@127.0.0.1:5/s"


def test_configuration_that_cannot_be_read_is_none(tmp_path: Path):
    folder = tmp_path / "config" / "containers"
    folder.mkdir(parents=True)
    (folder / "containers.conf").write_text("[engine\n")
    (folder / "podman-connections.json").write_text("{")
    assert connections() == ({}, "")


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just("ssh://core@vm/s"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["Connection", "Connections", "Default", "vm", "URI", "Identity"]), inner)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ODD)
@example([])
@example(5)
@example({"Connection": {"Connections": {"vm": "ssh://x"}, "Default": 5}})
def test_whatever_stands_in_the_list_of_connections(tmp_path_factory, saved):
    """Somebody edited it, or a later Podman writes it in another way: what is not understood is no connection."""
    folder = tmp_path_factory.mktemp("config")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        (folder / "containers").mkdir()
        (folder / "containers" / "podman-connections.json").write_text(json.dumps(saved))
        known, default = connections()
    assert all(isinstance(found, Address) and isinstance(found.url, str) for found in known.values())
    assert isinstance(default, str)


@pytest.mark.parametrize(
    "text", ["engine = 5", "[engine]\nservice_destinations = [1]", "[engine.service_destinations]\nx = 5", "\0"]
)
def test_whatever_stands_in_containers_conf(tmp_path: Path, text: str):
    folder = tmp_path / "config" / "containers"
    folder.mkdir(parents=True)
    (folder / "containers.conf").write_text(text)
    known, default = connections()
    assert ([found.url for found in known.values()], default) in (([], ""), ([""], ""))


@pytest.mark.parametrize(
    "url",
    [
        *("garbage", "/run/podman/podman.sock", "unix:", "unix://", "unix://relative/s", "unix:/run/s", "fd://3"),
        *("tcp://", "tcp://[::1", "tcp://host:99999", "tcp://host:0", "tcp://host:x", "tcp://a\nb:1"),
        *("ssh://", "https://host:1", "npipe:////./pipe/x"),
    ],
)
def test_an_address_that_is_none_is_refused_with_what_one_is(monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("CONTAINER_HOST", url)
    with pytest.raises(EngineError) as error:
        find()
    assert error.value.what == f"CONTAINER_HOST is no address of a Podman: {url}"
    assert "unix:///PATH" in error.value.because
    assert error.value.hint == "unset CONTAINER_HOST"


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:1", "tcp://[::1]:8080", "ssh://core@vm:22/run/s", "http://h:1"])
def test_an_address_elsewhere_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("CONTAINER_HOST", url)
    assert find().url == url


def test_a_connection_without_an_address_is_not_taken_for_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _program(tmp_path, "podman")
    folder = tmp_path / "config" / "containers"
    folder.mkdir(parents=True)
    saved = {"Connection": {"Connections": {"vm": {"Identity": "/i"}}}}
    (folder / "podman-connections.json").write_text(json.dumps(saved))
    monkeypatch.setenv("CONTAINER_CONNECTION", "vm")
    with pytest.raises(EngineError, match="the connection vm is no address") as error:
        find()
    assert error.value.hint == "podman system connection list"


@pytest.mark.parametrize(
    ("manager", "command"),
    [("apt-get", "apt-get install -y podman"), ("dnf", "dnf install -y podman"), ("apk", "apk add podman")],
)
def test_without_podman_the_command_that_brings_it_is_told(tmp_path: Path, manager: str, command: str):
    _program(tmp_path, manager)
    with pytest.raises(EngineError) as error:
        open_engine()
    assert error.value.what == "Podman is not installed"
    assert error.value.hint.endswith(command)


def test_a_mac_whose_machine_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _program(tmp_path, "podman")
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(EngineError) as error:
        find()
    assert "podman machine start" in error.value.hint
