"""Which engine: the one that was recorded, the one that was asked for, or the one that is here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.engines.podman_address import install_hint
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from kesdeploy.engines import Engine

_DOCKER_SOCKET = Path("/var/run/docker.sock")


def open_engine(choice: str = "auto", recorded: str | None = None) -> Engine:
    """Connect to an engine. `choice` is auto, podman or docker; `recorded` is what an earlier command chose.

    Raises EngineError: what is missing, and the command that brings it.
    """
    if recorded and choice not in ("auto", recorded):
        raise EngineError(
            f"This deployment lives on {recorded}",
            because=f"--engine {choice} would make a second one beside it",
            hint=f"leave out --engine {choice}, or choose another name",
        )
    wanted = recorded or choice
    if wanted == "docker":
        from kesdeploy.engines.docker import Docker

        return Docker.open()
    return _podman(wanted)


def _podman(wanted: str) -> Engine:
    from kesdeploy.engines.podman import Podman
    from kesdeploy.engines.podman_address import find

    try:
        address = find()
    except EngineError:
        if wanted == "auto" and not shutil.which("podman") and _docker_is_here():
            raise _podman_only() from None
        raise
    return Podman(address)


def _podman_only() -> EngineError:
    return EngineError("Podman only so far: Docker cannot be used yet", hint=install_hint())


def _docker_is_here() -> bool:
    return _DOCKER_SOCKET.exists() or shutil.which("docker") is not None
