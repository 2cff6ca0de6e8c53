"""Podman's JSON in the engines' words (pure)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kesdeploy.engines import ALIVE, EVERY, Container, Image, Pod, limits, meet
from kesdeploy.engines.podman_ended import LOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kesdeploy.engines import ContainerSpec, Mount, PodSpec

Raw = dict[str, Any]

# Seconds; with less Podman 4 fights with itself over a container that is about to end (trap 11).
LEAST_STOP = 3

_STATES = {"configured": "created", "initialized": "created", "stopped": "exited", "stopping": "running"}
_KNOWN = ("created", "running", "paused", "exited")

# Podman takes the line of a container that ends (127.0.0.1 and its name) out of its pod's hosts file, and one of ours
# that reads the same goes with it. The whole of 127.0.0.0/8 is the same loopback.
_LASTING = {"127.0.0.1": "127.0.0.2"}


def label_filters(labels: Mapping[str, str]) -> str:
    """The `filters` parameter: all of these labels; an empty value asks for presence alone."""
    wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
    return json.dumps({"label": wanted} if wanted else {})


def name_filter(name: str) -> str:
    """Podman takes it for a regular expression that may match anywhere."""
    return json.dumps({"name": [f"^{name}$"]})


def pod_filter(ids: Iterable[str]) -> str:
    return json.dumps({"pod": list(ids)})


def pod_creation(spec: PodSpec) -> dict[str, Any]:
    """The body of `POST /pods/create`. Ports belong to the pod: a member that asks for one is refused.

    "Every address" is left out: given as one, netavark takes it for one, and its rules match nothing.
    """
    ports = [
        {
            "host_ip": "" if port.host_ip in EVERY else port.host_ip,
            "host_port": port.host,
            "container_port": port.container,
            "protocol": "tcp",
        }
        for port in spec.ports
    ]
    hosts = [f"{name}:{_LASTING.get(address, address)}" for name, address in spec.hosts]
    return {"name": spec.name, "labels": dict(spec.labels), "portmappings": ports, "hostadd": hosts}


def creation(spec: ContainerSpec) -> dict[str, Any]:
    """The arguments of podman-py's `containers.create`.

    Lists, as it neither splits nor joins commands. No `ulimits`: any would drop those of containers.conf (trap 5).
    Mounts in podman-py's own words: docker's `ReadOnly` is mounted writable (trap 9). No TTY.
    """
    return {
        "image": spec.image,
        "name": spec.name,
        "pod": spec.pod,
        "entrypoint": list(spec.entrypoint),
        "command": list(spec.command),
        "environment": dict(spec.environment),
        "mounts": [_mount(mount) for mount in spec.mounts],
        "user": spec.user,
        "labels": dict(spec.labels),
        "restart_policy": {"Name": spec.restart},
        "stop_timeout": max(spec.stop_timeout, LEAST_STOP),
        "tty": False,
        "healthcheck": {"Test": ["NONE"]},
        **({"mem_limit": spec.memory} if spec.memory else {}),
        **({"cpu_quota": limits.quota(spec.cpus), "cpu_period": limits.PERIOD} if spec.cpus else {}),
    }


def _mount(mount: Mount) -> dict[str, Any]:
    found = {"type": "bind", "source": mount.source, "target": mount.target, "read_only": mount.read_only}
    return found | ({"relabel": "z"} if mount.relabel else {})


def state(raw: str) -> str:
    word = _STATES.get(raw.lower(), raw.lower())
    return word if word in _KNOWN else "unknown"


def listed_container(raw: Raw) -> Container:
    """A container of `GET /containers/json`. Podman 4 does not count restarts there: 0."""
    return Container(
        id=raw["Id"],
        name=raw["Names"][0],
        pod=raw.get("PodName") or "",
        image=raw["Image"],
        image_id=raw["ImageID"],
        state=state(raw["State"]),
        exit_code=raw["ExitCode"],
        started_at=_moment(raw["StartedAt"]),
        restarts=raw.get("Restarts") or 0,
        labels=raw.get("Labels") or {},
    )


def published(raw: Raw, ip: str) -> set[int]:
    """Ports that a container of `GET /containers/json` publishes at this address; neighbours come as one range."""
    ports = [port for port in raw.get("Ports") or [] if meet(ip, port.get("host_ip") or EVERY[0])]
    return {port["host_port"] + offset for port in ports for offset in range(port.get("range") or 1)}


def who(raw: Raw) -> str:
    """The pod, or the container that is in none, of `GET /containers/json`."""
    return f"pod {raw['PodName']}" if raw.get("PodName") else f"container {raw['Names'][0]}"


def inspected_container(raw: Raw, pod: str) -> Container:
    """A container of `GET /containers/NAME/json`, which knows its pod's id only."""
    seen = raw["State"]
    never = seen["StartedAt"].startswith("0001-")
    return Container(
        id=raw["Id"],
        name=raw["Name"],
        pod=pod,
        image=raw["ImageName"],
        image_id=raw["Image"],
        state=state(seen["Status"]),
        exit_code=seen["ExitCode"],
        started_at="" if never else seen["StartedAt"],
        restarts=raw.get("RestartCount") or 0,
        labels=raw["Config"].get("Labels") or {},
    )


def listed_pod(raw: Raw, containers: Iterable[Raw]) -> Pod:
    """A pod of `GET /pods/json`, with the containers of `GET /containers/json`."""
    members = [c for c in containers if c.get("Pod") == raw["Id"]]
    dead = any(LOST in c for c in members) or not any(c["IsInfra"] for c in members)
    lost = dead and not any(c["State"] == "running" for c in members)
    return Pod(raw["Id"], raw["Name"], raw["Status"].lower(), _is_broken(members), raw.get("Labels") or {}, lost=lost)


def _is_broken(members: list[Raw]) -> bool:
    """Somebody runs without the network that the infra container holds: it died, or was started anew after them.

    Podman calls such a pod Running after `pod start`, and its published ports are dead.
    """
    running = [c for c in members if not c["IsInfra"] and c["State"] == "running"]
    infra = next((c for c in members if c["IsInfra"]), None)
    if not running:
        return False
    if infra is None or infra["State"] not in ALIVE:
        return True
    return any(c["StartedAt"] < infra["StartedAt"] for c in running)


def image(raw: Raw) -> Image:
    return Image(
        id=raw["Id"].removeprefix("sha256:"),
        tags=tuple(raw.get("RepoTags") or ()),
        digest=raw.get("Digest") or "",
        size=raw["Size"],
        architecture=raw["Architecture"],
        labels=raw.get("Labels") or {},
        digests=tuple(raw.get("RepoDigests") or ()),
    )


def _moment(seconds: int) -> str:
    """RFC 3339; empty for a container that never ran (Go's zero time)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z") if seconds > 0 else ""
