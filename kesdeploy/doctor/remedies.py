"""What helps against what keeps a container from starting: its words are in `explain/texts/engine.yaml` (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy import explain
from kesdeploy.doctor.finding import Remedy, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kesdeploy.doctor.machine import Machine

UNDO_SETTINGS = "kesdeploy doctor --undo"


def recognise(words: str, machine: Machine) -> Remedy:
    """Tell what helps against an error; an empty Remedy for one that is not known."""
    name, _, package = explain.remedy(words).partition(" ")
    if package:
        return Remedy(machine.install(package))
    return _REMEDIES[name](machine) if name else Remedy()


def settings_text(settings: tuple[Setting, ...]) -> str:
    """The settings as containers.conf."""
    sections = dict.fromkeys(setting.section for setting in settings)
    blocks = (
        "\n".join([f"[{name}]", *(f"{s.key} = {s.value}" for s in settings if s.section == name)]) for name in sections
    )
    return "\n\n".join(blocks) + "\n"


def _limits(machine: Machine) -> Remedy:
    """The machine forbids what Podman asks for by default (1048576 files): ask for what it allows.

    Both are always named: Podman 4 fills in what is missing with the value that failed.
    """
    wanted = (("nofile", machine.open_files), ("nproc", machine.processes))
    limits = ", ".join(f'"{name}={limit}:{limit}"' for name, limit in wanted if limit > 0)
    return _mended((Setting("containers", "default_ulimits", f"[{limits}]"),))


def _runtime(machine: Machine) -> Remedy:
    if "runc" not in machine.runtimes:
        return Remedy(f"{machine.install('runc')} && kesdeploy doctor --fix")
    return _mended((Setting("engine", "runtime", '"runc"'),))


def _mended(settings: tuple[Setting, ...]) -> Remedy:
    return Remedy("kesdeploy doctor --fix", UNDO_SETTINGS, settings)


def _tun(machine: Machine) -> Remedy:
    return Remedy(f"{machine.sudo}chmod 666 /dev/net/tun", f"{machine.sudo}chmod 600 /dev/net/tun")


def _sub_ids(machine: Machine) -> Remedy:
    added = f"{machine.sudo}usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {machine.user}"
    return Remedy(
        f"{added} && podman system migrate",
        f"{machine.sudo}usermod --del-subuids 100000-165535 --del-subgids 100000-165535 {machine.user}",
    )


def _space(_: Machine) -> Remedy:
    return Remedy("podman system df && podman image prune")


_REMEDIES: Mapping[str, Callable[[Machine], Remedy]] = {
    "limits": _limits,
    "runtime": _runtime,
    "tun": _tun,
    "sub-ids": _sub_ids,
    "space": _space,
    "migrate": lambda _: Remedy("podman system migrate"),
}
