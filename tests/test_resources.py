"""A digest tells change from no change, in every run, and holds nothing to attack."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from kesdeploy.engines import Mount, Port
from kesdeploy.resources import Certificate, Container, File, Key, Pod, Ref, Resource, Secret, Trust

ROOT = Path(__file__).parents[1]
FILE = File(
    "config/minio/minio", "minio/minio.j2", {"a": 1, "b": [1, 2]}, {"root_password": Ref("secret", "root-password")}
)
CONTAINER = Container(
    name="demo-kes-server",
    component="kes",
    image="sha256:1",
    entrypoint=("/kes",),
    command=("server",),
    user="0:0",
    mounts=(Mount("/a", "/b"),),
)


def digest(body) -> str:
    return Resource("file/x", body).digest


def test_an_address_is_kind_and_name():
    resource = Resource("container/kes-server", CONTAINER)
    assert (resource.kind, resource.name) == ("container", "kes-server")
    assert Resource("key/a/b", Key("a/b")).name == "a/b"


def test_a_resource_is_frozen():
    with pytest.raises(FrozenInstanceError):
        Resource("key/a", Key("a")).address = "key/b"


@pytest.mark.parametrize(
    "changed",
    [
        replace(FILE, path="other"),
        replace(FILE, mode=0o644),
        replace(FILE, context={"a": 1, "b": [2, 1]}),
        replace(FILE, context={"a": "1", "b": [1, 2]}),
        replace(FILE, refs={"root_password": Ref("secret", "other")}),
        replace(FILE, refs={}),
    ],
)
def test_each_change_of_a_file_is_seen(changed):
    assert digest(changed) != digest(FILE)


@pytest.mark.parametrize(
    "changed",
    [
        replace(CONTAINER, image="sha256:2"),
        replace(CONTAINER, user="1000:1000"),
        replace(CONTAINER, command=("server", "--config")),
        replace(CONTAINER, entrypoint=("/kes", "server"), command=()),
        replace(CONTAINER, mounts=(Mount("/a", "/b", read_only=False),)),
        replace(CONTAINER, environment={"NO_PROXY": "*"}),
        replace(CONTAINER, stop_timeout=3),
    ],
)
def test_each_change_of_a_container_is_seen(changed):
    assert digest(changed) != digest(CONTAINER)


def test_the_kind_counts_but_the_name_and_the_needs_do_not():
    assert Resource("key/x", Key("k")).digest != Resource("bucket/x", Key("k")).digest
    assert Resource("key/x", Key("k")).digest == Resource("key/y", Key("k"), ("pod/pod",)).digest


def test_the_order_of_a_mapping_is_no_change():
    assert digest(replace(FILE, context={"b": [1, 2], "a": 1})) == digest(FILE)


def test_digests_outlive_a_release(golden):
    """A digest that changes by itself, say for a new field, restarts every deployment at the next `up`."""
    bodies = (
        Key("minio-backend-default-key"),
        Secret("root-user", "user"),
        Certificate("certs/kes-server", "kes-server", ("localhost",)),
        Trust("certs/minio-server/CAs/ca.crt"),
        Pod("p", (Port("127.0.0.1", 9000, 9000),), (("a", "127.0.0.1"),)),
        FILE,
        CONTAINER,
    )
    golden("resources/digests.txt", "".join(f"{type(body).__name__} {digest(body)}\n" for body in bodies))


def test_a_digest_is_the_same_in_every_process():
    code = "from kesdeploy.resources import *; print(Resource('file/x', File('p', 't', dict(b=1, a=2))).digest)"

    def run(seed: str) -> str:
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert run("1") == run("2")


@pytest.mark.parametrize("value", [{"a", "b"}, object(), b"bytes", Path("/x")], ids=lambda value: type(value).__name__)
def test_what_is_not_plain_data_is_refused(value):
    with pytest.raises(TypeError):
        _ = digest(replace(FILE, context={"x": value}))


@pytest.mark.parametrize(
    ("ref", "secret"),
    [(Ref("secret", "root-password"), True), (Ref("api-key", "minio"), True), (Ref("identity", "minio"), False)],
)
def test_what_stands_for_a_secret_is_known(ref, secret):
    assert ref.secret is secret
    assert str(ref) == f"<{ref.kind} {ref.name}>"
