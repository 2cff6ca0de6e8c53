"""What the parts of the Podman engine share: looking, and calls that are safe to repeat."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from kesdeploy.engines import podman_ended
from kesdeploy.engines.podman_door import Call
from kesdeploy.engines.refusals import Refused, TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable

    from kesdeploy.engines.podman_door import Door
    from kesdeploy.engines.podman_read import Raw

NOT_FOUND = 404
Result = TypeVar("Result")
POLL = 0.05
_LATE = 10.0  # seconds in which what timed out may still come true
_TRIES = 3


class PodmanBase:
    """One Podman. `_remote`: its containers see other files than we do."""

    def __init__(self, door: Door, *, remote: bool = False) -> None:
        self._door = door
        self._remote = remote

    def _listed(self, filters: str) -> list[Raw]:
        call = Call("Containers cannot be listed", "GET", "/containers/json", {"all": True, "filters": filters})
        found: list[Raw] = self._door.json(call)
        return found if self._remote else [podman_ended.mark(raw, self._inspect) for raw in found]

    def _inspect(self, name: str) -> Raw | None:
        call = Call(f"Container {name} cannot be read", "GET", f"/containers/{quote(name)}/json")
        return self._read(call) if self._remote else podman_ended.looked(lambda: self._read(call))

    def _read(self, call: Call) -> Raw | None:
        try:
            found: Raw = self._door.json(call)
        except Refused as refusal:
            if _says_gone(refusal):
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

    def _patiently(self, look: Callable[[], Result], stumbles: str) -> Result:
        """Look again when Podman stumbles over something that changes just then, which it tells with these words."""
        for _ in range(_TRIES - 1):
            try:
                return look()
            except Refused as refusal:
                if stumbles not in refusal.because:
                    raise
            time.sleep(POLL)
        return look()

    def _removed(self, *calls: Call) -> None:
        """Send them in turn, again when one failed half-way (trap 11). What is gone already is fine."""
        for left in reversed(range(_TRIES)):
            try:
                for call in calls:
                    self._gone_is_fine(call)
            except (Refused, TimedOut):
                if not left:
                    raise
                time.sleep(0.2)
            else:
                return

    def _gone_is_fine(self, call: Call) -> None:
        try:
            self._door.send(call)
        except Refused as refusal:
            if not _says_gone(refusal):
                raise


def _says_gone(refusal: Refused) -> bool:
    """Of what is removed just then, Podman 4 says so with status 500."""
    return refusal.status == NOT_FOUND or "no such container" in refusal.because or "no such pod" in refusal.because
