"""A trial with two containers of our own: whether they start and are reached, and what they see from inside."""

from __future__ import annotations

import os
import secrets
import socket
import stat
import sys
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.doctor import inside
from kesdeploy.doctor.finding import Finding, Remedy, Verdict, failed, passed
from kesdeploy.doctor.inside import DATA, GREETING, HELLO, MOUNTS, READ_ONLY, WRITABLE, Around
from kesdeploy.doctor.localhost import judge_localhost, try_localhost
from kesdeploy.doctor.machine import here
from kesdeploy.doctor.remedies import recognise, settings_text
from kesdeploy.doctor.trial_image import LABEL, PYTHON, NoImage, make_image
from kesdeploy.engines import ContainerSpec, Mount, PodSpec, Port
from kesdeploy.engines.choose import open_engine
from kesdeploy.engines.podman_address import own_socket
from kesdeploy.errors import EngineError, KesdeployError
from kesdeploy.home import parent

if TYPE_CHECKING:
    from kesdeploy.engines import Engine

STARTS, ANSWERS = "a container starts", "its published port answers"
_ANSWER_SECONDS = 5.0
_LOOK_SECONDS = 10.0


def examine_start(choice: str = "auto") -> tuple[Finding, ...]:
    """Connect anew, so that the engine's configuration is read as it is now, and start containers of our own.

    Nothing of it stays. Every finding, or the one that failed.
    """
    try:
        with closing(open_engine(choice)) as engine:
            if engine.info().remote or sys.platform != "linux":
                return (Finding(STARTS, Verdict.WARN, "not tried: the engine is on another machine than this Python"),)
            return _tried(engine)
    except KesdeployError as error:
        return (_failed_start(error),)


def place() -> Path:
    """The folder that deployments go to, or the nearest one around it that is there."""
    return next(path for path in (parent(), *parent().parents) if path.exists())


def _tried(engine: Engine) -> tuple[Finding, ...]:
    mark = f"kesdeploy-doctor-{secrets.token_hex(4)}"
    port = _free_port()
    began = time.monotonic()
    try:
        make_image(engine, f"localhost/{mark}:1")
        server = f"{mark}-server"
        engine.create_pod(PodSpec(mark, (Port("127.0.0.1", port, 80),), {LABEL: mark}, ((server, "127.0.0.1"),)))
        engine.create(_container(mark, "server", inside.SERVER))
        engine.start(server)
        started = passed(STARTS, f"started one and published a port, {time.monotonic() - began:.1f} s")
        answer = _answer(engine, port, server)
        reached = () if answer.verdict is Verdict.FAIL else (judge_localhost(try_localhost(port)),)
        return (started, answer, *reached, *_looked(engine, mark))
    except NoImage as error:
        return (Finding(STARTS, Verdict.WARN, f"not tried: {error}", error.hint),)
    except KesdeployError as error:
        return (_failed_start(error, engine.info().address),)
    finally:
        # What went wrong before this is what counts.
        with suppress(KesdeployError):
            engine.remove_pod(mark, stop_timeout=3)
        with suppress(KesdeployError):
            engine.remove_image(f"localhost/{mark}:1")


def _container(mark: str, name: str, program: str, user: str = "0:0", mounts: tuple[Mount, ...] = ()) -> ContainerSpec:
    return ContainerSpec(
        name=f"{mark}-{name}",
        pod=mark,
        image=f"localhost/{mark}:1",
        entrypoint=(PYTHON,),
        command=("-ISB", "-c", program),
        user=user,
        mounts=mounts,
        labels={LABEL: mark},
        restart="no",
        serves=(80,) if program is inside.SERVER else (),
    )


def _looked(engine: Engine, mark: str) -> tuple[Finding, ...]:
    """Mounts as a deployment's are, where a deployment's folder would be, and as the user that it would run as."""
    around = place()
    try:
        with tempfile.TemporaryDirectory(prefix=".kesdeploy-doctor-", dir=around, ignore_cleanup_errors=True) as folder:
            return _look(engine, mark, Path(folder), str(around))
    except OSError as error:
        fix = f"ls -ld {around}; export KESDEPLOY_HOME=DIR for a folder of yours"
        return (failed(MOUNTS, f"no folder can be made in {around}: {error.strerror or error}", Remedy(fix)),)
    except KesdeployError as error:
        because = f"{error.what}: {error.because}" if error.because else error.what
        remedy = recognise(because, here())
        return (failed(MOUNTS, because, remedy if remedy.fix else Remedy(error.hint or f"ls -ldZ {around}")),)


def _look(engine: Engine, mark: str, folder: Path, around: str) -> tuple[Finding, ...]:
    given, written, data = (folder / name for name in ("given", "written", "data"))
    for made in (given, written, data):
        made.mkdir(mode=0o700)
    hello = given / "hello"
    hello.touch(0o600)
    hello.write_bytes(HELLO)
    about = folder.stat()
    mounts = (
        Mount(str(given), READ_ONLY),
        Mount(str(written), WRITABLE, read_only=False),
        # As the data of a deployment is: never given another label, for that walks through every object.
        Mount(str(data), DATA, read_only=False, relabel=False),
    )
    user = "0:0" if engine.info().rootless else f"{about.st_uid}:{about.st_gid}"
    program = inside.LOOK.replace("SERVER", f"{mark}-server")
    began = time.time()
    engine.create(_container(mark, "looker", program, user, mounts))
    engine.start(f"{mark}-looker")
    engine.wait(f"{mark}-looker", timeout=_LOOK_SECONDS)
    seen = inside.words([line.text for line in engine.logs(f"{mark}-looker")])
    outside = Around(
        began=began,
        ended=time.time(),
        folder=around,
        owners={made.name: (made / "new").stat().st_uid for made in (written, data) if (made / "new").exists()},
        ours=about.st_uid,
        private=stat.S_IMODE(hello.stat().st_mode) == 0o600,  # noqa: PLR2004
        selinux=_selinux(),
    )
    return inside.judged(seen, outside, here())


def _selinux() -> bool:
    try:
        return Path("/sys/fs/selinux/enforce").read_text().strip() == "1"
    except OSError:
        return False


def _answer(engine: Engine, port: int, container: str) -> Finding:
    deadline = time.monotonic() + _ANSWER_SECONDS
    because = ""
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                if connection.recv(100) == GREETING:
                    return passed(ANSWERS, f"127.0.0.1:{port}")
        except OSError as error:
            because = str(error)
        time.sleep(0.05)
    said = " ".join(line.text for line in engine.logs(container, tail=3))
    return failed(
        ANSWERS,
        f"127.0.0.1:{port} does not: {because or 'an empty answer'}{'; the container said: ' + said if said else ''}",
        Remedy(
            "docker network inspect bridge; sysctl net.ipv4.ip_forward; iptables -t nat -L"
            if engine.info().name == "docker"
            else "podman network reload --all; sysctl net.ipv4.ip_forward; iptables -t nat -L"
        ),
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
