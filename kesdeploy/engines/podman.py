"""Podman through podman-py. What podman-py lacks or gets wrong is handled here and in the modules beside this one."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from kesdeploy.engines import EngineInfo, ExecResult, podman_address, podman_read
from kesdeploy.engines.podman_door import Call, Door, Refused, TimedOut
from kesdeploy.engines.podman_images import PodmanImages
from kesdeploy.engines.podman_read import LEAST_STOP
from kesdeploy.engines.podman_service import Companion, OwnService, Tunnel
from kesdeploy.engines.podman_stream import chunks, frames, log_lines
from kesdeploy.errors import EngineError, ImageError, PortTaken
from kesdeploy.ports import holder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kesdeploy.engines import Container, ContainerSpec, LogLine, Pod, PodSpec
    from kesdeploy.engines.podman_address import Address

_NOT_FOUND = 404
_REMOVALS = 3
_POLL = 0.05
_TAKEN = re.compile(r"(\S+):(\d+): bind: address already in use")


class Podman(PodmanImages):
    """Implements `Engine` for one Podman."""

    def __init__(self, address: Address) -> None:
        """Connects, or starts a service of its own where none listens; EngineError when that fails."""
        self._address = address
        self._companion = _companion(address)
        if self._companion:
            self._companion.ensure()
        self._url = self._companion.url if self._companion else address.url
        super().__init__(Door(self._url, self._companion))
        try:
            self._version = self._ping()
        except EngineError:
            self.close()
            raise

    @classmethod
    def open(cls) -> Podman:
        """The Podman that Podman's own rules point to."""
        return cls(podman_address.find())

    def info(self) -> EngineInfo:
        return EngineInfo(
            name="podman",
            version=self._version,
            address=self._address.url or "local",
            rootless=_is_rootless(self._address.url),
            remote=self._remote,
            reason=self._address.reason,
        )

    def close(self) -> None:
        if self._companion:
            self._companion.close()

    @property
    def _remote(self) -> bool:
        """Whether its containers see other files than we do."""
        return bool(self._address.url) and urlsplit(self._address.url).scheme != "unix"

    def _ping(self) -> str:
        """The header costs under 1 ms; `version` and `info` shell out (245 and 150 ms)."""
        call = Call(f"Podman does not answer on {self._url}", "HEAD", "/_ping", timeout=20)
        return str(self._door.send(call).headers.get("Libpod-Api-Version", ""))

    # pods

    def pods(self, labels: Mapping[str, str]) -> tuple[Pod, ...]:
        query = {"filters": podman_read.label_filters(labels)}
        return self._with_members(self._door.json(Call("Pods cannot be listed", "GET", "/pods/json", query)))

    def pod(self, name: str) -> Pod | None:
        query = {"filters": podman_read.name_filter(name)}
        found = self._door.json(Call(f"Pod {name} cannot be read", "GET", "/pods/json", query))
        return next(iter(self._with_members([raw for raw in found if raw["Name"] == name])), None)

    def _with_members(self, pods: list[podman_read.Raw]) -> tuple[Pod, ...]:
        if not pods:
            return ()
        members = self._listed(podman_read.pod_filter(raw["Id"] for raw in pods))
        return tuple(podman_read.listed_pod(raw, members) for raw in pods)

    def create_pod(self, spec: PodSpec) -> None:
        ports = [
            {"host_ip": port.host_ip, "host_port": port.host, "container_port": port.container, "protocol": "tcp"}
            for port in spec.ports
        ]
        body = {
            "name": spec.name,
            "labels": dict(spec.labels),
            "portmappings": ports,
            "hostadd": [f"{name}:{address}" for name, address in spec.hosts],
        }
        call = Call(f"Pod {spec.name} cannot be created", "POST", "/pods/create", body=body)
        self._settled(call, lambda: self.pod(spec.name) is not None)

    def restart_pod(self, name: str) -> None:
        """All that ran is stopped side by side, then started in the order in which it was started before.

        `pod restart` would start in any order; starting a member starts the network first.
        """
        found = self.pod(name)
        members = self._listed(podman_read.pod_filter([found.id])) if found else []
        ran = [c for c in members if not c["IsInfra"] and c["State"] == "running"]
        seen = sorted((self._inspect(c["Id"]) for c in ran), key=lambda raw: str(raw and raw["State"]["StartedAt"]))
        self._stop_pod(name, LEAST_STOP)
        for raw in seen:
            if raw:
                self.start(raw["Name"])

    def remove_pod(self, name: str, *, stop_timeout: int) -> None:
        grace = max(stop_timeout, LEAST_STOP)
        call = Call(
            f"Pod {name} cannot be removed",
            "DELETE",
            f"/pods/{quote(name)}",
            {"force": True, "timeout": grace},
            timeout=grace * 4 + 60,
        )
        for left in reversed(range(_REMOVALS)):
            try:
                self._stop_pod(name, grace)  # side by side; removal alone would stop one after the other (trap 4)
                self._gone_is_fine(call)
            except Refused:
                if not left:
                    raise
                time.sleep(0.2)
            else:
                return

    def _stop_pod(self, name: str, grace: int) -> None:
        call = Call(
            f"Pod {name} cannot be stopped", "POST", f"/pods/{quote(name)}/stop", {"t": grace}, timeout=grace + 60
        )
        self._gone_is_fine(call)

    # containers

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        found = self._listed(podman_read.label_filters(labels))
        return tuple(podman_read.listed_container(raw) for raw in found if not raw["IsInfra"])

    def container(self, name: str) -> Container | None:
        raw = self._inspect(name)
        if raw is None or raw["Name"] != name:  # Podman also takes the beginning of an id for a name
            return None
        pod = self._pod_name(raw["Pod"]) if raw.get("Pod") else ""
        return podman_read.inspected_container(raw, pod)

    def create(self, spec: ContainerSpec) -> None:
        what = f"Container {spec.name} cannot be created"
        if self.image(spec.image) is None:  # Podman 4 answers 500, and a start would not pull (trap 2)
            raise ImageError(
                what, because=f"image {spec.image} is not in the local store", hint=f"podman pull {spec.image}"
            )
        if not self._remote:
            _check_sources(spec, what)
        arguments = podman_read.creation(spec)
        try:
            self._door.do(what, lambda client: client.containers.create(**arguments))
        except TimedOut:
            if not self._came_true(lambda: self.container(spec.name) is not None):
                raise

    def start(self, name: str) -> None:
        """Starting a member of a pod also starts the pod's network."""
        call = Call(f"Container {name} cannot be started", "POST", f"/containers/{quote(name)}/start")
        try:
            self._settled(call, lambda: self._is(name, "running"))
        except Refused as refusal:
            raise self._port_taken(refusal) or refusal from refusal

    def stop(self, name: str, *, timeout: int) -> None:
        grace = max(timeout, LEAST_STOP)
        path = f"/containers/{quote(name)}/stop"
        call = Call(f"Container {name} cannot be stopped", "POST", path, {"timeout": grace}, timeout=grace + 30)
        self._settled(call, lambda: self._is(name, "exited"))

    def remove(self, name: str) -> None:
        query = {"force": True, "v": True, "timeout": LEAST_STOP}
        call = Call(f"Container {name} cannot be removed", "DELETE", f"/containers/{quote(name)}", query)
        for left in reversed(range(_REMOVALS)):
            try:
                return self._gone_is_fine(call)
            except Refused:
                if not left:
                    raise
                time.sleep(0.2)
        return None

    def signal(self, name: str, signal: str) -> None:
        call = Call(f"{signal} cannot be sent to {name}", "POST", f"/containers/{quote(name)}/kill", {"signal": signal})
        self._door.send(call)

    def logs(
        self, name: str, *, tail: int | None = None, since: int | None = None, follow: bool = False
    ) -> Iterator[LogLine]:
        what = f"The log of {name} cannot be read"
        query: dict[str, Any] = {"stdout": True, "stderr": True, "timestamps": True, "follow": follow}
        query |= {key: value for key, value in (("tail", tail), ("since", since)) if value is not None}
        path = f"/containers/{quote(name)}/logs"
        call = Call(what, "GET", path, query, timeout=None if follow else 60, stream=True)
        return log_lines(chunks(self._door.send(call), what))

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
        """Polled at 1.4 ms a look: Podman's own wait polls every 250 ms."""
        deadline = time.monotonic() + timeout
        while True:
            seen = self.container(name)
            if seen is None:
                raise EngineError(f"Container {name} cannot be waited for", because="there is no such container")
            if seen.state == "exited":
                return seen.exit_code
            if time.monotonic() >= deadline:
                return None
            time.sleep(_POLL)

    def run_args(self, pod: str) -> tuple[str, ...]:
        url = () if self._is_local_cli() else ("--url", self._url)
        return ("podman", *url, "run", "--rm", "-i", "--pod", pod)

    def _is_local_cli(self) -> bool:
        """Whether a plain `podman` sees the same containers without any service."""
        if not self._address.url:
            return True
        return self._address.url == f"unix://{podman_address.own_socket()}" and "CONTAINER_HOST" not in os.environ

    # what these share

    def _listed(self, filters: str) -> list[podman_read.Raw]:
        query = {"all": True, "filters": filters}
        found: list[podman_read.Raw] = self._door.json(
            Call("Containers cannot be listed", "GET", "/containers/json", query)
        )
        return found

    def _inspect(self, name: str) -> podman_read.Raw | None:
        call = Call(f"Container {name} cannot be read", "GET", f"/containers/{quote(name)}/json")
        try:
            found: podman_read.Raw = self._door.json(call)
        except Refused as refusal:
            if refusal.status == _NOT_FOUND:
                return None
            raise
        return found

    def _pod_name(self, identifier: str) -> str:
        call = Call("Pods cannot be listed", "GET", f"/pods/{identifier}/json")
        return str(self._door.json(call)["Name"])

    def _is(self, name: str, state: str) -> bool:
        seen = self.container(name)
        return seen is not None and seen.state == state

    def _settled(self, call: Call, done: Callable[[], bool]) -> None:
        """Send it; after a time-out look whether it happened all the same (the server carries on)."""
        try:
            self._door.send(call)
        except TimedOut:
            if not self._came_true(done):
                raise

    def _came_true(self, done: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + 10
        while not (true := done()) and time.monotonic() < deadline:
            time.sleep(_POLL)
        return true

    def _gone_is_fine(self, call: Call) -> None:
        try:
            self._door.send(call)
        except Refused as refusal:
            if refusal.status != _NOT_FOUND:
                raise

    def _port_taken(self, refusal: Refused) -> PortTaken | None:
        clash = _TAKEN.search(refusal.because)
        if clash is None:
            return None
        port = int(clash[2])
        who = holder(port)
        return PortTaken(
            f"Port {port} is taken" + (f" by {who}" if who else ""),
            because=refusal.because,
            hint=f"end that process, or choose another port (ss -ltnp 'sport = :{port}' shows who has it)",
        )


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


def _check_sources(spec: ContainerSpec, what: str) -> None:
    missing = [mount.source for mount in spec.mounts if not Path(mount.source).exists()]
    if missing:
        raise EngineError(what, because=f"{', '.join(missing)} does not exist")
