"""Docker's containers."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kesdeploy.engines import ALIVE, EVERY, ExecResult, docker_read, limits
from kesdeploy.engines.docker_base import POLL
from kesdeploy.engines.docker_door import WHO
from kesdeploy.engines.docker_images import DockerImages
from kesdeploy.engines.docker_read import LEAST_STOP
from kesdeploy.engines.podman_door import Call
from kesdeploy.engines.podman_stream import chunks, frames, log_lines
from kesdeploy.engines.refusals import Refused
from kesdeploy.errors import EngineError, ImageError, PortTaken
from kesdeploy.ports import holder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from kesdeploy.engines import Container, ContainerSpec, LogLine

# The proxy's words, and the daemon's own for a port that another of its containers has.
_TAKEN = re.compile(r":(\d+)(?:: bind: address already in use| failed: port is already allocated)")


class DockerContainers(DockerImages):
    """The part of the engine that knows containers.

    `_selinux`, `_remapped`, `_controllers` (what it can limit): what its service says of itself.
    """

    _selinux = False
    _remapped = False
    _controllers: frozenset[str] = frozenset()

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """Each is inspected: the list knows neither exit codes nor when they were started."""
        listed = self._listed(docker_read.label_filters(labels))
        seen = [raw for raw in (self._inspect(entry["Id"]) for entry in listed) if raw]
        pods = self._pod_names() if seen else frozenset()
        return tuple(docker_read.container(raw, pods=pods) for raw in seen)

    def container(self, name: str) -> Container | None:
        raw = self._inspect(name)
        if raw is None or raw["Name"] != f"/{name}":  # Docker also takes the beginning of an id for a name
            return None
        return docker_read.container(raw, pods=frozenset((raw["HostConfig"]["NetworkMode"],)) & self._pod_names())

    def check(self, spec: ContainerSpec) -> None:
        what = f"Container {spec.name} cannot be created"
        if self.image(spec.image) is None:
            raise ImageError(what, because=f"image {spec.image} is not in the local store")
        limits.refuse_ignored(what, spec, lambda: self._controllers)
        if not self._remote:
            _check_sources(spec, what)

    def create(self, spec: ContainerSpec) -> None:
        self.check(spec)
        what = f"Container {spec.name} cannot be created"
        net = self._pod_network(spec.pod)
        if net is None:
            raise EngineError(what, because=f"there is no pod {spec.pod}")
        body = docker_read.creation(spec, net, selinux=self._selinux, remapped=self._remapped)
        call = Call(what, "POST", "/containers/create", {"name": spec.name}, body)
        self._settled(call, lambda: self.container(spec.name) is not None)

    def start(self, name: str) -> None:
        verb = "unpause" if self._is(name, "paused") else "start"
        call = Call(f"Container {name} cannot be started", "POST", f"/containers/{quote(name)}/{verb}")
        try:
            self._settled(call, lambda: self._is(name, "running"))
        except Refused as refusal:
            if clash := _TAKEN.search(refusal.because):
                raise self._port_taken(int(clash[1]), refusal.because) from refusal
            raise
        self._restarts(name, running=True)

    def _restarts(self, name: str, *, running: bool) -> None:
        """Have it come back by itself while it should run, and stay down while it should not."""
        raw = self._inspect(name)
        if raw and (policy := docker_read.restarts(raw, running=running)):
            what, path = f"The restart policy of {name} cannot be set", f"/containers/{quote(name)}/update"
            self._door.send(Call(what, "POST", path, body={"RestartPolicy": {"Name": policy}}))

    def _port_taken(self, port: int, because: str) -> PortTaken:
        raw = self._publishing([port]).get(port)
        who = self._who(raw) if raw else holder(port)
        return PortTaken(
            f"Port {port} is taken" + (f" by {who}" if who else ""),
            because=because,
            hint=f"end that, or choose another port (ss -ltnp 'sport = :{port}' shows who listens)",
        )

    def _publishing(self, numbers: Collection[int], ip: str = EVERY[0]) -> dict[int, docker_read.Raw]:
        published = [(raw, docker_read.published(raw, ip)) for raw in self._listed() if raw["State"] in ALIVE]
        return {port: raw for port in numbers for raw, theirs in published if port in theirs}

    def _who(self, raw: docker_read.Raw) -> str:
        pod = raw["HostConfig"]["NetworkMode"]
        return f"pod {pod}" if pod in self._pod_names() else f"container {raw['Names'][0].removeprefix('/')}"

    def stop(self, name: str, *, timeout: int) -> None:
        grace = max(timeout, LEAST_STOP)
        self._restarts(name, running=False)
        path = f"/containers/{quote(name)}/stop"
        call = Call(f"Container {name} cannot be stopped", "POST", path, {"t": grace}, timeout=grace + 30)
        self._settled(call, lambda: self._is(name, "exited"))

    def remove(self, name: str) -> None:
        path = f"/containers/{quote(name)}"
        call = Call(f"Container {name} cannot be removed", "DELETE", path, {"force": "true", "v": "true"})
        self._removed(call, lambda: self._inspect(name) is None)

    def signal(self, name: str, signal: str) -> None:
        path = f"/containers/{quote(name)}/kill"
        self._door.send(Call(f"{signal} cannot be sent to {name}", "POST", path, {"signal": signal}))

    def logs(
        self, name: str, *, tail: int | None = None, since: int | None = None, follow: bool = False
    ) -> Iterator[LogLine]:
        what = f"The log of {name} cannot be read"
        query: dict[str, Any] = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow)}
        query |= {key: value for key, value in (("tail", tail), ("since", since)) if value is not None}
        path = f"/containers/{quote(name)}/logs"
        call = Call(what, "GET", path, query, timeout=None if follow else 60, stream=True)
        return log_lines(chunks(self._door.send(call), what, who=WHO))

    def exec(self, name: str, argv: tuple[str, ...], *, timeout: float) -> ExecResult:
        """After a time-out it runs on."""
        what = f"{argv[0]} cannot be run in {name}"
        deadline = time.monotonic() + timeout
        body = {"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True, "Tty": False}
        made = self._door.json(Call(what, "POST", f"/containers/{quote(name)}/exec", body=body))["Id"]
        begin = {"Detach": False, "Tty": False}
        call = Call(what, "POST", f"/exec/{made}/start", body=begin, timeout=timeout, stream=True)
        out = {"stdout": b"", "stderr": b""}
        for stream, payload in frames(chunks(self._door.send(call), what, deadline, who=WHO)):
            out[stream] += payload
        code = self._door.json(Call(what, "GET", f"/exec/{made}/json"))["ExitCode"]
        return ExecResult(code, out["stdout"], out["stderr"])

    def wait(self, name: str, *, timeout: float) -> int | None:
        deadline = time.monotonic() + timeout
        while True:
            raw = self._inspect(name)
            if raw is None:
                raise EngineError(f"Container {name} cannot be waited for", because="there is no such container")
            seen = docker_read.container(raw, pods=frozenset())
            if seen.state == "exited":
                return seen.exit_code
            if time.monotonic() >= deadline:
                return None
            time.sleep(POLL)

    def _is(self, name: str, state: str) -> bool:
        seen = self.container(name)
        return seen is not None and seen.state == state


def _check_sources(spec: ContainerSpec, what: str) -> None:
    missing = [mount.source for mount in spec.mounts if not Path(mount.source).exists()]
    if missing:
        raise EngineError(what, because=f"{', '.join(missing)} does not exist")
