"""Docker's JSON in the engines' words, and theirs in Docker's (pure).

There are no pods here. One is a network of its own, in which containers find each other by their names. Containers that
share the network of another one, as in a pod, were tried on Docker 20.10. When dockerd is started again they may stay
dead (`cannot join network of a non running container`, and no restart policy tries again); and once that other one was
restarted, they sit in a network that is gone. In a network of their own each comes back by itself, and keeps its name
whatever address it gets: certificates and configuration files are the same as with a pod.
"""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any

from kesdeploy.engines import EVERY, Container, Image, Pod, Port, limits, meet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.engines import ContainerSpec, Mount, PodSpec

Raw = dict[str, Any]

# What a network cannot hold itself, until the containers come: as labels of ours.
PORTS, HOSTS = "pod.ports", "pod.hosts"
# A container's restart policy as its spec has it.
RESTART = "container.restart"
# While it runs, and while it is stopped. A signal, be it only SIGHUP, counts as a stop by hand: after it Docker 20.10
# starts a container with `unless-stopped` again neither when it crashes nor with its service.
RUNNING, STOPPED = "always", "unless-stopped"
# Seconds; as with every engine.
LEAST_STOP = 3
# Under either name a container finds its machine on every engine.
_MACHINE = ("host.docker.internal", "host.containers.internal")
_NEVER = "0001-"
_STATES = {"restarting": "exited", "dead": "exited"}
_KNOWN = ("created", "running", "paused", "exited")


def label_filters(labels: Mapping[str, str]) -> str:
    """The `filters` parameter: all of these labels; an empty value asks for presence alone."""
    wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
    return json.dumps({"label": wanted} if wanted else {})


def pod_filters(labels: Mapping[str, str]) -> str:
    return label_filters({PORTS: "", **labels})


def network(spec: PodSpec) -> Raw:
    """The body of `POST /networks/create`. Without the check a second one of that name would be made."""
    hosts = [[name, address] for name, address in spec.hosts if not ipaddress.ip_address(address).is_loopback]
    ports = [[port.host_ip, port.host, port.container] for port in spec.ports]
    labels = {**spec.labels, PORTS: json.dumps(ports), HOSTS: json.dumps(hosts)}
    return {"Name": spec.name, "CheckDuplicate": True, "Driver": "bridge", "Labels": labels}


def pod(raw: Raw, members: list[Raw]) -> Pod:
    """A network, with its containers of `GET /containers/json`: broken when one of them runs outside of it."""
    running = [c for c in members if c["State"] == "running"]
    state = "running" if running else "created" if not members else "exited"
    return Pod(raw["Id"], raw["Name"], state, any(not attached(c, raw) for c in running), _theirs(raw["Labels"]))


def _theirs(labels: Mapping[str, str] | None) -> dict[str, str]:
    """All but our own."""
    return {name: value for name, value in (labels or {}).items() if name not in (PORTS, HOSTS, RESTART)}


def attached(container: Raw, net: Raw) -> bool:
    here = container["NetworkSettings"]["Networks"].get(net["Name"]) or {}
    return bool(here.get("NetworkID") == net["Id"] and here.get("EndpointID"))


def ports(raw: Raw) -> tuple[Port, ...]:
    """What a pod publishes."""
    return tuple(Port(*entry) for entry in json.loads(raw["Labels"][PORTS]))


def creation(spec: ContainerSpec, net: Raw, *, selinux: bool = False, remapped: bool = False) -> Raw:
    """The body of `POST /containers/create`. Of the pod's ports those are published that this container serves."""
    published = [port for port in ports(net) if port.container in spec.serves]
    bindings: dict[str, list[Raw]] = {}
    for port in published:
        here = {"HostIp": port.host_ip, "HostPort": str(port.host)}
        bindings.setdefault(f"{port.container}/tcp", []).append(here)
    labelled = [mount for mount in spec.mounts if selinux and mount.relabel]
    hosts = [f"{name}:{address}" for name, address in json.loads(net["Labels"][HOSTS])]
    return {
        "Image": spec.image,
        "Entrypoint": list(spec.entrypoint),
        "Cmd": list(spec.command),
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "User": spec.user,
        "Labels": {**spec.labels, RESTART: spec.restart},
        "Tty": False,
        "Healthcheck": {"Test": ["NONE"]},
        # Given, only this one ends the restarts; otherwise any signal does.
        "StopSignal": "SIGTERM",
        "StopTimeout": max(spec.stop_timeout, LEAST_STOP),
        "ExposedPorts": {name: {} for name in bindings},
        "HostConfig": {
            "NetworkMode": spec.pod,
            "PortBindings": bindings,
            "RestartPolicy": {"Name": RUNNING if spec.restart == STOPPED else spec.restart},
            "ExtraHosts": [*hosts, *(f"{name}:host-gateway" for name in _MACHINE)],
            # Only in this form does Docker label a mount; in the other it does not make a folder of what is missing.
            "Binds": [_bind(mount) for mount in labelled],
            "Mounts": [_mount(mount) for mount in spec.mounts if mount not in labelled],
            **({"UsernsMode": "host"} if remapped else {}),
            **({"Memory": spec.memory} if spec.memory else {}),
            **({"CpuQuota": limits.quota(spec.cpus), "CpuPeriod": limits.PERIOD} if spec.cpus else {}),
        },
    }


def _bind(mount: Mount) -> str:
    return f"{mount.source}:{mount.target}:{'ro' if mount.read_only else 'rw'},z"


def _mount(mount: Mount) -> Raw:
    return {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}


def container(raw: Raw, *, pods: frozenset[str]) -> Container:
    """A container of `GET /containers/NAME/json`; `pods` are the networks that are one."""
    seen = raw["State"]
    status = _STATES.get(seen["Status"], seen["Status"])
    mode = raw["HostConfig"]["NetworkMode"]
    return Container(
        id=raw["Id"],
        name=raw["Name"].removeprefix("/"),
        pod=mode if mode in pods else "",
        image=raw["Config"]["Image"],
        image_id=raw["Image"].removeprefix("sha256:"),
        state=status if status in _KNOWN else "unknown",
        exit_code=seen["ExitCode"],
        started_at="" if seen["StartedAt"].startswith(_NEVER) else seen["StartedAt"],
        restarts=raw.get("RestartCount") or 0,
        labels=_theirs(raw["Config"].get("Labels")),
    )


def restarts(raw: Raw, *, running: bool) -> str:
    """The policy that a container of `GET /containers/NAME/json` should have from now on; empty: the one it has."""
    if (raw["Config"].get("Labels") or {}).get(RESTART) != STOPPED:
        return ""
    wanted = RUNNING if running else STOPPED
    return "" if raw["HostConfig"]["RestartPolicy"]["Name"] == wanted else wanted


def published(raw: Raw, ip: str) -> set[int]:
    """Ports of this machine that a container of `GET /containers/json` publishes at this address."""
    ports = [port for port in raw.get("Ports") or [] if port.get("PublicPort")]
    return {port["PublicPort"] for port in ports if meet(ip, port.get("IP") or EVERY[0])}


def image(raw: Raw) -> Image:
    digests = tuple(raw.get("RepoDigests") or ())
    return Image(
        id=raw["Id"].removeprefix("sha256:"),
        tags=tuple(raw.get("RepoTags") or ()),
        digest=digests[0].partition("@")[2] if digests else "",
        size=raw["Size"],
        architecture=raw["Architecture"],
        labels=(raw.get("Config") or {}).get("Labels") or {},
        digests=digests,
    )
