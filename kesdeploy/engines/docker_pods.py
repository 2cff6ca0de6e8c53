"""What stands in for pods on Docker: networks (docker_read tells why)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from kesdeploy import ports
from kesdeploy.engines import ALIVE, EVERY, docker_read
from kesdeploy.engines.docker_base import NOT_FOUND
from kesdeploy.engines.docker_containers import DockerContainers
from kesdeploy.engines.docker_read import LEAST_STOP
from kesdeploy.engines.podman_door import Call
from kesdeploy.engines.refusals import Refused
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from kesdeploy.engines import Container, Pod, PodSpec
    from kesdeploy.engines.docker_read import Raw

_ACTIVE = (*ALIVE, "restarting")


class DockerPods(DockerContainers):
    """The part of the engine that knows pods."""

    def pods(self, labels: Mapping[str, str]) -> tuple[Pod, ...]:
        found = self._networks(docker_read.pod_filters(labels))
        return tuple(docker_read.pod(raw, self._members(raw["Name"])) for raw in found)

    def pod(self, name: str) -> Pod | None:
        """Also a network of that name that somebody else made: none of ours can be made beside it."""
        raw = next((raw for raw in self._networks("{}") if raw["Name"] == name), None)
        return docker_read.pod(raw, self._members(name)) if raw else None

    def publishers(self, numbers: Collection[int], ip: str = EVERY[0]) -> dict[int, Pod | Container]:
        found = {port: self._publisher(raw) for port, raw in self._publishing(numbers, ip).items()}
        return {port: theirs for port, theirs in found.items() if theirs}

    def _publisher(self, raw: docker_read.Raw) -> Pod | Container | None:
        pod = raw["HostConfig"]["NetworkMode"]
        return self.pod(pod) if pod in self._pod_names() else self.container(raw["Names"][0].removeprefix("/"))

    def create_pod(self, spec: PodSpec) -> None:
        """Ports are opened by the container that serves them; one that is held is said here all the same."""
        what = f"Pod {spec.name} cannot be created"
        call = Call(what, "POST", "/networks/create", body=docker_read.network(spec))
        self._settled(call, lambda: self.pod(spec.name) is not None)
        for port in () if self._remote else spec.ports:
            if not ports.is_free(port.host_ip, port.host):
                raise self._port_taken(port.host, f"{port.host_ip}:{port.host}: address already in use")

    def restart_pod(self, name: str) -> None:
        """Members that fell out of the network are put back into it; what ran is started as it was before."""
        net = self._pod_network(name)
        if net is None:
            raise EngineError(f"Pod {name} cannot be restarted", because="there is no such pod")
        members = self._members(name)
        seen = [raw for raw in (self._inspect(c["Id"]) for c in members if c["State"] in _ACTIVE) if raw]
        self._side_by_side([raw["Name"][1:] for raw in seen], lambda one: self._stop_member(one, LEAST_STOP))
        for member in members:
            if not docker_read.attached(member, net):
                self._attach(member["Id"], net)
        for raw in sorted(seen, key=lambda raw: str(raw["State"]["StartedAt"])):
            self.start(raw["Name"][1:])

    def _attach(self, container: str, net: Raw) -> None:
        what = f"A container cannot be put into {net['Name']}"
        leave = {"Container": container, "Force": True}
        with suppress(Refused):  # it was not in it
            self._door.send(Call(what, "POST", f"/networks/{quote(net['Name'])}/disconnect", body=leave))
        self._door.send(Call(what, "POST", f"/networks/{net['Id']}/connect", body={"Container": container}))

    def remove_pod(self, name: str, *, stop_timeout: int) -> None:
        """Members are found by the network that they were made for, whether or not it is still there."""
        grace = max(stop_timeout, LEAST_STOP)
        members = [c["Names"][0][1:] for c in self._members(name)]

        def end(member: str) -> None:
            self._stop_member(member, grace)
            self.remove(member)

        self._side_by_side(members, end)
        call = Call(f"Pod {name} cannot be removed", "DELETE", f"/networks/{quote(name)}")
        self._removed(call, lambda: self._pod_network(name) is None)

    def _members(self, pod: str) -> list[Raw]:
        """Asked for by the mode: Docker's own filter leaves out who was put out of the network."""
        return [raw for raw in self._listed() if raw["HostConfig"]["NetworkMode"] == pod]

    def _stop_member(self, name: str, grace: int) -> None:
        try:
            self.stop(name, timeout=grace)
        except EngineError as error:
            gone = isinstance(error, Refused) and error.status == NOT_FOUND
            if not gone and self._is(name, "running"):  # else it went by itself, or somebody else stopped it
                raise

    def _side_by_side(self, names: list[str], act: Callable[[str], None]) -> None:
        if names:
            with ThreadPoolExecutor(len(names)) as threads:
                list(threads.map(act, names))
