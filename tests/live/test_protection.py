"""No data is lost, replaced or stored in the clear by mistake: the refusals, and the ways back."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
import yaml
from commandline import RELEASE, Cli, engine_holds, inspect, left, podman
from minio.error import MinioException
from objects import Objects

from kesdeploy import pki, services
from kesdeploy.clients.waiting import wait_until
from kesdeploy.errors import ServiceError
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS
from kesdeploy.spec import load

if TYPE_CHECKING:
    from pathlib import Path

    from fault_table import Recorder

pytestmark = pytest.mark.engine
KEY = "minio-backend-default-key"


def is_running(cli: Cli, part: str) -> bool:
    return bool(inspect(cli.container(part))["State"]["Running"])


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_a_lost_key_is_not_replaced(running: Cli, objects: Objects, fault: Recorder, tmp_path: Path) -> None:
    running("stop")
    key = running.folder / "kes" / KEY
    key.rename(tmp_path / KEY)
    for command in ("start", "up"):
        refused = running(command, expect=9)
        assert KEY in refused.err
        assert not is_running(running, "minio-server")
        assert not key.exists()
    (tmp_path / KEY).rename(key)
    running.again()
    repair = "the key put back, then `up`"
    what, images = "the default key is gone from the keystore", running.images
    fault(what, "before `start` or `up`", seen=refused, repair=repair, objects=objects, images=images)


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_a_bucket_with_a_key_of_its_own(running: Cli, objects: Objects) -> None:
    """kesdeploy makes that key too, and MinIO may not: neither beside it, nor in its place when it is lost."""
    done = running.again("--set", "minio.buckets=[{name: own, key: own-key}]")
    assert {("reload", "container/kes-server"), ("create", "key/own-key")} <= set(done.changes)
    objects.put("own", "cat", b"meow" * 1000)
    assert objects.head("own", "cat")["x-amz-server-side-encryption-aws-kms-key-id"].endswith("own-key")
    home = Home(running.name, running.folder)
    spec = load(home.spec.read_text(), {}, FIELDS)
    operator = pki.identity(home.identity("operator")[1].read_bytes())
    assert services.kes(spec, home).describe_key("own-key")["created_by"] == operator

    running("stop")
    (running.folder / "kes" / "own-key").unlink()
    assert "own-key" in running("up", expect=9).err
    assert not is_running(running, "minio-server")
    # As its restart policy would, whatever kesdeploy says.
    podman("start", running.container("kes-server"))
    wait_until(services.kes(spec, home).ready, timeout=20)
    minio = services.kes(spec, home, identity="minio")
    for key in ("own-key", KEY):
        with pytest.raises(ServiceError) as denied:
            minio.create_key(key)
        assert denied.value.status == 403
    minio.create_key("another")


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_another_key_of_the_same_name_is_noticed(
    running: Cli, objects: Objects, fault: Recorder, tmp_path: Path
) -> None:
    key = running.folder / "kes" / KEY
    shutil.copy(key, tmp_path / KEY)
    running("stop")
    # Another deployment's key, as a restored backup of the wrong folder would bring it.
    other = Cli(tmp_path / "other", f"{running.name}x", running.port + 1000, running.images)
    other.home.mkdir()
    try:
        other.up()
        shutil.copy(other.folder / "kes" / KEY, key)
    finally:
        other("destroy", "--yes", expect=None)
    refused = running("start", expect=9)
    assert f"holds another key of the name {KEY!r}" in refused.err
    assert not is_running(running, "minio-server")
    shutil.copy(tmp_path / KEY, key)
    running.again()
    what, repair = "another key has the default key's name", "the key put back, then `up`"
    fault(what, "before `start`", seen=refused, repair=repair, objects=objects, images=running.images)


def test_a_folder_of_somebody_else_is_not_touched(cli: Cli) -> None:
    (cli.folder / "certs").mkdir(parents=True)
    (cli.folder / "certs" / "private.key").write_text("theirs")
    refused = cli.up(expect=9)
    assert "did not make it" in refused.err
    assert [path.name for path in cli.folder.rglob("*") if path.is_file()] == ["private.key"]
    cli("destroy", "--yes", expect=2)
    assert (cli.folder / "certs" / "private.key").read_text() == "theirs"
    shutil.rmtree(cli.folder)


@pytest.mark.parametrize("what", ["pod", "container"])
def test_a_pod_or_container_of_somebody_else_is_not_touched(cli: Cli, what: str) -> None:
    ours, part = f"minio-kes-{cli.name}", cli.container("kes-server")
    pod, infra = (ours, f"{ours}-infra") if what == "pod" else (f"{ours}-theirs", part)
    podman("pod", "create", "--name", pod, "--infra-name", infra)
    try:
        assert (pod if what == "pod" else part) in cli.up(expect=9).err
        cli("destroy", "--yes", expect=2)
        assert podman("pod", "ps", "-q", "--filter", f"name={pod}")
    finally:
        podman("pod", "rm", "-f", pod)
    assert not cli.folder.exists()


def test_the_same_name_in_another_folder_is_another_deployment(running: Cli, objects: Objects, tmp_path: Path) -> None:
    other = Cli(tmp_path / "other", running.name, running.port + 1000, "sandbox")
    other.home.mkdir()
    assert str(running.folder) in other.up(expect=9).err
    other("destroy", "--yes", expect=2)
    objects.assert_intact()


@pytest.mark.both
@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_sandbox_and_real_data_do_not_mix(running: Cli, objects: Objects) -> None:
    """Neither while it runs, nor with only the data left, nor by a spec that says so; `auto` goes on as it began."""
    have, want = ("sandbox", "real") if running.images == "sandbox" else ("real", "sandbox")
    flags = ("--images", "release" if want == "real" else "sandbox")

    def refused(*args: str) -> None:
        run = running(*args, expect=9)
        assert f"this deployment holds {have} data, and {want} images must not touch it" in run.err

    before = engine_holds(running.name)
    for command in (("up", "--yes"), ("plan",)):
        refused(*command, *flags)
    assert engine_holds(running.name) == before
    objects.assert_intact()

    running("down")
    refused("up", "--yes", *flags)
    spec = running.folder / "kesdeploy.yaml"
    good = spec.read_text()
    spec.write_text(yaml.safe_dump({**yaml.safe_load(good), "images": {"source": flags[1]}}))
    refused("start")
    (running.folder / "state.json").unlink()
    refused("start")
    assert engine_holds(running.name) == []

    spec.write_text(good)
    running.again("--images", "auto")
    objects.assert_intact()


def test_another_keystore_under_data_is_refused(running: Cli, objects: Objects) -> None:
    assert "'fs'" in running("up", "--kms", "vault", expect=9).err
    objects.assert_intact()


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_a_denied_identity_is_noticed_and_mended(running: Cli, objects: Objects, fault: Recorder) -> None:
    """KES denies MinIO, everything is green, and only the proof tells."""
    config = running.folder / "config" / "kes" / "kes-config.yaml"
    config.write_text(config.read_text().replace("/v1/key/generate/*", "/v1/key/generate/other*"))
    podman("kill", "-s", "HUP", running.container("kes-server"))
    checks = running("verify", "--json", expect=7).data["checks"]
    failed = {check["name"] for check in checks if not check["ok"]}
    assert "keystore holds the key" in failed
    assert running("status", "--json", expect=7).json["ok"] is False
    assert ("reload", "container/kes-server") in running.again().changes
    what, seen = "KES denies MinIO's identity", "`status`, `verify`: exit 7"
    fault(what, "while all runs", seen=seen, repair="`up`", objects=objects, images=running.images)


def test_full_disk_says_so_and_continues(cli: Cli, fault: Recorder, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", small)
    cli.home = small
    try:
        refused = cli.up(expect=8)
        assert "No space left" in refused.err
        mount("-o", "remount,size=200m", small)
        cli.up()
        fault("the disk is full", "before the first `up`", seen="exit 8: … No space left", repair="room, then `up`")
        objects = Objects.of(cli)
        objects.put_some()
        fills_up(cli, objects, small)
        fault("the disk fills up", "while all runs", seen="exit 8: … No space left", repair="room", objects=objects)
        only_to_be_read(cli, small)
        what, seen = "the folder may only be read", "exit 8: … Read-only file system"
        fault(what, "while all runs", seen=seen, repair="the mount, then `up`", objects=objects)
        cli("destroy", "--yes")
    finally:
        cli("destroy", "--yes", expect=None)
        subprocess.run(("umount", "-l", str(small)), check=False)


def mount(*words: object) -> None:
    if subprocess.run(("mount", *map(str, words)), check=False).returncode:
        pytest.skip("no right to mount a file system")


def fills_up(cli: Cli, objects: Objects, small: Path) -> None:
    """MinIO takes no object, kesdeploy changes nothing, and what is there is read."""
    certificate = cli.read("certs/kes-server/public.crt")
    with suppress(OSError), (small / "filler").open("wb") as filler:
        while True:
            filler.write(b"x" * 2**16)
            filler.flush()
    with pytest.raises(MinioException):
        objects.s3.put_object("plain", "too much", BytesIO(b"x" * 2**20), 2**20)
    assert "No space left" in cli("rotate-certs", expect=8).err
    assert cli.read("certs/kes-server/public.crt") == certificate
    objects.assert_intact()
    (small / "filler").unlink()
    cli.again()


def only_to_be_read(cli: Cli, small: Path) -> None:
    """For us alone: what runs has mounted it before."""
    mount("--bind", small, small)
    try:
        mount("-o", "remount,ro,bind", small)
        for command in (("up", "--yes"), ("rotate-certs",), ("stop",)):
            assert "Read-only file system" in cli(*command, expect=8).err
        assert cli("status").code == 0
    finally:
        subprocess.run(("umount", str(small)), check=True)
    cli.again()


def test_a_folder_that_may_only_be_read_says_so(cli: Cli, fault: Recorder, tmp_path: Path) -> None:
    fixed = tmp_path / "fixed"
    fixed.mkdir()
    mount("-t", "tmpfs", "-o", "ro", "tmpfs", fixed)
    try:
        cli.home = fixed
        refused = cli.up(expect=8)
        assert "Read-only file system" in refused.err
        assert "KESDEPLOY_HOME=" in refused.error[-1]
        assert left(cli) == []
        what, repair = "the folder may only be read", "`KESDEPLOY_HOME=` elsewhere"
        fault(what, "before the first `up`", seen="exit 8: … Read-only file system", repair=repair)
    finally:
        subprocess.run(("umount", "-l", str(fixed)), check=False)
