"""`kesdeploy bucket` on the real engine: with the stand-ins, and with the real KES and MinIO."""

from __future__ import annotations

import io
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from commandline import RELEASE
from load import BUCKET, load
from minio.sse import SseKMS, SseS3
from minio.versioningconfig import VersioningConfig

from kesdeploy import services
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS
from kesdeploy.spec import load as load_spec

if TYPE_CHECKING:
    from commandline import Cli
    from objects import Objects

    from kesdeploy.clients.minio import Minio

pytestmark = pytest.mark.engine
DEFAULT = "minio-backend-default-key"
BOTH = pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
REAL = pytest.mark.parametrize("cli", [RELEASE], indirect=True)
KEY = "x-amz-server-side-encryption-aws-kms-key-id"


def minio(cli: Cli) -> Minio:
    return services.minio(load_spec(cli.read("kesdeploy.yaml"), {}, FIELDS), Home(cli.name, cli.folder))


def put(objects: Objects, bucket: str, name: str, data: bytes = b"x", sse: Any = None) -> None:
    import io

    objects.s3.put_object(bucket, name, io.BytesIO(data), len(data), sse=sse)
    objects.stored[bucket, name] = data


def spec(cli: Cli) -> list[dict[str, str]]:
    return list(yaml.safe_load(cli.read("kesdeploy.yaml")).get("minio", {}).get("buckets", []))


def check(cli: Cli, *words: str, expect: int = 0) -> dict[str, Any]:
    (row,) = cli("bucket", "check", *words, "--json", expect=expect).data["buckets"]
    return dict(row)


@BOTH
def test_a_bucket_through_its_life(running: Cli, objects: Objects) -> None:
    running("bucket", "create", "photos", "--key", "one")
    assert spec(running) == [{"name": "photos", "key": "one"}]
    assert running.again().changes == []
    put(objects, "photos", "a", b"x" * 200_000)
    put(objects, "photos", "größe 1 + 2")
    assert check(running, "photos")["keys"] == [{"sse": "sse-kms", "key": "one", "objects": 2}]
    assert check(running, "photos", "--head")["asked"] == 2
    assert "another rule" in running("bucket", "create", "photos", expect=2).err

    running("bucket", "encrypt", "set", "photos", "--key", "two")
    put(objects, "photos", "new")
    assert objects.head("photos", "new")[KEY].endswith("two")
    row = check(running, "photos", expect=7)
    assert {e["object"] for e in row["exceptions"]} == {"a", "größe 1 + 2"}
    assert check(running, "photos", "--key", "one", "--key", "two")["wrong"] == 0

    put(objects, "photos", "s3", sse=SseS3())
    assert {"sse": "sse-s3", "key": DEFAULT, "objects": 1} in check(running, "photos", expect=7)["keys"]
    running("bucket", "encrypt", "clear", "photos")
    assert spec(running) == []
    put(objects, "photos", "auto")
    assert objects.head("photos", "auto")[KEY].endswith(DEFAULT)
    assert running.again().changes == []
    objects.assert_intact()


@BOTH
def test_what_the_spec_says_otherwise(running: Cli) -> None:
    running("bucket", "create", "photos")
    minio(running).set_bucket_encryption("photos", "sse-s3", None)
    minio(running).ensure_bucket("theirs")
    rows = {row["bucket"]: row for row in running("bucket", "list", "--json").data["buckets"]}
    assert rows["photos"]["spec"] == f"the spec says sse-kms with {DEFAULT}"
    assert (rows["theirs"]["mode"], rows["theirs"]["spec"]) == ("auto", "")
    running.again()
    assert minio(running).bucket_encryption("photos") == ("sse-kms", DEFAULT)


def test_the_sandbox_has_no_jobs(running: Cli) -> None:
    running("bucket", "create", "photos")
    assert "no batch jobs" in running("bucket", "rewrap", "photos", "new", expect=4).err
    assert spec(running) == [{"name": "photos"}]


@BOTH
def test_other_changes_are_left(running: Cli) -> None:
    file = running.folder / "kesdeploy.yaml"
    file.write_text(file.read_text() + "kes: {cache: {any: 1m}}\n")
    assert "other changes" in running("bucket", "create", "photos", "--key", "own", expect=2).err
    before = running("plan", "--json").changes
    running("bucket", "create", "photos")
    assert running("plan", "--json").changes == before
    running.again()
    running("bucket", "create", "music", "--key", "own")
    assert running.again().changes == []


