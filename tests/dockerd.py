"""A Docker to test with: the one that runs here, or one of our own that is gone afterwards."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kesdeploy.engines import docker_address
from kesdeploy.engines.docker import Docker
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STARTS_WITHIN = 30.0


@contextmanager
def docker_here() -> Iterator[None]:
    """Sets DOCKER_HOST where it has to; skips with the reason where there is no Docker and none can be started."""
    pytest.importorskip("docker", reason="no docker library: pip install 'kesdeploy[docker]'")
    missing = _missing()
    if not missing:
        yield
    elif not shutil.which("dockerd") or os.geteuid() != 0:
        pytest.skip(f"no Docker: {missing}, and no dockerd to start as root")
    else:
        with _own() as url, pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", url)
            yield


def _missing() -> str:
    try:
        with closing(Docker(docker_address.find())):
            return ""
    except EngineError as error:
        return f"{error.what} ({error.because})"


@contextmanager
def _own() -> Iterator[str]:
    """A dockerd with folders of its own; it leaves this machine's firewall and routes alone (and takes `docker0` away,
    which the machine's own, if it does not run now, makes again)."""
    folder = Path(tempfile.mkdtemp(prefix="kesdeploy-dockerd-"))  # a socket's path is at most 108 bytes long
    url = f"unix://{folder}/s"
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Ends with us, also where we are killed.
    guard = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()
    argv = [
        *(*guard, "dockerd", "--host", url, "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
        *("--pidfile", str(folder / "pid"), "--bridge", "none", "--iptables=false", "--ip-forward=false"),
        *("--ip-masq=false", "--host-gateway-ip", "192.0.2.1", "--default-ulimit", f"nofile={files}:{files}"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        _wait(process, url, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Skips when it ends: not every machine may run one."""
    deadline = time.monotonic() + _STARTS_WITHIN
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", url)
        while why := _missing():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"dockerd does not start ({why}): {log.read_text(errors='replace')[-600:]}")
            time.sleep(0.1)
