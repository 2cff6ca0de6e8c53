"""Where Podman answers, found in Podman's own order."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kesdeploy.engines.podman_service import listens
from kesdeploy.errors import EngineError

ROOTFUL_SOCKET = "/run/podman/podman.sock"


@dataclass(frozen=True)
class Address:
    """A Podman API. An empty `url`: nobody listens, a service of our own has to be started."""

    url: str
    reason: str
    identity: str = ""


def find() -> Address:
    """CONTAINER_HOST, CONTAINER_CONNECTION, the user's own socket, a service of our own, the default connection.

    The order is podman(1)'s: without the variables a Linux Podman is the local one, elsewhere the default connection.
    Raises EngineError when there is no Podman at all.
    """
    return _asked_for() or _own_socket() or _local() or _default_connection() or _visible_socket() or _missing()


def own_socket() -> str:
    """The socket that Podman's systemd unit makes for this user."""
    if os.geteuid() == 0:
        return ROOTFUL_SOCKET
    return f"{os.environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.geteuid()}'}/podman/podman.sock"


def install_hint() -> str:
    """The command that installs Podman here."""
    if sys.platform == "darwin":
        return "brew install podman && podman machine init && podman machine start"
    managers = {"apt-get": "install -y", "dnf": "install -y", "zypper": "install -y", "pacman": "-S", "apk": "add"}
    found = next((name for name in managers if shutil.which(name)), "apt-get")
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}{found} {managers[found]} podman"


def _asked_for() -> Address | None:
    if url := os.environ.get("CONTAINER_HOST"):
        _check(url, "CONTAINER_HOST")
        return Address(url, "CONTAINER_HOST", os.environ.get("CONTAINER_SSHKEY", ""))
    if name := os.environ.get("CONTAINER_CONNECTION"):
        known, _ = connections()
        if name not in known:
            raise EngineError(
                f"CONTAINER_CONNECTION names {name}, which does not exist",
                because=f"known connections: {', '.join(sorted(known)) or 'none'}",
                hint="podman system connection list",
            )
        _check(known[name].url, f"the connection {name}")
        return known[name]
    return None


def _check(url: str, source: str) -> None:
    """A Unix socket that was asked for by name must answer: nothing else is tried."""
    if not _is_address(url):
        raise EngineError(
            f"{source} is no address of a Podman: {url}",
            because="one is unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST/PATH",
            hint="podman system connection list" if "connection" in source else f"unset {source}",
        )
    path = url.removeprefix("unix://")
    if not path.startswith("/"):
        return
    try:
        alive = listens(path)
    except PermissionError as error:
        raise EngineError(
            f"No right to use Podman's socket {path}",
            because=str(error),
            hint=f"unset {source} (Podman needs no root), or run this command with sudo",
        ) from error
    if not alive:
        raise EngineError(
            f"Nobody answers on {path}, which {source} asks for",
            because="there is no such socket" if not Path(path).exists() else "its service is gone",
            hint=f"unset {source}, or: podman system service --time=0 unix://{path} &",
        )


def _is_address(url: str) -> bool:
    from urllib.parse import urlsplit

    if url.startswith("unix://"):
        return url.startswith("unix:///")
    try:
        parts = urlsplit(url)
        port = parts.port  # one beyond 65535 shows when it is looked at
    except ValueError:
        return False
    # podman(1): these two, and http:// is what podman-py calls tcp://.
    return parts.scheme in ("tcp", "ssh", "http") and bool(parts.hostname) and port != 0 and url.isprintable()


def _own_socket() -> Address | None:
    path = own_socket()
    try:
        return Address(f"unix://{path}", "its socket answers") if Path(path).exists() and listens(path) else None
    except PermissionError:
        return None


def _local() -> Address | None:
    if sys.platform == "linux" and shutil.which("podman"):
        return Address("", "podman is installed; where no service runs, each command starts one")
    return None


def _default_connection() -> Address | None:
    known, default = connections()
    return known.get(default)


def _visible_socket() -> Address | None:
    """Without any podman command of our own, root's socket will do where we may use it."""
    try:
        return Address(f"unix://{ROOTFUL_SOCKET}", "its socket answers") if listens(ROOTFUL_SOCKET) else None
    except PermissionError as error:
        raise EngineError(
            f"No right to use Podman's socket {ROOTFUL_SOCKET}",
            because=str(error),
            hint=f"{install_hint()} (Podman needs no root), or run this command with sudo",
        ) from error


def _missing() -> Address:
    if shutil.which("podman"):
        raise EngineError(
            "Podman's virtual machine does not run", hint="podman machine start (after: podman machine init)"
        )
    raise EngineError(
        "Podman is not installed", because="there is no podman command and no socket", hint=install_hint()
    )


def connections() -> tuple[dict[str, Address], str]:
    """`podman system connection list`: by name, and the default's name (podman-system-connection(1))."""
    known: dict[str, Address] = {}
    default = ""
    for path in _config_files():
        engine = _section(_toml(path), "engine")
        default = _text(engine, "active_service") or default
        known |= _connections(_section(engine, "service_destinations"))
    saved = _section(_json(_user_config() / "podman-connections.json"), "Connection")
    known |= _connections(_section(saved, "Connections"))
    return known, _text(saved, "Default") or default


def _connections(entries: dict[str, Any]) -> dict[str, Address]:
    lower = {name: {key.lower(): value for key, value in _section(entries, name).items()} for name in entries}
    return {
        name: Address(_text(entry, "uri"), f"connection {name}", _text(entry, "identity"))
        for name, entry in lower.items()
    }


def _section(tree: dict[str, Any], key: str) -> dict[str, Any]:
    """A table of a file that anybody may have edited; nothing where there is something else."""
    found = tree.get(key)
    return found if isinstance(found, dict) else {}


def _text(entry: dict[str, Any], key: str) -> str:
    found = entry.get(key)
    return found if isinstance(found, str) else ""


def _user_config() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "containers"


def _config_files() -> list[Path]:
    """containers.conf in the order in which later files win (containers.conf(5))."""
    if only := os.environ.get("CONTAINERS_CONF"):
        return [Path(only)]
    found = [Path("/usr/share/containers/containers.conf")]
    for folder in (Path("/etc/containers"), _user_config()):
        found += [folder / "containers.conf", *sorted((folder / "containers.conf.d").glob("*.conf"))]
    return [path for path in found if path.is_file()]


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError, RecursionError):  # Podman itself complains about it, in its own words
        return {}


def _json(path: Path) -> dict[str, Any]:
    import json

    try:
        return _section({"file": json.loads(path.read_text())}, "file")
    except (OSError, ValueError, RecursionError):
        return {}
