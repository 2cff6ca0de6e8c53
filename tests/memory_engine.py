"""An engine that only remembers: for tests of order and of decisions, never of whether anything works."""

from __future__ import annotations

import io
import tarfile
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kesdeploy.engines import EVERY, Container, ContainerSpec, EngineInfo, ExecResult, Image, LogLine, Pod, PodSpec
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from kesdeploy.engines import Progress


@dataclass
class MemoryEngine:
    """`calls` is what was asked to change, in order; `fail` maps such a call to the error that it raises."""

    rootless: bool = False
    most: int = 2**40
    """Bytes of memory that a container may be limited to."""
    identity: str = ""
    runtime: str = ""
    calls: list[tuple[str, ...]] = field(default_factory=list)
    fail: dict[tuple[str, ...], BaseException] = field(default_factory=dict)
    on_call: Callable[[tuple[str, ...]], None] = lambda _: None
    known: dict[str, Image] = field(default_factory=dict)
    _pods: dict[str, Pod] = field(default_factory=dict)
    _containers: dict[str, Container] = field(default_factory=dict)
    specs: dict[str, ContainerSpec | PodSpec] = field(default_factory=dict)
    publishes: dict[int, Pod | Container] = field(default_factory=dict)
    _logs: dict[str, list[LogLine]] = field(default_factory=dict)
    _mutex: Any = field(default_factory=threading.RLock)

    def _did(self, *call: str) -> None:
        with self._mutex:
            self.calls.append(call)
            if call in self.fail:
                raise self.fail.pop(call)
        self.on_call(call)

    def says(self, name: str, text: str) -> None:
        """A line in a container's log."""
        lines = self._logs.setdefault(name, [])
        lines.append(LogLine(f"2026-01-01T00:00:{len(lines):02d}Z", "stdout", text))

    def forgets_its_log(self, name: str) -> None:
        self._logs[name] = []

    def dies(self, name: str, code: int = 1) -> None:
        self._containers[name] = replace(self._containers[name], state="exited", exit_code=code)

    def renames(self, old: str, new: str) -> None:
        self._containers[new] = replace(self._containers.pop(old), name=new)

    def pauses(self, name: str) -> None:
        self._containers[name] = replace(self._containers[name], state="paused")

    def breaks(self, pod: str) -> None:
        self._pods[pod] = replace(self._pods[pod], broken=True)

    # --- engines.Engine

    def info(self) -> EngineInfo:
        return EngineInfo(
            "podman",
            "4.3.1",
            "memory",
            self.rootless,
            remote=False,
            reason="asked for",
            identity=self.identity,
            runtime=self.runtime,
        )

    def image(self, reference: str) -> Image | None:
        return self.known.get(reference)

    def pull(self, reference: str, *, stall: float, progress: Progress) -> Image:
        raise EngineError(f"cannot pull {reference}")

    def push(self, reference: str, *, stall: float, progress: Progress) -> str:
        raise EngineError(f"cannot push {reference}")

    def load(self, archive: Path) -> tuple[str, ...]:
        raise EngineError("no")

    def save(self, references: tuple[str, ...], archive: Path) -> None:
        raise EngineError("no")

    def import_image(self, root: Path, reference: str, *, changes: tuple[str, ...] = ()) -> Image:
        raise EngineError("no")

    def tag(self, reference: str, new: str) -> None:
        self.known[new] = self.known[reference]

    def remove_image(self, reference: str) -> None:
        self.known.pop(reference, None)

    def pods(self, labels: Mapping[str, str]) -> tuple[Pod, ...]:
        return tuple(p for p in self._pods.values() if _carries(p.labels, labels))

    def pod(self, name: str) -> Pod | None:
        return self._pods.get(name)

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        return tuple(c for c in self._containers.values() if _carries(c.labels, labels))

    def container(self, name: str) -> Container | None:
        return self._containers.get(name)

    def publishers(self, numbers: Collection[int], ip: str = EVERY[0]) -> dict[int, Pod | Container]:
        pods = {
            published.host: self._pods[name]
            for name, spec in self.specs.items()
            if name in self._pods and isinstance(spec, PodSpec)
            for published in spec.ports
        }
        return {port: who for port, who in {**pods, **self.publishes}.items() if port in numbers}

    def create_pod(self, spec: PodSpec) -> None:
        self._did("create_pod", spec.name)
        if spec.name in self._pods:
            raise EngineError(f"pod {spec.name} exists")
        self.specs[spec.name] = spec
        self._pods[spec.name] = Pod(spec.name, spec.name, "created", broken=False, labels=spec.labels)

    def restart_pod(self, name: str) -> None:
        self._did("restart_pod", name)
        self._pods[name] = replace(self._pods[name], broken=False)

    def remove_pod(self, name: str, *, stop_timeout: int) -> None:
        self._did("remove_pod", name)
        self._pods.pop(name, None)
        self._containers = {n: c for n, c in self._containers.items() if c.pod != name}

    def check(self, spec: ContainerSpec) -> None:
        if spec.memory > self.most:
            raise EngineError(f"cannot create {spec.name}", because="limits are ignored here")

    def create(self, spec: ContainerSpec) -> None:
        self.check(spec)
        self._did("create", spec.name)
        if spec.name in self._containers or spec.pod not in self._pods:
            raise EngineError(f"cannot create {spec.name}")
        self.specs[spec.name] = spec
        self._containers[spec.name] = Container(
            spec.name, spec.name, spec.pod, spec.image, spec.image, "created", 0, "", 0, spec.labels
        )

    def start(self, name: str) -> None:
        self._did("start", name)
        now = f"2026-01-01T00:00:{self.calls.count(('start', name)) - 1:02d}Z"
        started = replace(self._containers[name], state="running", started_at=now)
        self._containers[name] = started

    def stop(self, name: str, *, timeout: int) -> None:
        self._did("stop", name)
        if name in self._containers:
            self.dies(name, 0)

    def remove(self, name: str) -> None:
        self._did("remove", name)
        self._containers.pop(name, None)

    def signal(self, name: str, signal: str) -> None:
        self._did("signal", name, signal)
        if signal == "SIGKILL":
            self.dies(name, 137)

    def logs(
        self, name: str, *, tail: int | None = None, since: int | None = None, follow: bool = False
    ) -> Iterator[LogLine]:
        lines = self._logs.get(name, [])
        return iter(list(lines) if tail is None else lines[len(lines) - min(tail, len(lines)) :])

    def exec(self, name: str, argv: tuple[str, ...], *, timeout: float) -> ExecResult:
        return ExecResult(0, b"", b"")

    def wait(self, name: str, *, timeout: float) -> int | None:
        return self._containers[name].exit_code

    def run_args(self, beside: str) -> tuple[str, ...]:
        return ("podman", "run", "--rm", "-i", "--beside", beside)

    def close(self) -> None:
        self.calls.append(("close",))


class ArchivingEngine(MemoryEngine):
    """One whose archives say what was saved: a file with a line a reference."""

    def save(self, references: tuple[str, ...], archive: Path) -> None:
        body = "\n".join(references).encode()
        member = tarfile.TarInfo("names")
        member.size = len(body)
        with tarfile.open(archive, "w") as tar:
            tar.addfile(member, io.BytesIO(body))

    def load(self, archive: Path) -> tuple[str, ...]:
        with tarfile.open(archive) as tar:
            names = tar.extractfile("names")
            assert names
            references = tuple(names.read().decode().split("\n"))
        self.known |= {name: Image(f"id-{name}", (name,), "", 1, "amd64", {}) for name in references}
        return references


def _carries(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(name in labels and (not value or labels[name] == value) for name, value in wanted.items())
