r"""Paths of one system as another sees them: `C:\minio-kes-vault`, `/mnt/c`, `/tmp` of a Mac. All of it is here (pure).

An engine on Windows or macOS runs in a Linux of its own, which has the disks of Windows below `/mnt` (WSL, and the
machine of Podman), and of a Mac the folders that are shared, by their real names (podman-machine-init(1)).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kesdeploy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_DRIVE = re.compile(r"(?:[\\/]{2}[?.][\\/])?([A-Za-z]):(?:[\\/]+(.*))?", re.DOTALL)
_MOUNTED = "/mnt"


def seen_by_engine(path: str, *, platform: str, engine: str, real: Callable[[str], str]) -> str:
    """How the engine calls a folder of ours. `platform` is sys.platform; `real` resolves symbolic links.

    Docker Desktop translates paths of Windows itself. Raises UsageError for one that no engine there can see.
    """
    if platform == "darwin":
        return real(path)  # /tmp is a link to /private/tmp, and only that is shared
    if platform != "win32":
        return path
    below = _below_mnt(path)
    if below is None:
        raise UsageError(
            f"no container sees {path}",
            because="a network or WSL path is not shared with the machine that the engine runs in",
            hint=r"KESDEPLOY_HOME=C:\Users\YOU; or run kesdeploy inside of WSL, where that folder is at home",
        )
    return path if engine == "docker" else below


def ours(path: str, *, platform: str, release: str) -> str:
    r"""A path that the user typed, as this system writes it: in WSL, `C:\x` is `/mnt/c/x`.

    `release` is the kernel's. Raises UsageError for a path of Windows where there is no Windows: it would be a file of
    that odd name in the current folder.
    """
    if platform == "win32" or not _DRIVE.fullmatch(path):
        return path
    if "microsoft" in release.lower():
        return _below_mnt(path) or path
    raise UsageError(
        f"{path} is a path of Windows", because="there are no drives here", hint="a path such as /srv/minio, or ~/minio"
    )


def refuse_unspeakable(path: str) -> None:
    """Raises UsageError for bytes that are no text in the present locale, and for lines: no engine could be told."""
    if any(ord(character) < ord(" ") for character in path):
        because, further = "its name has control characters in it", ""
    elif any("\ud800" <= character <= "\udfff" for character in path):  # as Python keeps what it could not read
        because, further = "its name is no text in this locale", "; or LC_ALL=C.UTF-8 before it"
    else:
        return
    raise UsageError(
        f"no engine can be told of the folder {path.encode('unicode_escape', 'backslashreplace').decode()}",
        because=because,
        hint=f"KESDEPLOY_HOME=DIR, with letters of ASCII alone{further}",
    )


def _below_mnt(path: str) -> str | None:
    found = _DRIVE.fullmatch(path)
    if not found:
        return None
    parts = [part for part in re.split(r"[\\/]+", found[2] or "") if part]
    return "/".join((_MOUNTED, found[1].lower(), *parts))
