"""Podman's containers."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kesdeploy.engines import ALIVE, EVERY, ExecResult, limits, podman_read
from kesdeploy.engines.podman_base import POLL
from kesdeploy.engines.podman_door import Call
from kesdeploy.engines.podman_ended import LOST
from kesdeploy.engines.podman_images import PodmanImages
from kesdeploy.engines.podman_read import LEAST_STOP
from kesdeploy.engines.podman_stream import chunks, frames, log_lines
from kesdeploy.engines.refusals import Refused, TimedOut
from kesdeploy.errors import EngineError, ImageError, PortTaken
from kesdeploy.ports import holder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from kesdeploy.engines import Container, ContainerSpec, LogLine

_SPOILED = "network namespace"
_TAKEN = re.compile(r":(\d+): bind: address already in use")


class PodmanContainers(PodmanImages):
    """The part of the engine that knows containers."""

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        found = self._listed(podman_read.label_filters(labels))
        return tuple(podman_read.listed_container(raw) for raw in found if not raw["IsInfra"])

    def container(self, name: str) -> Container | None:
        raw = self._inspect(name)
        if raw is None or raw["Name"] != name:  # Podman also takes the beginning of an id for a name
            return None
        pod = (
            self._read(Call(f"The pod of {name} cannot be read", "GET", f"/pods/{raw['Pod']}/json"))
            if raw["Pod"]
            else {}
        )
        return podman_read.inspected_container(raw, pod["Name"] if pod else "")

    def check(self, spec: ContainerSpec) -> None:
        what = f"Container {spec.name} cannot be created"
        if self.image(spec.image) is None:  # Podman 4 answers 500, and a start would not pull (trap 2)
            raise ImageError(what, because=f"image {spec.image} is not in the local store")
        limits.refuse_ignored(what, spec, self._controllers)
        if not self._remote:
            _check_sources(spec, what)

    def create(self, spec: ContainerSpec) -> None:
        self.check(spec)
        what = f"Container {spec.name} cannot be created"
        arguments = podman_read.creation(spec)
        try:
            self._door.do(what, lambda client: client.containers.create(**arguments))
        except TimedOut:
            if not self._came_true(lambda: self.container(spec.name) is not None):
                raise

    def _controllers(self) -> list[str]:
        about: dict[str, Any] = self._door.json(Call("Podman cannot be asked about itself", "GET", "/info"))
        return list(about["host"].get("cgroupControllers") or ())

    def start(self, name: str) -> None:
        found = self._inspect(name) or {}
        if found.get("State", {}).get("Status") == "paused":
            self._go_on(name)
            return
        if pod := found.get("Pod"):
            self._start_network(f"Container {name}", pod)
        self._start(f"Container {name}", name)

    def _go_on(self, name: str) -> None:
        call = Call(f"Container {name} cannot go on", "POST", f"/containers/{quote(name)}/unpause")
        self._settled(call, lambda: self._is(name, "running"))

    def _start_network(self, what: str, pod: str) -> None:
        # By itself, before any member: Podman 4 keeps its errors to itself when a member brings it up, and then holds
        # the published ports of the failed attempt, so that a second one would complain of those.
        for member in self._listed(podman_read.pod_filter([pod])):
            if member["IsInfra"] and member["State"] == "paused":
                self._go_on(str(member["Names"][0]))
            elif member["IsInfra"] and member["State"] != "running":
                self._start(what, str(member["Names"][0]))

    def _start(self, what: str, target: str) -> None:
        call = Call(f"{what} cannot be started", "POST", f"/containers/{quote(target)}/start")
        try:
            self._settled(call, lambda: self._is(target, "running"))
        except Refused as refusal:
            if clash := _TAKEN.search(refusal.because):
                raise self._port_taken(int(clash[1]), refusal) from refusal
            raise

    def _port_taken(self, port: int, refusal: Refused) -> PortTaken:
        raw = self._publishing([port]).get(port)
        who = podman_read.who(raw) if raw else holder(port)
        return PortTaken(
            f"Port {port} is taken" + (f" by {who}" if who else ""),
            because=refusal.because,
            hint=f"end that, or choose another port (ss -ltnp 'sport = :{port}' shows who listens)",
        )

    def _publishing(self, numbers: Collection[int], ip: str = EVERY[0]) -> dict[int, podman_read.Raw]:
        holding = [raw for raw in self._everybodys() if raw["State"] in ALIVE or LOST in raw]
        published = [(raw, podman_read.published(raw, ip)) for raw in holding]
        return {port: raw for port in numbers for raw, theirs in published if port in theirs}

    def _everybodys(self) -> list[podman_read.Raw]:
        """All containers; none while one whose network namespace is gone spoils Podman's answer about all of them."""
        try:
            return self._patiently(lambda: self._listed("{}"), _SPOILED)
        except Refused as refusal:
            if _SPOILED not in refusal.because:
                raise
            return []

    def stop(self, name: str, *, timeout: int) -> None:
        grace = max(timeout, LEAST_STOP)
        path = f"/containers/{quote(name)}/stop"
        call = Call(f"Container {name} cannot be stopped", "POST", path, {"timeout": grace}, timeout=grace + 30)
        try:
            self._settled(call, lambda: self._is(name, "exited"))
        except Refused:
            if not self._is(name, "paused"):
                raise
            self._go_on(name)
            self._settled(call, lambda: self._is(name, "exited"))

    def remove(self, name: str) -> None:
        query = {"force": True, "volumes": True, "timeout": LEAST_STOP}
        self._removed(Call(f"Container {name} cannot be removed", "DELETE", f"/containers/{quote(name)}", query))

    def signal(self, name: str, signal: str) -> None:
        path = f"/containers/{quote(name)}/kill"
        self._door.send(Call(f"{signal} cannot be sent to {name}", "POST", path, {"signal": signal}))

    def logs(
        self, name: str, *, tail: int | None = None, since: int | None = None, follow: bool = False
    ) -> Iterator[LogLine]:
        what = f"The log of {name} cannot be read"
        query: dict[str, Any] = {"stdout": True, "stderr": True, "timestamps": True, "follow": follow}
        query |= {key: value for key, value in (("tail", tail), ("since", since)) if value is not None}
        path = f"/containers/{quote(name)}/logs"
        call = Call(what, "GET", path, query, timeout=None if follow else 60, stream=True)
        response = self._patiently(lambda: self._door.send(call), "unable to read log file")
        return log_lines(chunks(response, what))

    def exec(self, name: str, argv: tuple[str, ...], *, timeout: float) -> ExecResult:
        """Not for polling: Podman keeps two processes for 300 s after each (trap 3). After a time-out it runs on."""
        what = f"{argv[0]} cannot be run in {name}"
        deadline = time.monotonic() + timeout
        body = {"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True, "Tty": False}
        made = self._door.json(Call(what, "POST", f"/containers/{quote(name)}/exec", body=body))["Id"]
        begin = {"Detach": False, "Tty": False}
        call = Call(what, "POST", f"/exec/{made}/start", body=begin, timeout=timeout, stream=True)
        out = {"stdout": b"", "stderr": b""}
        for stream, payload in frames(chunks(self._door.send(call), what, deadline)):
            out[stream] += payload
        code = self._door.json(Call(what, "GET", f"/exec/{made}/json"))["ExitCode"]
        return ExecResult(code, out["stdout"], out["stderr"])

    def wait(self, name: str, *, timeout: float) -> int | None:
        """Polled at 3 ms a look: Podman's own wait polls every 250 ms."""
        deadline = time.monotonic() + timeout
        while True:
            seen = self.container(name)
            if seen is None:
                raise EngineError(f"Container {name} cannot be waited for", because="there is no such container")
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
