"""What the machine lends to an engine: its service, control groups, a start after a reboot, a folder that is shared."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kesdeploy.doctor.finding import Finding, Step, Verdict, passed
from kesdeploy.doctor.start import place
from kesdeploy.engines.podman_address import own_socket
from kesdeploy.engines.podman_service import listens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kesdeploy.doctor.machine import Machine

SERVICE, GROUPS, REBOOT, FOLDER = "service socket", "control groups", "start after a reboot", "shared folder"
# podman-machine-init(1), --volume: what a machine shares unless it was told otherwise.
MAC_SHARES = ("/Users", "/private", "/var/folders")
# Disks of Windows and of other machines, that know no owners and modes.
_FOREIGN_DISKS = {"9p", "drvfs", "vfat", "exfat", "ntfs", "ntfs3", "fuseblk", "cifs", "smb3"}


def examine_service(machine: Machine) -> Finding:
    """Whether an API listens. None is needed where there is a podman command: it is started for each command."""
    path = own_socket()
    try:
        if Path(path).exists() and listens(path):
            return passed(SERVICE, f"{path} answers")
    except PermissionError as error:
        fix = "run kesdeploy without sudo, as the user whose socket it is"
        return Finding(SERVICE, Verdict.WARN, f"{path}: {error.strerror}", fix)
    own = "none runs; one is started for each command"
    if not _systemd(machine):
        return passed(SERVICE, own)
    user = () if machine.root else ("--user",)
    enable, disable = (("systemctl", *user, word, "--now", "podman.socket") for word in ("enable", "disable"))
    evidence = f"{own}, and nobody can be asked through {path}"
    if os.environ.get("CONTAINER_HOST") != f"unix://{path}":
        return passed(SERVICE, own)
    return Finding(SERVICE, Verdict.FAIL, evidence, " ".join(enable), " ".join(disable), steps=(Step(enable, disable),))


def examine_groups(machine: Machine, root: Path = Path("/sys/fs/cgroup")) -> Finding | None:
    """Which control groups Linux has; None elsewhere."""
    if not root.is_dir():
        return None
    if (root / "cgroup.controllers").exists():
        return passed(GROUPS, "version 2")
    if machine.root:
        return passed(GROUPS, "version 1")
    fix = "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line, and reboot"
    return Finding(GROUPS, Verdict.WARN, "version 1: without root, limits of memory and processes are ignored", fix)


def examine_reboot(machine: Machine, linger: Path = Path("/var/lib/systemd/linger")) -> Finding:
    """Containers of a user start after a reboot only when his services run without a login (loginctl(1))."""
    by_hand = "after a reboot: kesdeploy start -n NAME"
    if not _systemd(machine):
        return Finding(REBOOT, Verdict.WARN, "no systemd runs here, so nothing starts containers", by_hand)
    if machine.root or (linger / machine.user).exists():
        whose = "services" if machine.root else f"{machine.user}'s services"
        return passed(REBOOT, f"{whose} run at boot; `kesdeploy autostart enable` makes a deployment one of them")
    on, off = (("loginctl", f"{word}-linger", machine.user) for word in ("enable", "disable"))
    evidence = f"{machine.user}'s services end with the login: containers stay down after a reboot"
    return Finding(REBOOT, Verdict.WARN, evidence, " ".join(on), " ".join(off), steps=(Step(on, off),))


def _systemd(machine: Machine) -> bool:
    """Whether systemd is the init system, and this user has a manager of his own (sd_booted(3))."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    running = Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None
    return running and (machine.root or Path(runtime, "systemd").is_dir())


def examine_folder() -> Finding | None:
    """Where an engine in a virtual machine, or one on a Windows disk, would not see or keep our files."""
    return judge_folder(PurePosixPath(str(place().resolve())), sys.platform, _disk(place()))


def judge_folder(
    folder: PurePosixPath, platform: str, disk: str = "", shares: Iterable[str] = MAC_SHARES
) -> Finding | None:
    """`disk` is the kind of file system; `shares` what the machine shares. None where nothing is to be said."""
    if platform == "darwin":
        if any(folder.is_relative_to(share) for share in shares):
            return passed(FOLDER, f"{folder} is one that the machine shares")
        fix = "export KESDEPLOY_HOME=$HOME, or: podman machine init --volume"
        return Finding(FOLDER, Verdict.WARN, f"{folder} is not among {', '.join(shares)}", fix)
    if disk in _FOREIGN_DISKS:
        fix = "export KESDEPLOY_HOME=$HOME (on a disk of Linux itself)"
        return Finding(FOLDER, Verdict.WARN, f"{folder} lies on a disk of kind {disk}, without owners and modes", fix)
    return None


def _disk(folder: Path) -> str:
    """The kind of the file system that a folder is on (proc(5), mounts); empty where nobody tells."""
    try:
        lines = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    around = [(fields[1], fields[2]) for fields in lines if folder.is_relative_to(fields[1])]
    return max(around, key=lambda found: len(found[0]), default=("", ""))[1]
