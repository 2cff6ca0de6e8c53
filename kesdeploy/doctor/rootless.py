"""What Podman without root needs of a user's session: a place for what runs, a store that shares layers, a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.doctor.finding import Finding, Verdict, passed
from kesdeploy.doctor.remedies import recognise

if TYPE_CHECKING:
    from kesdeploy.doctor.machine import Machine

RUNTIME, STORE, TUNNEL = "runtime folder", "image store", "network device"
TUN = Path("/dev/net/tun")
_OVERLAY = """printf '[storage]\\ndriver = "overlay"\\n' > ~/.config/containers/storage.conf"""


def examine_session(machine: Machine) -> tuple[Finding, ...]:
    """Nothing for root: what root has is the system's."""
    return () if machine.root else (examine_runtime_folder(), examine_store(), examine_tunnel(machine))


def examine_runtime_folder(logins: Path = Path("/run/user")) -> Finding:
    """Podman keeps what runs in XDG_RUNTIME_DIR, else in /tmp, which a reboot may not empty (storage, util_unix.go)."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given and os.access(given, os.W_OK):
        return passed(RUNTIME, given)
    own = logins / str(os.geteuid())
    if os.access(own, os.W_OK):
        fix = f"export XDG_RUNTIME_DIR={own}"
    else:
        fix = "log in instead of `su` or `sudo -u` (ssh, machinectl shell), or: loginctl enable-linger"
    why = f"XDG_RUNTIME_DIR={given} is not writable" if given else "XDG_RUNTIME_DIR is not set"
    return Finding(RUNTIME, Verdict.WARN, f"{why}: Podman uses /tmp, where a reboot may leave what ran", fix)


def examine_store(data: Path | None = None) -> Finding:
    """Which driver the user's store has; where nobody chose one, Podman 4 takes vfs, which copies every layer."""
    root = (data or Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()) / "containers" / "storage"
    if not (root / "vfs-layers").exists():
        shares = (root / "overlay-layers").exists() or (root / "btrfs-layers").exists()
        return passed(STORE, "its driver shares layers" if shares else "new: its driver is chosen at first use")
    fix = f"podman system reset (your images and containers go), then: mkdir -p ~/.config/containers; {_OVERLAY}"
    return Finding(STORE, Verdict.WARN, f"{root} uses vfs: each container is a whole copy of its image", fix)


def examine_tunnel(machine: Machine, device: Path = TUN) -> Finding:
    """Both slirp4netns and pasta make a user's network through it."""
    if os.access(device, os.R_OK | os.W_OK):
        return passed(TUNNEL, f"{device} can be opened")
    remedy = recognise(str(device), machine)
    evidence = f"{device} {'is not yours to open' if device.exists() else 'is not there'}: no network without root"
    return Finding(TUNNEL, Verdict.FAIL, evidence, remedy.fix, remedy.undo)
