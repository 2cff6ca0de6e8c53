"""Whether an engine limits what it was asked to: on some machines it only warns, and goes on without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from kesdeploy.engines import ContainerSpec

PERIOD = 100_000  # microseconds, Linux's own (cpu.max)
_DELEGATE = "rootless, systemd has to delegate cpu and memory (rootlesscontaine.rs/getting-started/common/cgroup2)"


def quota(cpus: float) -> int:
    """Of each period, how many microseconds."""
    return round(cpus * PERIOD)


def refuse_ignored(what: str, spec: ContainerSpec, controllers: Callable[[], Collection[str]]) -> None:
    """Raises EngineError for limits that the engine would only warn of. `controllers`: Linux's, that it can use."""
    wanted = {"memory": spec.memory, "cpu": spec.cpus}
    if not any(wanted.values()):
        return
    able = controllers()
    if ignored := [name for name, limit in wanted.items() if limit and name not in able]:
        raise EngineError(
            what,
            because=f"on this machine the engine ignores limits of {' and '.join(ignored)}",
            hint=f"take `limits` out of the spec; or make them possible: cgroup v2, and {_DELEGATE}",
        )
