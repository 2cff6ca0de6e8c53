"""The systemd unit that starts a deployment: where it stands, and what it says."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.render import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.home import Home

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENGINES = ("podman", "docker")
# What points to an engine, and to a kesdeploy that is not installed.
_INHERITED = (
    "CONTAINER_HOST",
    "CONTAINER_CONNECTION",
    "CONTAINER_SSHKEY",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "PYTHONPATH",
)


@dataclass(frozen=True)
class Place:
    """Who asks. `user`: a unit of the user's own manager, else of the system's. `command` starts kesdeploy at boot."""

    user: bool
    units: Path
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """`link` is what `systemctl enable` makes; `folder` is the deployment's, and stands in the text."""

    name: str
    path: Path
    link: Path
    folder: str
    user: bool
    command: tuple[str, ...]
    environment: Mapping[str, str]
    text: str

    def theirs(self) -> bool:
        """Whether a file of this name is there that starts something else."""
        found = self.found()
        return bool(found) and f"# Deployment: {self.folder}" not in found.splitlines()

    def found(self) -> str:
        """What the file holds now; empty while there is none."""
        try:
            return self.path.read_text(errors="replace")
        except OSError:
            return ""


def unit(home: Home, place: Place) -> Unit:
    """The unit of one deployment."""
    name = f"kesdeploy-{home.name}.service"
    environment = {"KESDEPLOY_HOME": str(home.root.parent), **place.environment}
    context = {
        "name": home.name,
        "folder": str(home.root),
        "user": place.user,
        "command": place.command,
        "environment": environment,
    }
    wants = "default.target.wants" if place.user else "multi-user.target.wants"
    text = render("systemd/kesdeploy.service.j2", context)
    path = place.units / name
    link = place.units / wants / name
    return Unit(name, path, link, str(home.root), place.user, place.command, environment, text)


def here() -> Place:
    """Root's units are the system's; everybody else has a manager of their own (systemd.unit(5))."""
    user = os.geteuid() != 0
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    units = config / "systemd" / "user" if user else Path("/etc/systemd/system")
    return Place(user, units, _command(), _environment())


def _command() -> tuple[str, ...]:
    """The installed command beside this Python, else this Python with the package."""
    script = Path(sys.executable).with_name("kesdeploy")
    return (str(script),) if os.access(script, os.X_OK) else (sys.executable, "-m", "kesdeploy")


def _environment() -> dict[str, str]:
    """At boot nobody has a login's environment: what finds the engine has to be said."""
    found = [str(Path(path).parent) for name in _ENGINES if (path := shutil.which(name))]
    further = [folder for folder in dict.fromkeys(found) if folder not in _PATH.split(":")]
    inherited = {name: os.environ[name] for name in _INHERITED if os.environ.get(name)}
    return {"PATH": ":".join([*further, _PATH]), **inherited}
