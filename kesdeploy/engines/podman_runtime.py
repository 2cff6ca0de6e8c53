"""Where a Podman without root keeps what runs.

A command that looks into another such folder sees the containers, and can neither stop them nor tell that they run: it
would start them a second time (seen with Podman 4.3.1, started by cron, and looked at after a login).
"""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def folder() -> str:
    """XDG_RUNTIME_DIR, else that of a login, else one of Podman's own (containers/storage, GetRootlessRuntimeDir)."""
    uid = os.geteuid()
    login = Path(f"/run/user/{uid}")
    there = str(login) if login.is_dir() and login.stat().st_uid == uid else ""
    return os.environ.get("XDG_RUNTIME_DIR") or there or f"{tempfile.gettempdir()}/podman-run-{uid}"


def watched(containers: Collection[str]) -> bool:
    """Whether one of them runs, by the arguments of who watches over it (conmon(8))."""
    names = {name.encode() for name in containers}
    return any(b"conmon" in words[0] and names & _named(words) for words in map(_words, Path("/proc").glob("[0-9]*")))


def _words(process: Path) -> list[bytes]:
    try:
        return (process / "cmdline").read_bytes().split(b"\0")
    except OSError:  # it ended just now
        return [b""]


def _named(words: list[bytes]) -> set[bytes]:
    return {after for word, after in pairwise(words) if word == b"-n"}
