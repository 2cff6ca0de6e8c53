"""Everything that `doctor` looks at. What does not need the other is looked at side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kesdeploy.doctor.machine import Machine, here
from kesdeploy.doctor.probes import (
    examine_clock,
    examine_disk,
    examine_engine,
    examine_ports,
    examine_rootless,
    examine_runtime,
)
from kesdeploy.doctor.registries import examine_registries
from kesdeploy.doctor.rootless import examine_session
from kesdeploy.doctor.start import examine_start
from kesdeploy.doctor.system import REBOOT, examine_folder, examine_groups, examine_reboot, examine_service

if TYPE_CHECKING:
    from kesdeploy.doctor.finding import Finding

DEFAULT_PORTS = (9000, 9001, 7373, 8200)
_OF_PODMAN = (
    "runtime",
    "service socket",
    "user ids",
    "id maps",
    "runtime folder",
    "image store",
    "network device",
    REBOOT,
)
Probe = Callable[[], "tuple[Finding, ...] | Finding | None"]


def examine(
    choice: str = "auto", ports: tuple[int, ...] = DEFAULT_PORTS, ip: str = "127.0.0.1", name: str = ""
) -> tuple[Finding, ...]:
    """Look at everything. Takes about two seconds; five where a registry is silent.

    name: the deployment that may have the ports itself.
    """
    machine = here()
    engine = examine_engine(choice)
    probes: tuple[Probe, ...] = (
        *(() if engine.verdict == "FAIL" else (lambda: examine_runtime(machine), lambda: examine_start(choice))),
        *_of_the_machine(machine),
        examine_registries,
        lambda: examine_ports(ports, ip, name),
    )
    with ThreadPoolExecutor(len(probes)) as threads:
        found = [future.result() for future in [threads.submit(probe) for probe in probes]]
    several = [each if isinstance(each, tuple) else (each,) for each in found]
    told = (finding for each in several for finding in each if finding is not None)
    return (engine, *(finding for finding in told if finding.name not in _none_of_its_affair(engine, choice)))


def _none_of_its_affair(engine: Finding, choice: str) -> tuple[str, ...]:
    """Docker's service brings a runtime, sees to ids and storage itself, and starts its containers at boot."""
    return _OF_PODMAN if choice == "docker" or engine.evidence.startswith("docker ") else ()


def _of_the_machine(machine: Machine) -> tuple[Probe, ...]:
    return (
        lambda: examine_service(machine),
        lambda: examine_groups(machine),
        lambda: examine_rootless(machine),
        lambda: examine_session(machine),
        lambda: examine_reboot(machine),
        examine_folder,
        examine_disk,
        lambda: examine_clock(datetime.now(UTC)),
    )
