"""The main job on Docker: the same commands, and what Docker does otherwise."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from commandline import Cli
from objects import Objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine


def docker(*args: str, check: bool = True) -> str:
    return subprocess.run(("docker", *args), check=check, capture_output=True, text=True, timeout=60).stdout.strip()


def holds(cli: Cli) -> list[str]:
    """Everything of the deployment that Docker knows of, whoever made it."""
    return [
        *docker("ps", "-a", "--format", "container {{.Names}}", "--filter", f"name={cli.name}").splitlines(),
        *docker("network", "ls", "--format", "network {{.Name}}", "--filter", f"name={cli.name}").splitlines(),
        *docker("volume", "ls", "--format", "volume {{.Name}}", "--filter", f"name={cli.name}").splitlines(),
    ]


@pytest.fixture
def cli(docker_host: None, tmp_path: Path, four_ports: int) -> Iterator[Cli]:
    where = {name: os.environ[name] for name in ("DOCKER_HOST",) if name in os.environ}
    made = Cli(tmp_path, f"try-{secrets.token_hex(3)}", four_ports, env=where)
    try:
        yield made
    finally:
        for part in ("minio-server", "kes-server"):
            docker("rm", "-f", "-v", made.container(part), check=False)
        docker("network", "rm", f"minio-kes-{made.name}", check=False)
        shutil.rmtree(made.folder, ignore_errors=True)


def test_up_to_destroy(cli: Cli) -> None:
    assert "proven" in cli.up("--engine", "docker").out
    objects = Objects.of(cli)
    objects.put_some()
    assert cli("up", "--engine", "podman", "--yes", expect=3).error[0] == "error: This deployment lives on docker"
    published = docker("port", cli.container("minio-server")).splitlines()
    assert {line.partition(" -> ")[2] for line in published} == {f"127.0.0.1:{cli.port + n}" for n in (0, 1)}

    # It comes back with another address, in the same network, by the same name.
    docker("restart", cli.container("kes-server"))
    cli("stop")
    engine = cli("status", "--json", expect=7).data["engine"]
    assert (engine["name"], engine["reason"].split(";")[0]) == ("docker", "asked for")
    assert "proven" in cli("start").out
    objects.assert_intact()

    cli("down")
    assert holds(cli) == []
    assert cli.again().data["changes"]
    objects.assert_intact()
    cli("destroy", "--yes")
    assert holds(cli) == []
    assert not cli.folder.exists()
