"""Podman through podman-py. What podman-py lacks or gets wrong is handled in the modules beside this one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kesdeploy.engines import EngineInfo, podman_address, podman_runtime
from kesdeploy.engines.podman_door import Call, Door
from kesdeploy.engines.podman_pods import PodmanPods
from kesdeploy.engines.podman_service import Companion, OwnService, Tunnel
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from kesdeploy.engines.podman_address import Address


class Podman(PodmanPods):
    """Implements `Engine` for one Podman."""

    def __init__(self, address: Address) -> None:
        """Connect, or start a service of our own where none listens; EngineError when that fails."""
        self._address = address
        self._companion = _companion(address)
        if self._companion:
            self._companion.ensure()
        self._url = self._companion.url if self._companion else address.url
        remote = bool(address.url) and urlsplit(address.url).scheme != "unix"
        super().__init__(Door(self._url, self._companion), remote=remote)
        try:
            self._version = self._ping()
        except EngineError:
            self.close()
            raise

    def info(self) -> EngineInfo:
        rootless = _is_rootless(self._address.url)
        return EngineInfo(
            name="podman",
            version=self._version,
            address=self._address.url or "local",
            rootless=rootless,
            remote=self._remote,
            reason=self._address.reason,
            runtime=podman_runtime.folder() if rootless and self._is_local_cli() else "",
        )

    def close(self) -> None:
        self._door.close()
        if self._companion:
            self._companion.close()

    def run_args(self, beside: str) -> tuple[str, ...]:
        url = () if self._is_local_cli() else ("--url", self._url)
        found = self.container(beside)
        pod = ("--pod", found.pod) if found and found.pod else ("--network", f"container:{beside}")
        return ("podman", *url, "run", "--rm", "-i", *pod, "--read-only", "--read-only-tmpfs=false")

    def _is_local_cli(self) -> bool:
        """Whether a plain `podman` sees the same containers without any service."""
        own = ("", f"unix://{podman_address.own_socket()}")
        return self._address.url in own and "CONTAINER_HOST" not in os.environ

    def _ping(self) -> str:
        """The header costs under 1 ms; `version` and `info` shell out (245 and 150 ms)."""
        call = Call(f"Podman does not answer on {self._url}", "HEAD", "/_ping", timeout=20)
        return str(self._door.send(call).headers.get("Libpod-Api-Version", ""))


def _companion(address: Address) -> Companion | None:
    if not address.url:
        return OwnService()
    return Tunnel(address.url, address.identity) if urlsplit(address.url).scheme == "ssh" else None


def _is_rootless(url: str) -> bool:
    """Told from the socket's owner, or from its name where it is on another machine."""
    place = urlsplit(url)
    if not url:
        return os.geteuid() != 0
    if place.scheme == "unix":
        return Path(place.path).stat().st_uid != 0
    return place.path.startswith("/run/user/")
