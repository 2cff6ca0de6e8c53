"""Can a container start here, and does its published port answer? Tried for real, with an image made on the spot."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import sysconfig
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.doctor.finding import Finding, Remedy, Verdict, failed, passed
from kesdeploy.doctor.machine import here
from kesdeploy.doctor.remedies import recognise, settings_text
from kesdeploy.engines import ContainerSpec, PodSpec, Port
from kesdeploy.engines.choose import open_engine
from kesdeploy.engines.podman_address import own_socket
from kesdeploy.errors import EngineError, KesdeployError

if TYPE_CHECKING:
    from kesdeploy.engines import Engine

STARTS, ANSWERS = "a container starts", "its published port answers"
LABEL = "kesdeploy-doctor"
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
_PYTHON = f"/opt/python/bin/{_VERSION}"
_ANSWER_SECONDS = 5.0
_GREETING = b"kesdeploy"
# `_socket` alone: the module `socket` would want a third of the standard library.
_SERVER = """
import _signal, _socket, posix
_signal.signal(15, lambda *_: posix._exit(0))
server = _socket.socket(2, 1, 0)
server.bind(("0.0.0.0", 80))
server.listen(8)
while True:
    client = _socket.socket(fileno=server._accept()[0])
    client.send(b"kesdeploy")
    client.close()
"""


def examine_start(choice: str = "auto") -> tuple[Finding, ...]:
    """Connect anew, so that the engine's configuration is read as it is now, and start a container of our own.

    Nothing of it stays. Two findings, or the one that failed.
    """
    try:
        with closing(open_engine(choice)) as engine:
            if engine.info().remote or sys.platform != "linux":
                return (Finding(STARTS, Verdict.WARN, "not tried: the engine is on another machine than this Python"),)
            return _tried(engine)
    except KesdeployError as error:
        return (_failed_start(error),)


def _tried(engine: Engine) -> tuple[Finding, ...]:
    mark = f"kesdeploy-doctor-{secrets.token_hex(4)}"
    port = _free_port()
    began = time.monotonic()
    try:
        _make_image(engine, f"localhost/{mark}:1")
        engine.create_pod(PodSpec(mark, (Port("127.0.0.1", port, 80),), {LABEL: mark}))
        engine.create(_container(mark))
        engine.start(f"{mark}-server")
        started = passed(STARTS, f"started one and published a port, {time.monotonic() - began:.1f} s")
        return (started, _answer(engine, port, f"{mark}-server"))
    except KesdeployError as error:
        return (_failed_start(error, engine.info().address),)
    finally:
        with suppress(KesdeployError):  # what went wrong before this is what counts
            engine.remove_pod(mark, stop_timeout=3)
            engine.remove_image(f"localhost/{mark}:1")


def _container(mark: str) -> ContainerSpec:
    return ContainerSpec(
        name=f"{mark}-server",
        pod=mark,
        image=f"localhost/{mark}:1",
        entrypoint=(_PYTHON,),
        command=("-ISB", "-c", _SERVER),
        user="0:0",
        labels={LABEL: mark},
        restart="no",
    )


def _make_image(engine: Engine, reference: str) -> None:
    """The running interpreter with the few files that it wants before it runs a line of code."""
    from kesdeploy.sandbox.rootfs import RootFs, libraries

    executable = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    inside = f"/opt/python/lib/{_VERSION}"
    modules = list((stdlib / "lib-dynload").glob("_socket.*.so"))  # none where it is built in
    with tempfile.TemporaryDirectory(prefix="kesdeploy-") as folder:
        tar = Path(folder, "root.tar")
        with RootFs(tar) as root:
            root.file(executable, _PYTHON)
            root.file(stdlib / "os.py", f"{inside}/os.py")  # what tells Python that its library is here
            root.tree(stdlib / "encodings", f"{inside}/encodings")
            root.folder(f"{inside}/lib-dynload")
            for module in modules:
                root.file(module, f"{inside}/lib-dynload/{module.name}")
            needed = libraries([executable, *modules])
            for library in needed:
                root.file(library, str(library))
        paths = ":".join(sorted({str(library.parent) for library in needed}))
        engine.import_image(tar, reference, changes=(f"ENV LD_LIBRARY_PATH={paths}", f"LABEL {LABEL}=1"))


def _answer(engine: Engine, port: int, container: str) -> Finding:
    deadline = time.monotonic() + _ANSWER_SECONDS
    because = ""
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                if connection.recv(100) == _GREETING:
                    return passed(ANSWERS, f"127.0.0.1:{port}")
        except OSError as error:
            because = str(error)
        time.sleep(0.05)
    said = " ".join(line.text for line in engine.logs(container, tail=3))
    return failed(
        ANSWERS,
        f"127.0.0.1:{port} does not: {because or 'an empty answer'}{'; the container said: ' + said if said else ''}",
        Remedy("podman network reload --all; sysctl net.ipv4.ip_forward; iptables -t nat -L"),
    )


def _failed_start(error: KesdeployError, address: str = "local") -> Finding:
    remedy = recognise(f"{error.what} {error.because}", here())
    if not remedy.fix:
        remedy = Remedy(error.hint if isinstance(error, EngineError) else "")
    if remedy.settings:
        remedy = _for_this_configuration(remedy, address)
    return failed(STARTS, f"{error.what}: {error.because}" if error.because else error.what, remedy)


def _for_this_configuration(remedy: Remedy, address: str) -> Remedy:
    """A drop-in is not read where CONTAINERS_CONF rules, nor by a service that runs already."""
    if only := os.environ.get("CONTAINERS_CONF"):
        lines = settings_text(remedy.settings).strip().replace("\n\n", "\n").replace("\n", " / ")
        return Remedy(f"put this into {only}, which CONTAINERS_CONF makes the only one: {lines}")
    return replace(remedy, restart=_restart(address)) if address != "local" else remedy


def _restart(address: str) -> str:
    if address != f"unix://{own_socket()}":
        return f"restart the service that answers on {address}"
    return f"systemctl {'' if here().root else '--user '}restart podman.service"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
