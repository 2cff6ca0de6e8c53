"""Containers, pods and images, in words that every engine shares.

An engine knows nothing of what runs in the containers: callers bring the names, labels and commands. An
engine is what implements `Engine`, with a line in `choose`; its quirks stay in its own modules.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


# Each of the machine's addresses, of the old kind and of the new.
EVERY = ("0.0.0.0", "::")


def meet(ip: str, other: str) -> bool:
    """Whether two that publish a port at these addresses are in each other's way."""
    return ip == other or ip in EVERY or other in EVERY


@dataclass(frozen=True)
class Port:
    """A published TCP port."""

    host_ip: str
    host: int
    container: int


@dataclass(frozen=True)
class Mount:
    """A bind mount of a present folder. `relabel` asks for a shared SELinux label, harmless where SELinux is off."""

    source: str
    target: str
    read_only: bool = True
    relabel: bool = True


@dataclass(frozen=True)
class PodSpec:
    """Containers that find each other by their names, and publish these ports between them.

    Whether they share one network namespace is the engine's affair. hosts: extra names, as (name, address); an address
    of the loopback is a member, by the name of its container.
    """

    name: str
    ports: tuple[Port, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ContainerSpec:
    """One container. `user` is `uid:gid` as seen inside; `stop_timeout` is in seconds.

    serves: those of the pod's ports (inside) that it listens on.
    memory, cpus: at most so many bytes and processors; 0 without a limit.

    A HEALTHCHECK of the image does not run. Written for other ports, or without TLS, it calls unhealthy what is well,
    and some tools restart what is called so; where no systemd runs, Podman complains of every one.
    """

    name: str
    pod: str
    image: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    user: str
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    restart: str = "unless-stopped"
    stop_timeout: int = 10
    serves: tuple[int, ...] = ()
    memory: int = 0
    cpus: float = 0


# States of a container that has its processes, and its ports.
ALIVE = ("running", "paused")


@dataclass(frozen=True)
class Container:
    """A container as the engine sees it now. `state` is one of created, running, paused, exited, unknown."""

    id: str
    name: str
    pod: str
    image: str
    image_id: str
    state: str
    exit_code: int
    started_at: str
    restarts: int
    labels: Mapping[str, str]

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def alive(self) -> bool:
        return self.state in ALIVE


@dataclass(frozen=True)
class Pod:
    """A pod as the engine sees it now. `broken`: its network is gone though it claims to run; it must be restarted.

    lost: nothing of it is left though it claims to run; the engine can only remove it.
    """

    id: str
    name: str
    state: str
    broken: bool
    labels: Mapping[str, str]
    lost: bool = False


@dataclass(frozen=True)
class Image:
    """An image of the local store. `size` is in bytes, `digest` is `sha256:…` or empty.

    `digests` are all that registries know it by, as `REPOSITORY@sha256:…`: that of the index, and that of its platform.
    """

    id: str
    tags: tuple[str, ...]
    digest: str
    size: int
    architecture: str
    labels: Mapping[str, str]
    digests: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineInfo:
    """Which engine answers, and where. `reason` says why it was chosen.

    identity: tells it from another of its kind behind the same address; empty where the engine does not tell.
    runtime: the folder of what runs, where that may be another one the next time; else empty.
    """

    name: str
    version: str
    address: str
    rootless: bool
    remote: bool
    reason: str
    identity: str = ""
    runtime: str = ""


@dataclass(frozen=True)
class LogLine:
    """One line of a container. `time` is RFC 3339, `stream` is stdout or stderr."""

    time: str
    stream: str
    text: str


@dataclass(frozen=True)
class ExecResult:
    exit_code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Transfer:
    """A line about a pull or push. `done` and `total` are the bytes of `layer`, where the engine counts them."""

    text: str
    layer: str = ""
    done: int = 0
    total: int = 0


Progress = Callable[[Transfer], None]


class Engine(Protocol):
    """What kesdeploy asks of Podman or Docker, from any thread.

    Every refusal is an EngineError (ImageError for images) with the engine's words. All calls are safe to repeat:
    creating what exists with the same name raises, stopping what is stopped and removing what is gone do not.
    """

    def info(self) -> EngineInfo:
        """Who answers, cheaply (no shelling out)."""

    def image(self, reference: str) -> Image | None:
        """The image of that tag, digest or id in the local store, or None."""

    def pull(self, reference: str, *, stall: float, progress: Progress) -> Image:
        """Pull `NAME:TAG` or `NAME@sha256:…`, or ImageError; given up after `stall` seconds without a word.

        The engine's own login for that registry is used. What is pulled by digest is what that digest says.
        """

    def push(self, reference: str, *, stall: float, progress: Progress) -> str:
        """Push under that name, with the engine's own login; the `sha256:…` that the registry has it by. ImageError."""

    def load(self, archive: Path) -> tuple[str, ...]:
        """Load a docker/OCI archive; gives the references it held."""

    def save(self, references: tuple[str, ...], archive: Path) -> None:
        """Write the images with their tags as one archive."""

    def import_image(self, root: Path, reference: str, *, changes: tuple[str, ...] = ()) -> Image:
        """Make an image of one layer from `root`, the tar of a root file system. `changes` are Dockerfile lines."""

    def tag(self, reference: str, new: str) -> None:
        """Give an image another name."""

    def remove_image(self, reference: str) -> None: ...

    def pods(self, labels: Mapping[str, str]) -> tuple[Pod, ...]:
        """Pods that carry all these labels; a value of "" asks for the label's presence alone."""

    def pod(self, name: str) -> Pod | None: ...

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """Containers, running or not, that carry all these labels (infrastructure containers left out).

        Podman 4 counts restarts only for `container`; here they are 0.
        """

    def container(self, name: str) -> Container | None: ...

    def publishers(self, numbers: Collection[int], ip: str = EVERY[0]) -> dict[int, Pod | Container]:
        """Who of this engine's pods and containers publishes these ports of the machine, as far as one of them does.

        Those that run, and those of which nothing is left: the engine's rules still lead to them, without a listener.
        ip: at this address; those of EVERY stand for each.
        """

    def create_pod(self, spec: PodSpec) -> None:
        """Make it and bring its network up; PortTaken when a published port is held."""

    def restart_pod(self, name: str) -> None:
        """Repair a pod whose network is gone: what ran is stopped, then started in the order of its last start."""

    def remove_pod(self, name: str, *, stop_timeout: int) -> None:
        """Stop its containers side by side, then remove pod, containers and their anonymous volumes."""

    def check(self, spec: ContainerSpec) -> None:
        """Raises what `create` would, as far as can be told before: no image, no mounted folder, no such limits."""

    def create(self, spec: ContainerSpec) -> None: ...

    def start(self, name: str) -> None:
        """Start it, its pod's network first; one that was paused goes on.

        Raises PortTaken when a port of the pod is held by somebody else.
        """

    def stop(self, name: str, *, timeout: int) -> None:
        """SIGTERM, and SIGKILL after `timeout` seconds (3 at the least)."""

    def remove(self, name: str) -> None: ...

    def signal(self, name: str, signal: str) -> None:
        """Send e.g. SIGHUP to the container's first process."""

    def logs(
        self, name: str, *, tail: int | None = None, since: int | None = None, follow: bool = False
    ) -> Iterator[LogLine]:
        """Lines in order, oldest first. `since` is a Unix time in seconds."""

    def exec(self, name: str, argv: tuple[str, ...], *, timeout: float) -> ExecResult: ...

    def wait(self, name: str, *, timeout: float) -> int | None:
        """The exit code once it has exited, or None after `timeout` seconds."""

    def run_args(self, beside: str) -> tuple[str, ...]:
        """The engine's own command line for a one-shot container with stdin, in the network of the container `beside`.

        It may write to mounts alone: what it put anywhere else would be gone with it. EngineError without that command.
        """

    def close(self) -> None:
        """Give back what was opened for this command (a service that was started for it ends here)."""
