"""Where Docker answers, found as the docker command line finds it."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy.engines.podman_service import SYSTEM, listens
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from docker.context import Context

SOCKET = "/var/run/docker.sock"
INSTALL = "curl -fsSL https://get.docker.com | sh"


_IMPORTING = threading.Lock()


class NotInstalled(EngineError):
    """There is no Docker here."""


@dataclass(frozen=True)
class DockerAddress:
    """A Docker API. `tls` is the SDK's TLSConfig or None; `flags` bring the docker command line to the same place."""

    url: str
    reason: str
    tls: Any = field(default=None, repr=False)
    flags: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The socket's, or an empty string for an address on another machine."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""


def find() -> DockerAddress:
    """DOCKER_HOST, DOCKER_CONTEXT, the current context, the default socket (docker(1)); then a rootless Docker's.

    Raises EngineError when the library is missing, or nobody answers there, or we may not ask.
    """
    _need_library()
    found = _from_host() or _from_context() or _local()
    if found.path:
        _check(found)
    return found


def socket_path() -> str:
    """Docker's own socket on this machine, or a rootless Docker's where that is the only one."""
    rootless = f"{os.environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.geteuid()}'}/docker.sock"
    return rootless if not Path(SOCKET).exists() and Path(rootless).exists() else SOCKET


def _need_library() -> None:
    """Import it, all of it: its parts import each other in a circle, and a second thread would see half of them."""
    import importlib.util

    if importlib.util.find_spec("docker") is None or importlib.util.find_spec("docker.api") is None:
        raise EngineError(
            "Docker's library for Python is not installed",
            because="kesdeploy needs it to talk to Docker; Podman needs nothing more",
            hint="pip install 'kesdeploy[docker]'  (pipx inject kesdeploy docker)",
        )
    with _IMPORTING:
        import docker  # noqa: F401


def _from_host() -> DockerAddress | None:
    url = os.environ.get("DOCKER_HOST")
    if not url:
        return None
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    try:
        return DockerAddress(url, "DOCKER_HOST", kwargs_from_env().get("tls") or None)
    except (DockerException, ValueError) as error:
        raise EngineError(
            f"DOCKER_HOST is no address of a Docker: {url}", because=str(error), hint="unset DOCKER_HOST"
        ) from error


def _from_context() -> DockerAddress | None:
    from docker.errors import DockerException

    asked = os.environ.get("DOCKER_CONTEXT")
    source = "DOCKER_CONTEXT" if asked else "the current context"
    try:
        context = _context(asked)
    except (DockerException, OSError, ValueError, KeyError) as error:
        raise EngineError(f"{source} cannot be read", because=str(error), hint="docker context ls") from error
    if context is None:
        raise EngineError(f"{source} names no context that is here", because=asked or "", hint=_look_for_contexts())
    if context.Name == "default":
        return None
    return DockerAddress(str(context.Host), f"context {context.Name}", context.TLSConfig or None)


def _look_for_contexts() -> str:
    """Docker's library looks for them beside that file, the docker command line also where it is missing."""
    config = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser() / "config.json"
    return "docker context ls" if config.exists() else f"echo '{{}}' > {config}; docker context ls"


def _context(name: str | None) -> Context | None:
    from docker.context import ContextAPI

    return ContextAPI.get_context(name)


def _local() -> DockerAddress:
    """The default socket; a rootless Docker's context may not have been chosen."""
    path = socket_path()
    url = f"unix://{path}"
    if path == SOCKET:
        return DockerAddress(url, "its socket answers")
    return DockerAddress(url, "a rootless Docker's socket answers", flags=("--host", url))


def _check(found: DockerAddress) -> None:
    source = "" if found.path == SOCKET else f", which {found.reason} names"
    if not Path(found.path).exists():
        because = f"there is no socket {found.path}{source}"
        if not _installed():
            raise NotInstalled("Docker is not installed", because=because, hint=INSTALL)
        raise EngineError("Docker does not run", because=because, hint=_start(found))
    try:
        alive = listens(found.path)
    except PermissionError as error:
        raise EngineError(
            f"No right to use Docker's socket {found.path}",
            because=str(error),
            hint="sudo usermod -aG docker $USER && newgrp docker, or run this command with sudo",
        ) from error
    if not alive:
        raise EngineError(
            f"Nobody answers on Docker's socket {found.path}{source}",
            because="its service is gone",
            hint=_start(found),
        )


def _start(found: DockerAddress) -> str:
    instead = {SOCKET: "", os.environ.get("DOCKER_HOST", "").removeprefix("unix://"): "unset DOCKER_HOST, or: "}
    return f"{instead.get(found.path, 'docker context use default, or: ')}sudo systemctl start docker"


def _installed() -> bool:
    import shutil

    return any(shutil.which("dockerd", path=path) for path in (None, os.pathsep.join(SYSTEM)))
