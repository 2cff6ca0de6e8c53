"""Containers that Podman takes for running though nothing of them is left.

It is told of an end by conmon, the process beside each container. Where both were killed at once, as by a power cut
with a /run that survives it, nobody told (seen with 4.3.1: neither stop nor start brings such a container back). While
conmon lives, it is about to tell, with the exit code.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Raw = dict[str, Any]

LOST = "kesdeploy.lost"
# Nobody saw how it ended; only SIGKILL ends the two of them.
KILLED = 137
_ALIVE = ("running", "stopping")


def mark(raw: Raw, inspect: Callable[[str], Raw | None]) -> Raw:
    """A container of `GET /containers/json` as it is: one of which nothing is left has exited, and is marked.

    inspect: gives what `looked` does for an id.
    """
    if raw["State"] not in _ALIVE or not _has_ended(raw.get("Pid") or 0):
        return raw
    found = inspect(raw["Id"])
    if found is None:  # removed meanwhile
        return raw
    seen = found["State"]
    told = {"State": seen["Status"], "ExitCode": seen["ExitCode"]}
    return {**raw, **told, **({LOST: True} if LOST in seen else {})}


def looked(read: Callable[[], Raw | None]) -> Raw | None:
    """What `read` gives, which is `GET /containers/NAME/json`, with its `State` told in the same way.

    Read once more when nothing is left: what conmon wrote down at its end is in Podman's next answer.
    """
    raw = read()
    if raw is not None and _nothing_left(raw["State"]):
        raw = read()
        if raw is not None and _nothing_left(raw["State"]):
            return {**raw, "State": {**raw["State"], "Status": "exited", "ExitCode": KILLED, LOST: True}}
    return raw


def _nothing_left(seen: Raw) -> bool:
    return seen["Status"] in _ALIVE and all(_has_ended(seen.get(name) or 0) for name in ("Pid", "ConmonPid"))


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
