"""Other places for well-known names: for kesdeploy's own process, and for the containers that it starts."""

from __future__ import annotations

import errno
import os
import socket
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

HTTPS = 443
# Seconds.
PATIENCE = 300
_RESOLVES = """
import os, socket
_known = dict(pair.split("=") for pair in os.environ["KESDEPLOY_TEST_HOSTS"].split(","))
_real = socket.getaddrinfo
def _resolve(host, port, *rest, **more):
    name = host.decode() if isinstance(host, bytes) else host
    if name in _known:
        host, port = _known[name].split(":")
    return _real(host, port, *rest, **more)
socket.getaddrinfo = _resolve
"""


def own_address() -> str:
    """One of this machine that a container reaches too. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its loopback, which no container reaches")
        return str(probe.getsockname()[0])


def on_https_port(make: Callable[[tuple[str, int]], T]) -> T:
    """What listens where KES looks for a cloud: it takes no other port. Skips where that may not be had."""
    address, deadline = (own_address(), HTTPS), time.monotonic() + PATIENCE
    while True:
        try:
            return make(address)
        except PermissionError as error:
            pytest.skip(f"port {HTTPS} is for root: {error}")
        except OSError as error:
            # Another test may have it.
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def named(folder: Path, address: str, *names: str, port: int = HTTPS) -> dict[str, str]:
    """The environment in which these names mean that address. Skips where Podman's service is not kesdeploy's own.

    port: the one that kesdeploy itself then gets, whichever it asks for.
    """
    sockets = ("/run/podman/podman.sock", f"{os.environ.get('XDG_RUNTIME_DIR', '/nowhere')}/podman/podman.sock")
    if os.environ.get("CONTAINER_HOST") or any(Path(path).exists() for path in sockets):
        pytest.skip("Podman's service runs already: its containers cannot be told other names")
    hosts = "".join(f"{address} {name}\n" for name in names)
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{hosts}")
    settings = f'[containers]\nbase_hosts_file = "{folder}/hosts"\ndefault_ulimits = {_limits()}\n'
    (folder / "containers.conf").write_text(settings)
    (folder / "sitecustomize.py").write_text(_RESOLVES)
    return {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "PYTHONPATH": str(folder),
        "KESDEPLOY_TEST_HOSTS": ",".join(f"{name}={address}:{port}" for name in names),
    }


def _limits() -> list[str]:
    """Those of this machine: Podman reads no other settings beside the ones that it is pointed at."""
    files = [Path("/etc/containers/containers.conf"), *sorted(Path("/etc/containers/containers.conf.d").glob("*.conf"))]
    found = [tomllib.loads(path.read_text()).get("containers", {}) for path in files if path.is_file()]
    return next((part["default_ulimits"] for part in reversed(found) if "default_ulimits" in part), [])
