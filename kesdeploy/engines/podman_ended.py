"""Containers that Podman takes for running though nothing of them is left.

It is told of an end by conmon, the process beside each container. Where both were killed at once, as by a power cut
with a /run that survives it, nobody told (seen with 4.3.1: neither stop nor start brings such a container back).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

LOST = "kesdeploy.lost"


def mark(raw: dict[str, Any]) -> dict[str, Any]:
    """A container of `GET /containers/json` as it is: one without a process has exited, and is marked."""
    lost = raw["State"] in ("running", "stopping") and _has_ended(raw.get("Pid") or 0)
    return {**raw, "State": "exited", LOST: True} if lost else raw


def state_of(seen: dict[str, Any]) -> str:
    """The state of `GET /containers/NAME/json`, told in the same way."""
    lost = seen["Status"] in ("running", "stopping") and _has_ended(seen.get("Pid") or 0)
    return "exited" if lost else str(seen["Status"])


def _has_ended(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # somebody else's, and alive
        pass
    with suppress(OSError, IndexError):
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False
