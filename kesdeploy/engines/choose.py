"""Which engine: the one that was recorded, the one that was asked for, or the one that is here.

What is here is asked, not guessed: a socket may be dead or not ours to use, `docker` may be Podman by another name, and
what answers on Docker's socket may be a Podman.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.engines import EngineInfo, docker_address
from kesdeploy.engines.elsewhere import refuse_elsewhere
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from kesdeploy.engines import Engine
    from kesdeploy.engines.docker_address import DockerAddress


KINDS = ("podman", "docker")


def open_engine(choice: str = "auto", recorded: str | None = None) -> Engine:
    """Connect to an engine. `choice` is auto, podman or docker; `recorded` is what an earlier command chose.

    Raises EngineError: what is missing, and the command that brings it.
    """
    if recorded and choice not in ("auto", recorded):
        raise EngineError(
            f"This deployment lives on {recorded}",
            because=f"--engine {choice} would make a second one beside it, over the same data",
            hint=f"leave out --engine {choice} (in the spec: engine: {recorded}), or choose another name: -n NAME",
        )
    wanted = recorded or choice
    if wanted == "podman":
        return _podman()
    return _docker(lives_there=bool(recorded)) if wanted == "docker" else _either()


def _either() -> Engine:
    """Podman where both are here, unless DOCKER_HOST names an engine that answers."""
    if os.environ.get("CONTAINER_HOST") or os.environ.get("CONTAINER_CONNECTION"):
        return _podman()
    why = ""
    if os.environ.get("DOCKER_HOST"):
        try:
            return _what_answers()
        except EngineError as error:  # other programs read it, too: a dead one hides no Podman
            why = f"DOCKER_HOST cannot be used ({error.what})"
    try:
        return _podman(why)
    except EngineError as no_podman:
        return _instead(no_podman)


def _instead(no_podman: EngineError) -> Engine:
    """Docker where it is here. When neither can be used, the complaint about the one that is."""
    if not _docker_is_here():
        raise no_podman
    try:
        return _what_answers(f"no Podman can be used ({no_podman.what})")
    except EngineError:
        if shutil.which("podman"):
            raise no_podman from None
        raise


def _podman(why: str = "") -> Engine:
    from kesdeploy.engines.podman import Podman
    from kesdeploy.engines.podman_address import find

    found = find()
    return Podman(replace(found, reason="; ".join(filter(None, (found.reason, why)))))


def _docker(*, lives_there: bool) -> Engine:
    from kesdeploy.engines.docker import Docker, PodmanAnswers

    try:
        return Docker(_here(docker_address.find()))
    except PodmanAnswers as error:
        if not lives_there:
            raise
        hint = "unset DOCKER_HOST; docker context use default; or start Docker again"
        raise EngineError(error.what, because="this deployment lives on Docker", hint=hint) from error
    except docker_address.NotInstalled as error:
        if not _is_podman("docker"):
            raise
        because = f"{error.because}, and the docker command here is Podman's own"
        raise EngineError(error.what, because=because, hint=f"--engine podman, or: {error.hint}") from error


def _what_answers(why: str = "") -> Engine:
    """Whoever answers where the docker command line asks; a Podman is one, too."""
    from kesdeploy.engines.docker import Docker, PodmanAnswers

    found = _here(docker_address.find())
    try:
        return Docker(replace(found, reason="; ".join(filter(None, (found.reason, why)))))
    except PodmanAnswers:
        from kesdeploy.engines.podman import Podman
        from kesdeploy.engines.podman_address import Address

        return Podman(Address(found.url, f"{found.reason}; what answers there is Podman"))


def _here(found: DockerAddress) -> DockerAddress:
    """Raises EngineError for one on another machine, before it is asked: it may not answer at all."""
    info = EngineInfo("docker", "", found.url, rootless=False, remote=not found.path, reason=found.reason)
    refuse_elsewhere(info)
    return found


def _docker_is_here() -> bool:
    path = docker_address.socket_path()
    if os.environ.get("DOCKER_HOST") or Path(path).exists():
        return True
    return shutil.which("docker") is not None and not _is_podman("docker")


def _is_podman(command: str) -> bool:
    """Whether it says that it is: the package podman-docker brings a `docker` that calls Podman."""
    try:
        done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.lower().startswith("podman")
