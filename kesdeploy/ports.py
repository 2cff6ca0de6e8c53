"""Who listens on a TCP port of this machine."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

_LISTEN = "0A"
# Of the network namespace that we are in (ip-sysctl, the kernel's documentation).
_LOWEST = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def is_free(ip: str, port: int) -> bool:
    """Whether a listener could be opened there now. A port that we only lack the right to open counts as free."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ip, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def lowest() -> int:
    """The lowest port that somebody without root may listen on; 1024 where the system does not tell."""
    try:
        return int(_LOWEST.read_text())
    except (OSError, ValueError):
        return 1024


def is_here(ip: str) -> bool:
    """Whether it is an address of this machine, or stands for all of them."""
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((ip, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def holder(port: int) -> str | None:
    """The process that listens on the port, as `name (process 123)`; None when nobody does or we may not see it.

    Read from /proc (proc(5)); only root sees other users' processes.
    """
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    return next((_describe(pid) for pid in _processes() if inodes & _sockets(pid)), None) if inodes else None


def _listening(port: int) -> set[str]:
    """Socket inodes that listen on the port, on any address."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in _read(Path("/proc/net") / table).splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _processes() -> list[str]:
    try:
        return [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - iterdir builds a Path each
    except OSError:
        return []


def _sockets(pid: str) -> set[str]:
    found = set()
    try:
        for fd in os.scandir(f"/proc/{pid}/fd"):
            found.add(os.readlink(fd.path))  # noqa: PTH115 - a Path would be made for each open file of the machine
    except OSError:  # another user's process, or it ended meanwhile
        pass
    return found


def _describe(pid: str) -> str:
    argv = _read(Path("/proc") / pid / "cmdline").split("\0")
    name = _read(Path("/proc") / pid / "comm").strip() or "unknown"
    if name == "conmon" and "-n" in argv[:-1]:  # conmon keeps the ports of the container that it watches
        return f"container {argv[argv.index('-n') + 1]} (process {pid})"
    return f"{name} (process {pid})"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
