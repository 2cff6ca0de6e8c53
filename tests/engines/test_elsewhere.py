"""Which engines see our folders; and that nothing happens on one that does not."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from kesdeploy.engines import EngineInfo
from kesdeploy.engines.elsewhere import refuse_elsewhere
from kesdeploy.errors import EngineError
from tests.commands import document, run

if TYPE_CHECKING:
    from collections.abc import Iterator


def _info(address: str, *, remote: bool = True, name: str = "podman") -> EngineInfo:
    return EngineInfo(name, "4.3.1", address, rootless=False, remote=remote, reason="CONTAINER_HOST")


@pytest.mark.parametrize(
    ("address", "remote", "platform"),
    [
        ("local", False, "linux"),
        ("unix:///run/podman/podman.sock", False, "linux"),
        ("unix:///Users/me/.docker/run/docker.sock", False, "darwin"),
        ("ssh://core@127.0.0.1:53685/run/user/501/podman/podman.sock", True, "darwin"),
        ("ssh://user@localhost:22/run/user/1000/podman/podman.sock", True, "win32"),
    ],
)
def test_it_sees_our_folders(address, remote, platform):
    refuse_elsewhere(_info(address, remote=remote), platform)


@pytest.mark.parametrize(
    ("address", "name", "platform", "hint"),
    [
        ("ssh://me@box.example.org/run/user/1000/podman/podman.sock", "podman", "linux", "ssh -t me@box.example.org "),
        ("ssh://core@127.0.0.1:2222/run/podman/podman.sock", "podman", "linux", "CONTAINER_HOST=unix:///PATH"),
        ("tcp://10.1.2.3:8080", "podman", "darwin", "ssh -t 10.1.2.3 kesdeploy up"),
        ("tcp://127.0.0.1:8080", "podman", "linux", "CONTAINER_HOST=unix:///PATH"),
        ("tcp://10.1.2.3:2376", "docker", "linux", "unset DOCKER_HOST"),
    ],
)
def test_it_does_not(address, name, platform, hint):
    with pytest.raises(EngineError) as raised:
        refuse_elsewhere(_info(address, name=name), platform)
    assert address in raised.value.what
    assert hint in raised.value.hint


@pytest.fixture
def over_tcp() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp:127.0.0.1:{port}"
    process = subprocess.Popen(("podman", "system", "service", "--time=0", address), stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"tcp://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.engine
@pytest.mark.skipif(os.geteuid() != 0, reason="a Podman on TCP of nobody's but root's")
def test_nothing_is_made_and_nothing_removed_there(over_tcp, tmp_path):
    """Data of a deployment whose containers run on another engine must not go while they run."""
    folder = tmp_path / "minio-kes-fs"
    given = ("up", "--kms", "fs", "--images", "sandbox", "--yes", "--json")
    problem = document(run(*given, home=tmp_path, CONTAINER_HOST=over_tcp))["problems"][0]
    assert problem["code"] == "engine"
    assert over_tcp in problem["message"]
    assert not folder.exists()

    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets" / ".kesdeploy").touch()
    (folder / "kesdeploy.yaml").write_text("version: 1\nname: fs\nkeystore: {fs: {}}\n")
    for command in (("destroy", "--yes"), ("down",), ("start",), ("status",)):
        done = run(*command, "--json", home=tmp_path, CONTAINER_HOST=over_tcp)
        assert done.returncode == 3, done
        assert document(done)["problems"][0]["hint"] == problem["hint"]
    assert (folder / "kesdeploy.yaml").exists()
    assert document(run("doctor", "--json", home=tmp_path, CONTAINER_HOST=over_tcp))["data"]["findings"]
