"""Ports that somebody else has: who that is, and the next thing to type."""

from __future__ import annotations

import re
import shlex
from contextlib import closing
from typing import TYPE_CHECKING

from kesdeploy import ports
from kesdeploy.deployment import FOLDER, LABEL
from kesdeploy.engines import Pod
from kesdeploy.engines.choose import open_engine
from kesdeploy.errors import EngineError, PortTaken, UsageError
from kesdeploy.home import Home
from kesdeploy.neighbours import claimed
from kesdeploy.plan import Verb
from kesdeploy.resources import Pod as PodBody
from kesdeploy.spec import Network
from kesdeploy.topology import POD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kesdeploy.deployment import Deployment
    from kesdeploy.engines import Engine
    from kesdeploy.plan import Plan

_STEP = 100
_OFFSETS = range(_STEP, 50000, _STEP)
_HIGHEST = 65535
_PORT_FLAGS = ("--s3-port", "--console-port", "--kes-port", "--vault-port", "--port-offset")
_SET_PORT = re.compile(r"network\.\w+_port=")
_PORT_GIVEN = tuple(f"{flag}=" for flag in _PORT_FLAGS)


def refuse_taken_ports(deployment: Deployment, plan: Plan, typed: Sequence[str] = ()) -> None:
    """Raises PortTaken before anything is made: the engine would say so only when the rest is there already.

    typed: the words of the command, which is to be typed again with other ports.
    """
    wanted = next((c.resource.body for c in plan.changes if c.resource and isinstance(c.resource.body, PodBody)), None)
    if plan.empty or wanted is None:
        return
    bind = deployment.spec.network.bind
    if not ports.is_here(bind):
        raise UsageError(
            f"{bind} is no address of this machine", hint="--bind 0.0.0.0 for all of them; `ip address` lists them"
        )
    _refuse_roots_ports(deployment, [p.host for p in wanted.ports])
    if held := _held(deployment, [p.host for p in wanted.ports]):
        raise _refusal(deployment, held, typed)
    if plan.change(POD).verb in (Verb.CREATE, Verb.REPLACE):
        _warn_of_neighbours(deployment, [p.host for p in wanted.ports])


def _warn_of_neighbours(deployment: Deployment, wanted: list[int]) -> None:
    """A port of a deployment that is stopped is free, and that one could not be started any more."""
    theirs = claimed(but=deployment.name)
    shared: dict[str, list[str]] = {}
    for port in wanted:
        if port in theirs:
            shared.setdefault(theirs[port], []).append(str(port))
    for name, numbers in shared.items():
        apart = f"kesdeploy up -n {deployment.name} --port-offset {_next_offset(deployment.spec.network)}"
        deployment.report.warn(
            f"the deployment {name!r} has port {', '.join(numbers)} too: only one of the two can run (apart: {apart})"
        )


def _refuse_roots_ports(deployment: Deployment, wanted: list[int]) -> None:
    """A rootless engine may publish no port that the system keeps for root; it says so when the rest is there."""
    info = deployment.engine.info()
    lowest = ports.lowest()
    low = [port for port in wanted if port < lowest]
    if not low or not info.rootless or info.remote:
        return
    flags = {port: f"--{name.replace('_', '-')}" for name, port in deployment.spec.network if name.endswith("_port")}
    higher = " ".join(f"{flags[port]} {port + 8000}" for port in low)
    raise UsageError(
        f"{'port' if len(low) == 1 else 'ports'} {', '.join(map(str, low))}: not without root",
        because=f"{info.name} runs without root here, and ports below {lowest} are root's",
        hint=f"{higher}; or: sudo sysctl net.ipv4.ip_unprivileged_port_start={min(low)}",
    )


def _held(deployment: Deployment, wanted: list[int]) -> list[int]:
    """Those that others have. Our own pod has them while the deployment is stopped, too."""
    bind, ours = deployment.spec.network.bind, deployment.labels.items()
    found = deployment.engine.publishers(wanted, bind)

    def free(port: int) -> bool:
        return ours <= found[port].labels.items() if port in found else ports.is_free(bind, port)

    return [port for port in wanted if not free(port)]


def _refusal(deployment: Deployment, held: list[int], typed: Sequence[str]) -> PortTaken:
    holders: dict[str, list[str]] = {}
    for port in held:
        holders.setdefault(holder(deployment.engine, port), []).append(str(port))
    known = deployment.home.spec.exists() or not typed
    command = f"kesdeploy up -n {deployment.name}" if known else shlex.join(["kesdeploy", *_without_ports(typed)])
    numbers = ", ".join(map(str, held))
    return PortTaken(
        f"port {numbers} is taken" if len(held) == 1 else f"ports {numbers} are taken",
        because="held: " + "; ".join(f"{', '.join(some)} by {who}" for who, some in holders.items()),
        hint=f"{command} --port-offset {_next_offset(deployment.spec.network)}",
    )


def _without_ports(words: Sequence[str]) -> list[str]:
    """A port that is given by itself would stand over the offset."""
    kept: list[str] = []
    for word in words:
        before = kept[-1] if kept else ""
        if before in _PORT_FLAGS or (before == "--set" and _SET_PORT.match(word)):
            kept.pop()
        elif not (word.startswith(_PORT_GIVEN) or _SET_PORT.match(word.removeprefix("--set="))):
            kept.append(word)
    return kept


def holder(engine: Engine, port: int) -> str:
    """Whoever publishes the port, or listens on it: a deployment, a pod, a container, or a process."""
    found = engine.publishers([port]).get(port)
    if found is None:
        return ports.holder(port) or "another process"
    if name := found.labels.get(LABEL):
        folder = found.labels.get(FOLDER, "")
        return f"the deployment {name!r}" + ("" if folder == str(Home.of(name).root) else f" of {folder}")
    return f"the {'pod' if isinstance(found, Pod) else 'container'} {found.name}"


def taken(ip: str, port: int) -> str:
    """Who has the port of this address, or an empty string when it is free. Asks the engine when there is one."""
    if ports.is_free(ip, port):
        return ""
    try:
        with closing(open_engine("auto")) as engine:
            return holder(engine, port)
    except EngineError:
        return ports.holder(port) or "another process"


def spoken_for(ip: str, port: int) -> str:
    """The same, and a deployment that is stopped and will want it again."""
    name = claimed().get(port)
    return taken(ip, port) or (f"the deployment {name!r}, which is stopped" if name else "")


def _next_offset(network: Network) -> int:
    """The one to propose instead: after the one that moved all of these ports, where one did."""
    moved = {getattr(network, name) - port for name, port in _defaults().items()}
    return free_offset(network.bind, moved.pop() if len(moved) == 1 else 0)


def _defaults() -> dict[str, int]:
    return {name: value for name, value in Network() if name.endswith("_port")}


def free_offset(bind: str, after: int = 0) -> int:
    """The `--port-offset` under which all default ports are free, and no deployment counts on one of them.

    `after`: the next such one beyond it, if there is one.
    """
    defaults = _defaults().values()
    beyond = range(after + _STEP, _HIGHEST - max(defaults) + 1, _STEP) if after > 0 else ()
    theirs = claimed()

    def free(port: int) -> bool:
        return port not in theirs and ports.is_free(bind, port)

    return next((n for n in (*beyond, *_OFFSETS) if all(free(port + n) for port in defaults)), _OFFSETS[-1])
