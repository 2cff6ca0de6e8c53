"""What the parts of the Docker engine share: looking, and calls that are safe to repeat."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from kesdeploy.engines import docker_read
from kesdeploy.engines.podman_door import Call
from kesdeploy.engines.refusals import Refused, TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable

    from kesdeploy.engines.docker_door import Door
    from kesdeploy.engines.docker_read import Raw

NOT_FOUND, CONFLICT = 404, 409
POLL = 0.05
_LATE = 10.0  # seconds in which what timed out, or is under way, may still come true


class DockerBase:
    """One Docker. `_remote`: its containers see other files than we do."""

    def __init__(self, door: Door, *, remote: bool = False) -> None:
        self._door = door
        self._remote = remote

    def _listed(self, filters: str = "{}") -> list[Raw]:
        call = Call("Containers cannot be listed", "GET", "/containers/json", {"all": "true", "filters": filters})
        found: list[Raw] = self._door.json(call)
        return found

    def _inspect(self, name: str) -> Raw | None:
        return self._read(Call(f"Container {name} cannot be read", "GET", f"/containers/{quote(name)}/json"))

    def _networks(self, filters: str) -> list[Raw]:
        found: list[Raw] = self._door.json(Call("Networks cannot be listed", "GET", "/networks", {"filters": filters}))
        return found

    def _pod_names(self) -> frozenset[str]:
        return frozenset(raw["Name"] for raw in self._networks(docker_read.pod_filters({})))

    def _pod_network(self, name: str) -> Raw | None:
        return next((raw for raw in self._networks(docker_read.pod_filters({})) if raw["Name"] == name), None)

    def _read(self, call: Call) -> Raw | None:
        try:
            found: Raw = self._door.json(call)
        except Refused as refusal:
            if refusal.status == NOT_FOUND:
                return None
            raise
        return found

    def _settled(self, call: Call, done: Callable[[], bool]) -> None:
        """Send it; after a time-out look whether it happened all the same (the server carries on)."""
        try:
            self._door.send(call)
        except TimedOut:
            if not self._came_true(done):
                raise

    def _came_true(self, done: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + _LATE
        while not (true := done()) and time.monotonic() < deadline:
            time.sleep(POLL)
        return true

    def _removed(self, call: Call, gone: Callable[[], bool]) -> None:
        """What is gone already is fine, and so is what somebody else is just removing, once it is gone."""
        try:
            self._settled(call, gone)
        except Refused as refusal:
            if refusal.status == NOT_FOUND or (_under_way(refusal) and self._came_true(gone)):
                return
            raise


def _under_way(refusal: Refused) -> bool:
    return refusal.status == CONFLICT and "already in progress" in refusal.because
