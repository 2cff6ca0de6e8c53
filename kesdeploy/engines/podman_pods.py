"""Podman's pods."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote

from kesdeploy.engines import ALIVE, EVERY, podman_read
from kesdeploy.engines.podman_containers import PodmanContainers
from kesdeploy.engines.podman_door import Call
from kesdeploy.engines.podman_read import LEAST_STOP
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kesdeploy.engines import Container, Pod, PodSpec


class PodmanPods(PodmanContainers):
    """The part of the engine that knows pods."""

    def pods(self, labels: Mapping[str, str]) -> tuple[Pod, ...]:
        query = {"filters": podman_read.label_filters(labels)}
        return self._with_members(self._door.json(Call("Pods cannot be listed", "GET", "/pods/json", query)))

    def pod(self, name: str) -> Pod | None:
        query = {"filters": podman_read.name_filter(name)}
        found = self._door.json(Call(f"Pod {name} cannot be read", "GET", "/pods/json", query))
        return next(iter(self._with_members([raw for raw in found if raw["Name"] == name])), None)

    def _with_members(self, pods: list[podman_read.Raw]) -> tuple[Pod, ...]:
        members = self._listed(podman_read.pod_filter(raw["Id"] for raw in pods)) if pods else []
        return tuple(podman_read.listed_pod(raw, members) for raw in pods)

    def publishers(self, numbers: Collection[int], ip: str = EVERY[0]) -> dict[int, Pod | Container]:
        found = self._publishing(numbers, ip)
        named = {raw.get("PodName") for raw in found.values()}
        pods = {name: pod for name in named if name and (pod := self.pod(name))}
        return {port: pods.get(raw.get("PodName")) or podman_read.listed_container(raw) for port, raw in found.items()}

    def create_pod(self, spec: PodSpec) -> None:
        call = Call(f"Pod {spec.name} cannot be created", "POST", "/pods/create", body=podman_read.pod_creation(spec))
        self._settled(call, lambda: self.pod(spec.name) is not None)
        made = self._door.json(Call(f"Pod {spec.name} cannot be read", "GET", f"/pods/{quote(spec.name)}/json"))
        self._start_network(f"Pod {spec.name}", made["Id"])

    def restart_pod(self, name: str) -> None:
        """All that ran is stopped side by side, then started in the order in which it was started before.

        `pod restart` starts in any order, and `pod stop` stops nothing once the infra container is dead; starting a
        member starts that one first.
        """
        seen = [raw for raw in (self._inspect(running) for running in self._running(name)) if raw]
        self._stop_members(name, LEAST_STOP)
        for raw in sorted(seen, key=lambda raw: str(raw["State"]["StartedAt"])):
            self.start(raw["Name"])

    def remove_pod(self, name: str, *, stop_timeout: int) -> None:
        grace = max(stop_timeout, LEAST_STOP)
        self._stop_members(name, grace)  # side by side; removal alone would stop one after the other (trap 4)
        query = {"force": True, "timeout": grace}
        path = f"/pods/{quote(name)}"
        self._removed(Call(f"Pod {name} cannot be removed", "DELETE", path, query, timeout=grace * 4 + 60))

    def _stop_members(self, name: str, grace: int) -> None:
        running = self._running(name)
        if not running:
            return

        def stop(container: str) -> None:
            try:
                self.stop(container, timeout=grace)
            except EngineError:
                if self._is(container, "running"):  # else it went by itself, or somebody else stopped it
                    raise

        with ThreadPoolExecutor(len(running)) as threads:
            list(threads.map(stop, running))

    def _running(self, name: str) -> list[str]:
        found = self.pod(name)
        members = self._listed(podman_read.pod_filter([found.id])) if found else []
        return [c["Names"][0] for c in members if not c["IsInfra"] and c["State"] in (*ALIVE, "stopping")]
