"""Engines that see other files than we do: what cannot work there, and the next step."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kesdeploy.engines import podman_runtime
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection

    from kesdeploy.engines import EngineInfo

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def refuse_elsewhere(info: EngineInfo, platform: str = sys.platform) -> None:
    """Raise EngineError for an engine on another machine; before anything is made, and before anything is removed.

    All that a deployment consists of (keys, certificates, data) is folders of this machine, mounted into containers.
    The virtual machine of `podman machine` shares the user's folders, and is none of those.
    """
    if not info.remote or _is_machine(info.address, platform):
        return
    place = urlsplit(info.address)
    raise EngineError(
        f"the engine {info.address} ({info.reason}) is on another machine, or spoken to as if it were",
        because="a deployment's keys, certificates and data are folders here, and its containers would not see them",
        hint=_instead(info, place.hostname or "", place.username or ""),
    )


def refuse_left_running(info: EngineInfo, runtime: str, containers: Collection[str], *, name: str) -> None:
    """Raise EngineError while one of the containers of deployment `name` runs that this engine could not stop.

    runtime: the engine's folder of what runs when they were started; empty where that is not known.
    """
    if runtime and info.runtime and info.runtime != runtime and podman_runtime.watched(containers):
        raise EngineError(
            f"{name} runs, and was started with another XDG_RUNTIME_DIR",
            because=f"then it was {runtime}, now it is {info.runtime}: from here, Podman cannot stop it",
            hint=f"XDG_RUNTIME_DIR={runtime} kesdeploy down -n {name}; then the same command again",
        )


def refuse_another(info: EngineInfo, recorded: str, *, name: str, reason: str = "") -> None:
    """Raise EngineError for a second engine of the kind: it would start servers on data that others may be using.

    recorded: the identity of the one that the deployment `name` lives on; empty where that is not known.
    reason: why that one was chosen.
    """
    if recorded and info.identity and info.identity != recorded:
        raise EngineError(
            f"This deployment lives on another {info.name}",
            because=f"{info.address} ({info.reason}) is not the one that was chosen{f' ({reason})' if reason else ''}; "
            "its containers may run there",
            hint="docker context ls; echo $DOCKER_HOST; or, if it is gone for good: "
            f"kesdeploy up -n {name} --engine {info.name}",
        )


def _is_machine(address: str, platform: str) -> bool:
    """Podman's own virtual machine, on a system that cannot run containers itself (podman-machine(1))."""
    place = urlsplit(address)
    return platform != "linux" and place.scheme == "ssh" and place.hostname in _LOOPBACK


def _instead(info: EngineInfo, host: str, user: str) -> str:
    variable = "CONTAINER_HOST" if info.name == "podman" else "DOCKER_HOST"
    if host in _LOOPBACK:
        return (
            f"its Unix socket: {variable}=unix:///PATH; or, where the port is a tunnel, kesdeploy on the machine behind"
        )
    login = f"{user}@{host}" if user else host
    return f"run it there: ssh -t {login} kesdeploy up …; or, for the engine of this machine: unset {variable}"
