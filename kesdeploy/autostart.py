"""Starting at boot: enable, disable, status."""

from __future__ import annotations

import platform
import shlex
import sys
from typing import TYPE_CHECKING, Any

from kesdeploy import boot, opening
from kesdeploy.boot import systemd
from kesdeploy.errors import DataProtected, Problem, UsageError
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.boot import Unit
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter


def enable(wish: Wish, report: Reporter, *, dry_run: bool = False) -> Result:
    """Write the unit, have systemd start it at boot, and run it once: so it is known to work before the next reboot.

    dry_run: only what would be written, and where; also on machines without systemd.
    """
    unit = _unit(wish)
    if unit.theirs():
        raise DataProtected(
            f"{unit.path} starts another deployment of this name",
            because=next((line for line in unit.found().splitlines() if line.startswith("# Deployment:")), "not ours"),
            hint=f"in that one's place: kesdeploy autostart disable -n {wish.name or opening.which(wish).name}",
        )
    if dry_run:
        return Result(wish.command, {**_data(wish, unit), "text": unit.text, "commands": _by_hand(unit)})
    if not systemd.runs():
        raise _without_systemd(unit)
    systemd.install(unit)
    with report.step(f"start it as at boot: {unit.name}"):
        systemd.start(unit)
    return Result(wish.command, _data(wish, unit))


def disable(wish: Wish, report: Reporter) -> Result:  # noqa: ARG001
    """Take the unit away. What runs goes on."""
    unit = _unit(wish)
    removed = not unit.theirs() and systemd.remove(unit)
    return Result(wish.command, {**_data(wish, unit), "removed": removed})


def status(wish: Wish) -> Result:
    """Whether it starts at boot; exit code 7 when it was enabled and would not work."""
    unit = _unit(wish)
    problems = tuple(_problems(wish, unit)) if unit.found() else ()
    return Result(wish.command, _data(wish, unit), not problems, problems, 7 if problems else 0)


def _unit(wish: Wish) -> Unit:
    return boot.unit(opening.existing(wish), boot.here())


def _data(wish: Wish, unit: Unit) -> dict[str, Any]:
    found = systemd.show(unit) if unit.found() else {}
    return {
        "deployment": opening.which(wish).name,
        "unit": str(unit.path),
        "scope": "user" if unit.user else "system",
        "enabled": not unit.theirs() and unit.link.is_symlink(),
        "active": found.get("ActiveState", ""),
        "lingers": systemd.lingers() if unit.user else True,
    }


def _problems(wish: Wish, unit: Unit) -> list[Problem]:
    again = f"kesdeploy autostart enable -n {opening.which(wish).name}"
    found = []
    if unit.theirs():
        found.append(f"{unit.path} starts another deployment of this name")
    elif unit.found() != unit.text:
        found.append(f"{unit.path} is not what this kesdeploy would write (it moved, or its environment did)")
    if not unit.link.is_symlink():
        found.append(f"{unit.name} is there, and systemd does not start it at boot")
    if not systemd.runs():
        found.append("systemd does not run here")
    if unit.user and not systemd.lingers():
        found.append("it starts with your login, and not at boot: you do not linger")
    if systemd.show(unit).get("ActiveState") == "failed":
        found.append(f"{unit.name} failed the last time: journalctl {'--user-unit' if unit.user else '-u'} {unit.name}")
    return [Problem("autostart", what, again) for what in found]


def _by_hand(unit: Unit) -> list[str]:
    """What `enable` does, for whoever does it another way."""
    manager = "systemctl --user" if unit.user else "systemctl"
    linger = ["loginctl enable-linger"] if unit.user else []
    return [f"{manager} daemon-reload", f"{manager} enable --now {unit.name}", *linger]


def _without_systemd(unit: Unit) -> UsageError:
    name = unit.name.removeprefix("kesdeploy-").removesuffix(".service")
    start = shlex.join((*unit.command, "start", "-n", name))
    before = {name: value for name, value in unit.environment.items() if name != "PATH"}
    start = " ".join((*(f"{name}={shlex.quote(value)}" for name, value in before.items()), start))
    if sys.platform == "darwin":
        hint = f"a login item (launchd) that runs: podman machine start; {start}"
    elif "microsoft" in platform.release().lower():
        hint = "put `systemd=true` below `[boot]` in /etc/wsl.conf; in Windows: wsl --shutdown; then the same command"
    else:
        line = start.replace("%", r"\%")  # crontab(5)
        hint = f"let what boots this machine run it, as cron does with: @reboot {line}"
    return UsageError(
        "nothing here could start it at boot", because="systemd does not run (no /run/systemd/system)", hint=hint
    )