@REAL
def test_another_key_for_all_objects(running: Cli, objects: Objects) -> None:
    """Every version, one of several parts, one with a context of its client, and one that no job can change."""
    running("bucket", "create", "photos")
    objects.s3.set_bucket_versioning("photos", VersioningConfig("Enabled"))
    many = [f"many/{number}" for number in range(40)]
    for body in (b"first", b"second"):
        put(objects, "photos", "twice", body)
        for name in many:
            objects.s3.put_object("photos", name, io.BytesIO(body), len(body))
    objects.put("photos", "parts", b"p" * (12 * 1024**2))
    running("key", "create", "by-name")
    put(objects, "photos", "context", sse=SseKMS("by-name", {"who": "me"}))
    put(objects, "photos", "s3", sse=SseS3())
    put(objects, "photos", "folder/", b"")
    before = {o.object_name: o.etag for o in objects.s3.list_objects("photos", recursive=True)}

    done = running("bucket", "rewrap", "photos", "new", "--create-key", "--json")
    assert (done.data["rewrapped"], done.data["left"], done.json["ok"]) == (85, 0, True)
    assert {objects.s3.get_object("photos", name).read() for name in many} == {b"second"}, "the latest stays the latest"
    assert [each["sse"] for each in done.data["passed_over"]] == ["sse-s3"]
    assert spec(running) == [{"name": "photos", "key": "new"}]
    row = check(running, "photos", "--key", "new", "--key", DEFAULT)
    assert (row["objects"], row["wrong"]) == (86, 0)
    assert {o.object_name: o.etag for o in objects.s3.list_objects("photos", recursive=True)} == before
    objects.assert_intact()
    running("key", "delete", "by-name", "--yes")
    running("verify", "--restart")
    objects.assert_intact()
    assert "nothing to change" in running("bucket", "rewrap", "photos").out
    assert running("mc", "batch", "list", "this").out.count("keyrotate") == 0, "it would begin again after a restart"
    assert running.again().changes == []


@REAL
def test_what_no_job_can_change_is_written_anew_as_told(running: Cli, objects: Objects) -> None:
    running("bucket", "create", "photos")
    put(objects, "photos", "s3", sse=SseS3())
    told = running("bucket", "rewrap", "photos", "new", "--create-key").err
    (command,) = (line for line in told.splitlines() if "mc cp" in line)
    words = command.partition("kesdeploy ")[2].partition(" writes")[0].replace("NAME", "s3").split()
    running(*words)
    assert check(running, "photos")["keys"] == [{"sse": "sse-kms", "key": "new", "objects": 1}]
    objects.assert_intact()


@REAL
def test_no_request_fails_meanwhile(running: Cli) -> None:
    with load(running, writers=2, readers=2) as found:
        running("bucket", "rewrap", BUCKET, "new", "--create-key")
    assert found.errors == []
    assert len(found.seconds) > 50
    row = check(running, BUCKET)
    assert row["keys"] == [{"sse": "sse-kms", "key": "new", "objects": len(found.written) + 1}]


@REAL
def test_ctrl_c_and_on(running: Cli, objects: Objects) -> None:
    running("bucket", "create", "many")
    client = minio(running)
    assert client.s3
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: client.put("many", f"o{n}", b"x"), range(1500)))
    process = running.popen("bucket", "rewrap", "many", "new", "--create-key")
    assert process.stderr
    while "count the objects" not in process.stderr.readline():
        pass
    time.sleep(0.6)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode in (0, 130), said
    assert running("mc", "batch", "list", "this").out.count("keyrotate") == 0
    running("bucket", "rewrap", "many")
    assert check(running, "many")["keys"] == [{"sse": "sse-kms", "key": "new", "objects": 1500}]
    assert client.get("many", "o7") == b"x"


@REAL
def test_several_drives(cli: Cli) -> None:
    cli.up("--set", "minio.drives=4")
    cli("bucket", "create", "photos", "--key", "own")
    client = minio(cli)
    for name in ("a", "b/c"):
        client.put("photos", name, b"x" * 300_000)
    row = check(cli, "photos")
    assert (row["objects"], row["wrong"], row["asked"]) == (2, 0, 0)
    assert cli("key", "info", "own", "--json").data["objects"] == 2
    cli("bucket", "rewrap", "photos", "new", "--create-key")
    assert check(cli, "photos")["keys"] == [{"sse": "sse-kms", "key": "new", "objects": 2}]
    assert client.get("photos", "a") == b"x" * 300_000
