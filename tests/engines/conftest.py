"""A real engine, and a tiny image made from a few programs of this machine: no registry is asked for anything."""

import hashlib
import io
import json
import os
import secrets
import shutil
import socket
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from kesdeploy.engines import ContainerSpec, Engine, Mount, PodSpec, Port
from kesdeploy.engines.choose import open_engine
from kesdeploy.errors import EngineError
from kesdeploy.sandbox.rootfs import RootFs, libraries

PROGRAMS = ("sh", "sleep", "cat", "perl", "touch", "id", "env")
LABEL = "kesdeploy-test"
EACH = ["podman", "docker"]

IDLE = ("/bin/sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done')
STUBBORN = ("/bin/sh", "-c", 'trap "" TERM; while :; do sleep 0.05; done')
# No module: perl is in every Debian, its modules are not in the image. A pod's port 80, one line an answer.
_SERVE = """
$SIG{TERM} = sub { exit 0 };
socket(S, 2, 1, 6); setsockopt(S, 1, 2, pack("l", 1)); bind(S, pack("SnNx8", 2, 80, 0)) or die $!; listen(S, 5);
while (accept(C, S)) { syswrite C, "hello\\n"; close C }
"""
SERVER = ("/bin/perl", "-e", _SERVE)


def only(name: str) -> pytest.MarkDecorator:
    """For what one engine alone has."""
    return pytest.mark.parametrize("engine", [name], indirect=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Podman, or those of the module's ENGINES, except where a test names its own by `only`."""
    named = any("engine" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "engine" in metafunc.fixturenames and not named:
        engines = getattr(metafunc.module, "ENGINES", ["podman"])
        metafunc.parametrize("engine", engines, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "docker":
        request.getfixturevalue("docker_host")
    try:
        opened = open_engine(request.param)
    except EngineError as error:
        pytest.skip(f"no {request.param}: {error.what} {error.because}")
    with closing(opened):
        yield opened


@pytest.fixture(scope="session")
def root_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tar = tmp_path_factory.mktemp("image") / "root.tar"
    found = [Path(path) for name in PROGRAMS if (path := shutil.which(name))]
    assert len(found) == len(PROGRAMS)
    with RootFs(tar) as root:
        for program in found:
            root.file(program, f"/bin/{program.name}")
        for library in libraries(found):
            root.file(library, str(library))
        root.folder("/mnt")
    return tar


@pytest.fixture(scope="session")
def image(engine: Engine, root_tar: Path) -> Iterator[str]:
    reference = f"localhost/kesdeploy-test-{os.getpid()}:1"
    engine.import_image(root_tar, reference, changes=("VOLUME /scratch", "LABEL made-by=test", "ENV FROM_IMAGE=yes"))
    yield reference
    engine.remove_image(reference)


@pytest.fixture
def sickly(engine: Engine, image: str, tmp_path: Path) -> Iterator[str]:
    """The image, with a HEALTHCHECK that fails each second. Only an archive can bring one: imports refuse it."""
    reference = f"localhost/kesdeploy-test-sickly-{os.getpid()}:1"
    saved, changed = tmp_path / "saved.tar", tmp_path / "changed.tar"
    engine.save((image,), saved)
    check = {"Test": ["CMD", "/bin/sh", "-c", "exit 1"], "Interval": 10**9, "Retries": 1}
    with tarfile.open(saved) as old, tarfile.open(changed, "w") as new:
        listed = json.load(_member(old, "manifest.json"))
        before = listed[0]["Config"]
        config = json.load(_member(old, before))
        config["config"]["Healthcheck"] = check
        body = json.dumps(config).encode()
        listed[0] |= {"Config": f"{hashlib.sha256(body).hexdigest()}.json", "RepoTags": [reference]}
        for name, data in ((listed[0]["Config"], body), ("manifest.json", json.dumps(listed).encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            new.addfile(entry, io.BytesIO(data))
        for entry in old:
            if entry.name not in ("manifest.json", "repositories", before):
                new.addfile(entry, old.extractfile(entry))
    assert engine.load(changed) == (reference,)
    yield reference
    engine.remove_image(reference)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    assert found is not None
    return found


@dataclass
class World:
    """One test's pod and containers: all go when it ends."""

    engine: Engine
    image: str
    mark: str = field(default_factory=lambda: f"t{secrets.token_hex(4)}")

    @property
    def labels(self) -> dict[str, str]:
        return {LABEL: self.mark}

    @property
    def pod(self) -> str:
        return f"{self.mark}-pod"

    def make_pod(self, *ports: Port, labels: dict[str, str] | None = None, **more: object) -> None:
        self.engine.create_pod(PodSpec(self.pod, ports, self.labels | (labels or {}), **more))

    def spec(self, name: str, argv: tuple[str, ...] = IDLE, **more: object) -> ContainerSpec:
        serves = (80,) if argv == SERVER else ()
        fields = {"user": "0:0", "labels": self.labels, "restart": "no", "serves": serves} | more
        return ContainerSpec(f"{self.mark}-{name}", self.pod, self.image, argv[:1], argv[1:], **fields)

    def run(self, name: str, argv: tuple[str, ...] = IDLE, **more: object) -> str:
        """Create and start; its full name."""
        spec = self.spec(name, argv, **more)
        self.engine.create(spec)
        self.engine.start(spec.name)
        return spec.name

    def output(self, script: str, *mounts: Mount, **more: object) -> str:
        """What a shell script says in a container of its own."""
        name = self.run(f"out{secrets.token_hex(2)}", ("/bin/sh", "-c", script), mounts=mounts, **more)
        assert self.engine.wait(name, timeout=20) is not None
        return "\n".join(line.text for line in self.engine.logs(name))

    def close(self) -> None:
        for pod in self.engine.pods(self.labels):
            self.engine.remove_pod(pod.name, stop_timeout=3)
        assert self.engine.containers(self.labels) == ()


@pytest.fixture
def world(engine: Engine, image: str) -> Iterator[World]:
    with closing(World(engine, image)) as made:
        yield made


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answer(port: int) -> str:
    """What the published port says; empty when it is dead."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            return connection.recv(100).decode().strip()
    except OSError:
        return ""
