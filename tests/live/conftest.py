"""The command line on a real engine. Whatever a test does, nothing of its deployments is left afterwards."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import socket
from contextlib import closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING

import pytest
from commandline import Cli, images_here, left, need_images, sweep
from objects import Objects

from kesdeploy.engines.choose import open_engine
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Below the ports that Linux gives to outgoing connections; four a deployment.
PORTS = range(21600, 21900, 4)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where the real images are here, they prove it; the stand-ins are held to them by tests of their own."""
    if config.getoption("--both") or not images_here("release"):
        return
    here = {item.nodeid for item in items}
    again = {
        item
        for item in items
        if "sandbox" in item.name
        and item.nodeid.replace("sandbox", "release") in here
        and not item.get_closest_marker("both")
    }
    config.hook.pytest_deselected(items=list(again))
    items[:] = [item for item in items if item not in again]


@pytest.fixture(scope="session")
def real_podman() -> None:
    try:
        open_engine("podman").close()
    except EngineError as error:
        pytest.skip(f"no podman: {error.what} {error.because}")


def _port() -> int:
    """The first of four free ports, out of this worker's share."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    of = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    share = list(PORTS)[worker::of]
    return next(port for port in random.sample(share, len(share)) if all(_free(port + n) for n in range(4)))


@cache
def _left_behind() -> frozenset[int]:
    """By a run that was killed with all its containers: nobody listens, and the engine's rules still lead there."""
    try:
        with closing(open_engine("podman")) as engine:
            return frozenset(engine.publishers(range(PORTS.start, PORTS.stop)))
    except EngineError:
        return frozenset()


def _free(port: int) -> bool:
    if port in _left_behind():
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0 and _binds(probe.family, port)


def _binds(family: int, port: int) -> bool:
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


@pytest.fixture
def four_ports() -> int:
    """The first of them."""
    return _port()


@contextmanager
def deployment(home: Path, images: str = "sandbox") -> Iterator[Cli]:
    """A name, ports and a folder. Afterwards `destroy` must leave nothing, also of what a test broke."""
    need_images(images)
    cli = Cli(home, f"try-{secrets.token_hex(3)}", _port(), images)
    try:
        yield cli
        cli("destroy", "--yes", expect=0 if cli.folder.exists() or left(cli) else None)
        assert left(cli) == []
    except BaseException:
        sweep(cli)
        raise
    finally:
        shutil.rmtree(cli.folder, ignore_errors=True)


@pytest.fixture
def cli(real_podman: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cli]:
    """A deployment that is not there yet. `indirect` parameters choose its images."""
    with deployment(tmp_path, getattr(request, "param", "sandbox")) as made:
        yield made


@pytest.fixture
def another(real_podman: None, tmp_path: Path) -> Iterator[Callable[..., Cli]]:
    """Further deployments in the same folder: `another(images=…)`."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda images="sandbox": stack.enter_context(deployment(tmp_path, images))


@pytest.fixture
def running(cli: Cli) -> Cli:
    """One that is up."""
    cli.up()
    return cli


@pytest.fixture
def objects(running: Cli) -> Objects:
    """Some objects in it."""
    found = Objects.of(running)
    found.put_some()
    return found
