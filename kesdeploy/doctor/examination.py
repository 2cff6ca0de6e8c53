"""Everything that `doctor` looks at, in order."""

from __future__ import annotations

from datetime import UTC, datetime

from kesdeploy.doctor.finding import Finding, Verdict
from kesdeploy.doctor.machine import here
from kesdeploy.doctor.probes import (
    examine_clock,
    examine_disk,
    examine_engine,
    examine_ports,
    examine_rootless,
    examine_runtime,
)
from kesdeploy.doctor.start import examine_start

DEFAULT_PORTS = (9000, 9001, 7373)


def examine(choice: str = "auto", ports: tuple[int, ...] = DEFAULT_PORTS, ip: str = "127.0.0.1") -> tuple[Finding, ...]:
    """Look at everything, in the order in which one thing needs the other. Takes about two seconds."""
    machine = here()
    engine = examine_engine(choice)
    works = engine.verdict is not Verdict.FAIL
    return (
        engine,
        *((examine_runtime(machine), *examine_start(choice)) if works else ()),
        *examine_rootless(machine),
        examine_disk(),
        examine_clock(datetime.now(UTC)),
        *examine_ports(ports, ip),
    )
