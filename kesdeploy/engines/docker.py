"""Docker through its SDK's client. What takes the place of pods, and why, is told in docker_read."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

from kesdeploy.engines import EngineInfo, docker_address
from kesdeploy.engines.docker_door import OLDEST, Door
from kesdeploy.engines.docker_pods import DockerPods
from kesdeploy.engines.podman_door import Call
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from kesdeploy.engines.docker_address import DockerAddress

_SERVER = re.compile(r"Docker/(\S+)")


class PodmanAnswers(EngineError):
    """Docker was asked for, and a Podman is what listens there."""


class Docker(DockerPods):
    """Implements `Engine` for one Docker."""

    def __init__(self, address: DockerAddress) -> None:
        """Connect; EngineError when that fails or it is too old, PodmanAnswers when it is a Podman."""
        self._address = address
        super().__init__(Door(address), remote=not address.path)
        try:
            self._version = self._ping()
            about = self._about()
        except EngineError:
            self.close()
            raise
        # Of two on one machine, old ones have the same ID.
        self._identity = f"{about.get('ID')} {about.get('DockerRootDir')}"
        options = _security(about)
        self._rootless = "rootless" in options
        self._selinux, self._remapped = "selinux" in options, "userns" in options
        flags = {"memory": "MemoryLimit", "cpu": "CpuCfsQuota"}
        self._controllers = frozenset(name for name, flag in flags.items() if about.get(flag))

    def info(self) -> EngineInfo:
        return EngineInfo(
            name="docker",
            version=self._version,
            address=self._address.url,
            rootless=self._rootless,
            remote=self._remote,
            reason=self._address.reason,
            identity=self._identity,
        )

    def close(self) -> None:
        self._door.close()

    def run_args(self, beside: str) -> tuple[str, ...]:
        if shutil.which("docker") is None:
            raise EngineError(
                "There is no docker command",
                because="a program in a container is run by it",
                hint="apt-get install docker-cli",
            )
        remapped = ("--userns", "host") if self._remapped else ()
        network = ("--network", f"container:{beside}")
        return ("docker", *self._address.flags, "run", "--rm", "-i", *network, *remapped, "--read-only")

    def _ping(self) -> str:
        """Who answers tells so in a header; Podman does on its Docker-compatible API, too."""
        call = Call(f"Docker does not answer on {self._address.url}", "GET", "/_ping", timeout=20)
        headers = self._door.send(call, versioned=False).headers
        if podman := headers.get("Libpod-Api-Version"):
            raise PodmanAnswers(
                f"What answers on {self._address.url} is Podman {podman}, not Docker",
                because=f"{self._address.reason} leads there",
                hint="--engine podman",
            )
        version = found[1] if (found := _SERVER.match(headers.get("Server", ""))) else ""
        if _numbers(headers.get("Api-Version", "")) < _numbers(OLDEST):
            because = "20.10 is the oldest that can be used"
            raise EngineError(f"Docker {version} is too old", because=because, hint=docker_address.INSTALL)
        return version

    def _about(self) -> dict[str, Any]:
        found: dict[str, Any] = self._door.json(Call("Docker cannot be asked about itself", "GET", "/info"))
        return found


def _security(about: dict[str, Any]) -> frozenset[str]:
    """`rootless`, `selinux`, `userns`, …: the names of docker info's security options."""
    options = about.get("SecurityOptions") or []
    return frozenset(match[1] for option in options if (match := re.match(r"name=([\w-]+)", option)))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
