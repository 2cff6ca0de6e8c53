"""What can be seen without starting anything."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy import clash, ports
from kesdeploy.doctor.finding import Finding, Remedy, Step, Verdict, failed, passed
from kesdeploy.doctor.machine import Machine, find_program, here
from kesdeploy.doctor.remedies import recognise
from kesdeploy.engines.choose import open_engine
from kesdeploy.errors import EngineError
from kesdeploy.home import parent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from kesdeploy.engines import EngineInfo

_LEAST_BYTES, _GOOD_BYTES = 300_000_000, 2_000_000_000
_LEAST_YEAR = 2025
_OLDEST = 4
_WHERE = ("CONTAINER_HOST", "CONTAINER_CONNECTION", "DOCKER_HOST")
MACHINE = Step(("podman", "machine", "start"), ("podman", "machine", "stop"))


def examine_engine(choice: str) -> Finding:
    """Find out which engine there is, and whether we may use it."""
    try:
        with closing(open_engine(choice)) as engine:
            return _engine(engine.info())
    except EngineError as error:
        remedy = recognise(error.because, here())
        evidence = f"{error.what}: {error.because}" if error.because else error.what
        found = failed("engine", evidence, remedy if remedy.fix else Remedy(_next(error.hint)))
        return replace(found, steps=(MACHINE,)) if error.hint.startswith(" ".join(MACHINE.do)) else found


def _next(hint: str) -> str:
    """What to type, where others would send the user to us."""
    asked = next((name for name in _WHERE if os.environ.get(name)), "")
    if hint != "kesdeploy doctor":
        return hint
    return f"start what {asked} names, or: unset {asked}" if asked else "podman info"


def _engine(info: EngineInfo) -> Finding:
    who = "without root" if info.rootless else "as root"
    evidence = f"{info.name} {info.version} {who}, at {info.address} ({info.reason})"
    major = info.version.partition(".")[0]
    if major.isdigit() and int(major) < _OLDEST:
        return Finding(
            "engine", Verdict.WARN, f"{evidence}; older than any it was tried with", here().install("podman")
        )
    return passed("engine", evidence)


def examine_runtime(machine: Machine) -> Finding:
    if not machine.runtimes:
        return failed("runtime", "neither crun nor runc is installed", Remedy(machine.install("runc")))
    return passed("runtime", " and ".join(machine.runtimes))


def examine_disk() -> Finding:
    """Space where deployments live."""
    place = next(path for path in (parent(), *parent().parents) if path.exists())
    free = shutil.disk_usage(place).free
    evidence = f"{free / 1e9:.1f} GB free in {place}"
    if free >= _GOOD_BYTES:
        return passed("disk", evidence)
    verdict = Verdict.WARN if free >= _LEAST_BYTES else Verdict.FAIL
    return Finding("disk", verdict, evidence, f"free some, or: export KESDEPLOY_HOME=/a/bigger/disk (df -h {place})")


def examine_clock(now: datetime) -> Finding:
    """Certificates are not yet valid for a clock that is far behind."""
    if now.year < _LEAST_YEAR:
        fix = f"{here().sudo}timedatectl set-ntp true"
        return failed("clock", f"it is {now:%Y-%m-%d %H:%M} here", Remedy(fix))
    return passed("clock", f"{now:%Y-%m-%d %H:%M} UTC")


def examine_ports(wanted: Iterable[int], ip: str = "127.0.0.1", name: str = "") -> tuple[Finding, ...]:
    """Those that are free are one finding. `name`: the deployment that may have them itself."""
    asked = tuple(wanted)
    free = [str(port) for port in asked if ports.is_free(ip, port)]
    told = (passed("ports", f"{', '.join(free)} are free on {ip}"),) if free else ()
    return (*told, *(_taken(ip, port, name) for port in asked if str(port) not in free))


def _taken(ip: str, port: int, deployment: str) -> Finding:
    name = f"port {port}"
    who = clash.taken(ip, port)
    if deployment and who == f"the deployment {deployment!r}":
        return passed(name, f"{deployment} has it")
    fix = f"for one beside it: kesdeploy up --port-offset {clash.free_offset(ip)}"
    return Finding(name, Verdict.WARN, f"taken by {who}", f"nothing if that is right; {fix}")


def examine_rootless(machine: Machine) -> tuple[Finding, ...]:
    """What Podman needs of the system when it runs without root."""
    if machine.root:
        return ()
    return (_sub_ids(machine), _map_programs(machine))


def _sub_ids(machine: Machine) -> Finding:
    missing = [str(path) for path in (Path("/etc/subuid"), Path("/etc/subgid")) if not _lists(path, machine.user)]
    if missing:
        evidence = f"no subuid ranges for {machine.user} in {' and '.join(missing)}"
        return failed("user ids", evidence, recognise("no subuid ranges", machine))
    return passed("user ids", f"{machine.user} has ranges in /etc/subuid and /etc/subgid")


def _lists(path: Path, user: str) -> bool:
    names = (user, str(os.geteuid()))
    try:
        return any(line.partition(":")[0] in names for line in path.read_text().splitlines())
    except OSError:
        return False


def _map_programs(machine: Machine) -> Finding:
    missing = [name for name in ("newuidmap", "newgidmap") if not find_program(name)]
    if missing:
        return failed("id maps", f"{' and '.join(missing)} not found", Remedy(machine.install("uidmap")))
    return passed("id maps", "newuidmap and newgidmap are installed")
