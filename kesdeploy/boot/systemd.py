"""systemd as its commands speak for it: the system's manager, or the user's own."""

from __future__ import annotations

import getpass
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.errors import EngineError
from kesdeploy.files import translated

if TYPE_CHECKING:
    from kesdeploy.boot.unit import Unit

BOOTED = Path("/run/systemd/system")
LINGER = Path("/var/lib/systemd/linger")
_SECONDS = 60
# A unit's own time-out is shorter (templates/systemd).
_START_SECONDS = 1900


def runs() -> bool:
    """Whether this machine was booted by systemd (sd_booted(3)); installed it may be all the same."""
    return BOOTED.is_dir()


def install(unit: Unit) -> None:
    """Write the unit and have it started at boot. What fails half-way is taken back."""
    with translated(unit.path):
        unit.path.parent.mkdir(parents=True, exist_ok=True)
        unit.path.write_text(unit.text)
    try:
        manage(unit, "daemon-reload")
        manage(unit, "enable", unit.name)
        if unit.user and not lingers():
            _linger()
    except EngineError:
        remove(unit)
        raise


def start(unit: Unit) -> None:
    """Run it now, as at boot, and wait for its end. One that ran stays as it is."""
    manage(unit, "start", unit.name, seconds=_START_SECONDS)


def remove(unit: Unit) -> bool:
    """Never again at boot; what runs goes on. False when there was nothing to remove."""
    there = bool(unit.found())
    with translated(unit.path):
        unit.link.unlink(missing_ok=True)
        unit.path.unlink(missing_ok=True)
    if there and runs():
        _call(unit, "daemon-reload")
    return there


def lingers() -> bool:
    """Whether the user's manager runs without a login (loginctl(1), enable-linger)."""
    return (LINGER / getpass.getuser()).exists()


def show(unit: Unit) -> dict[str, str]:
    """ActiveState, Result and UnitFileState; empty where nobody can be asked."""
    if not runs():
        return {}
    said = _call(unit, "show", unit.name, "--property=ActiveState,Result,UnitFileState").stdout
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def manage(unit: Unit, *words: str, seconds: int = _SECONDS) -> None:
    """`systemctl …`; EngineError with its own words when it refuses."""
    done = _call(unit, *words, seconds=seconds)
    if done.returncode == 0:
        return
    journal = f"journalctl {'--user-unit' if unit.user else '-u'} {unit.name} -n 30"
    raise EngineError(
        f"systemctl {words[0]} failed for {unit.name}",
        because=(done.stderr.strip() or f"it ended with {done.returncode}").splitlines()[0],
        hint=journal if words[0] == "start" else f"systemctl {'--user ' if unit.user else ''}status",
    )


def _call(unit: Unit, *words: str, seconds: int = _SECONDS) -> subprocess.CompletedProcess[str]:
    argv = ("systemctl", "--user", *words) if unit.user else ("systemctl", *words)
    # Without a login session (su, sudo) nobody has set it, and the manager is there all the same.
    environment = {"XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}", **os.environ}
    return _run(argv, environment, seconds)


def _linger() -> None:
    done = _run(("loginctl", "enable-linger"), dict(os.environ), _SECONDS)
    if done.returncode:
        raise EngineError(
            "the deployment would start with your login, and not at boot",
            because=done.stderr.strip(),
            hint=f"sudo loginctl enable-linger {getpass.getuser()}",
        )


def _run(argv: tuple[str, ...], environment: dict[str, str], seconds: int) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{argv[0]} cannot be used", because=str(error), hint=" ".join(argv)) from error
