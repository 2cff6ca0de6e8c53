"""The facts of this machine that remedies depend on."""

from __future__ import annotations

import os
import pwd
import resource
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
_MANAGERS = {
    "apt-get": "install -y",
    "dnf": "install -y",
    "zypper": "install -y",
    "pacman": "-S --noconfirm",
    "apk": "add",
}


@dataclass(frozen=True)
class Machine:
    """What is here. Limits are the hard ones of this process, which every program that it starts inherits; -1: none."""

    user: str
    root: bool
    runtimes: tuple[str, ...]
    open_files: int
    processes: int
    manager: str

    def install(self, package: str) -> str:
        return f"{self.sudo}{self.manager} {_MANAGERS[self.manager]} {package}"

    @property
    def sudo(self) -> str:
        return "" if self.root else "sudo "


def here() -> Machine:
    return Machine(
        user=_user(),
        root=os.geteuid() == 0,
        runtimes=tuple(name for name in ("crun", "runc") if find_program(name)),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        processes=_processes(),
        manager=next((name for name in _MANAGERS if shutil.which(name)), "apt-get"),
    )


def _processes() -> int:
    """How many processes a container may ask for: no more than the machine can number, which the runtime refuses."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    with suppress(OSError, ValueError):
        most = int(Path("/proc/sys/kernel/pid_max").read_text())
        return most if hard < 0 else min(hard, most)
    return hard


def find_program(name: str) -> str | None:
    """Find it as Podman does, who also looks where users' PATHs do not."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def drop_in() -> Path:
    """Where Podman reads additions to its configuration (containers.conf(5)), and the file that is ours there."""
    users = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    root = Path("/etc") if os.geteuid() == 0 else users
    return root / "containers" / "containers.conf.d" / "60-kesdeploy.conf"
