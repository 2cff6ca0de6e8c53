"""The stand-ins and the real servers together: each reads the other's keys, and neither touches the other's objects."""

from __future__ import annotations

import base64
import shutil

import pytest
from world import KES_IMAGE, MINIO_IMAGE, World, have_image, start_kes, start_minio

pytestmark = pytest.mark.live
CONTEXT = base64.b64encode(b"c").decode()


class Mixed(World):
    """One set of certificates and identities, and servers of the kind that `kind` says at the moment."""


@pytest.fixture
def world(tmp_path):
    for image in (KES_IMAGE, MINIO_IMAGE):
        if not have_image(image):
            pytest.skip(f"{image} is not in the local store")
    found = Mixed("stand-in", tmp_path)
    yield found
    found.stop()


@pytest.mark.parametrize(("first", "second"), [("stand-in", "live"), ("live", "stand-in")])
def test_keys_and_ciphertexts_of_one_kes_are_the_others_too(world, first, second):
    sealed = {}
    world.kind = first
    kes = start_kes(world)
    kes.ask("PUT", "/v1/key/create/made")
    raw = {"key": base64.b64encode(bytes(range(32))).decode()}
    for cipher in ("AES256", "ChaCha20"):
        kes.ask("PUT", f"/v1/key/import/given-{cipher}", {**raw, "cipher": cipher})
    names = ("made", "given-AES256", "given-ChaCha20")
    for name in names:
        sealed[name] = kes.ask("PUT", f"/v1/key/generate/{name}", {"context": CONTEXT}).json
    about = {n: kes.ask("GET", f"/v1/key/describe/{n}").json for n in names}
    mac = kes.ask("PUT", "/v1/key/hmac/made", {"message": CONTEXT}).json
    kes.process.stop()

    world.kind = second
    kes = start_kes(world)
    for name in names:
        body = {"ciphertext": sealed[name]["ciphertext"], "context": CONTEXT}
        assert kes.ask("PUT", f"/v1/key/decrypt/{name}", body).json == {"plaintext": sealed[name]["plaintext"]}
        assert kes.ask("GET", f"/v1/key/describe/{name}").json == about[name]
    assert kes.ask("PUT", "/v1/key/hmac/made", {"message": CONTEXT}).json == mac


@pytest.mark.parametrize(("of_kes", "of_minio"), [("stand-in", "live"), ("live", "stand-in")])
def test_one_works_with_the_other(world, of_kes, of_minio):
    world.kind = of_kes
    kes = start_kes(world)
    world.kind = of_minio
    minio = start_minio(world, kes)
    minio.ask("PUT", "/bkt")
    put = minio.ask("PUT", "/bkt/o", b"hello", headers={"x-amz-server-side-encryption": "aws:kms"})
    assert (put.status, minio.ask("GET", "/bkt/o").body) == (200, b"hello")
    assert minio.ask("GET", "/minio/kms/v1/key/status").json == {"key-id": "default-key"}
    assert list(minio.ask("GET", "/minio/kms/v1/status").json["endpoints"].values()) == ["online"]


@pytest.mark.parametrize(("first", "second"), [("stand-in", "live"), ("live", "stand-in")])
def test_objects_of_one_are_refused_by_the_other(world, first, second):
    world.kind = first
    minio = start_minio(world)
    minio.ask("PUT", "/bkt")
    minio.ask("PUT", "/bkt/o", b"hello")
    minio.process.stop()
    before = {p: p.read_bytes() for p in (minio.data / "bkt").rglob("*") if p.is_file()}
    assert before
    world.kind = second
    other = start_minio(world, wait=False)
    if second == "stand-in":
        assert other.process.wait() == 1
        assert "which is not the stand-in's" in other.process.stderr()
    else:
        with pytest.raises(RuntimeError):
            other.wait(4)
    other.process.stop()
    assert {p: p.read_bytes() for p in (minio.data / "bkt").rglob("*") if p.is_file()} == before
    shutil.rmtree(minio.data)
