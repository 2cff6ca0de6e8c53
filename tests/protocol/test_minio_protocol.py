"""MinIO's S3, health and KMS API: the same requests, the same answers."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import time
from urllib.request import urlopen

import pytest
from minio.sse import SseKMS, SseS3

SSE = "x-amz-server-side-encryption"
SHOWN = "X-Amz-Server-Side-Encryption"
KEY_SHOWN = SHOWN + "-Aws-Kms-Key-Id"
INTERNAL = rb"X-Minio-Internal-Server-Side-Encryption-[A-Za-z0-9-]*[a-z]"


def rule(algorithm, key=""):
    master = f"<KMSMasterKeyID>{key}</KMSMasterKeyID>" if key else ""
    default = f"<SSEAlgorithm>{algorithm}</SSEAlgorithm>{master}"
    inner = f"<ApplyServerSideEncryptionByDefault>{default}</ApplyServerSideEncryptionByDefault>"
    return f"<ServerSideEncryptionConfiguration><Rule>{inner}</Rule></ServerSideEncryptionConfiguration>".encode()


def code(answer):
    found = re.search(rb"<Code>(.*?)</Code>", answer.body)
    return found[1].decode() if found else answer.headers.get("X-Minio-Error-Code", "")


def text(answer, name):
    return [t.decode() for t in re.findall(rf"<{name}>(.*?)</{name}>".encode(), answer.body)]


@pytest.fixture(scope="module")
def ask(minio):
    assert minio.ask("PUT", "/bkt").status == 200
    assert minio.ask("POST", "/minio/kms/v1/key/create?key-id=second").status == 200
    return minio.ask


@pytest.mark.parametrize("path", ["live", "ready", "cluster", "cluster/read"])
def test_health(ask, path):
    # The real one reads its buckets' metadata after it answers.
    deadline = time.monotonic() + 20
    while ask("GET", f"/minio/health/{path}", signed=False).status != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ask("GET", f"/minio/health/{path}", signed=False).status == 200
    assert ask("HEAD", f"/minio/health/{path}", signed=False).status == 200


def test_who_may(ask):
    assert (ask("GET", "/", signed=False).status, code(ask("GET", "/", signed=False))) == (403, "AccessDenied")
    assert code(ask("GET", "/", user=("nobody", "x" * 10))) == "InvalidAccessKeyId"
    assert code(ask("GET", "/", user=("proto-root", "wrong-wrong"))) == "SignatureDoesNotMatch"
    wrong = ask("GET", "/minio/kms/v1/status", user=("proto-root", "wrong-wrong"))
    assert (wrong.status, wrong.json["Code"]) == (403, "SignatureDoesNotMatch")
    assert ask("GET", "/minio/kms/v1/status", signed=False).json["Code"] == "AccessDenied"


def test_what_is_counted_of_the_kms(ask):
    before = ask("GET", "/minio/kms/v1/metrics").json
    ask("GET", "/minio/kms/v1/key/status")
    ask("GET", "/minio/kms/v1/key/status?key-id=none")
    ask("POST", "/minio/kms/v1/key/create?key-id=default-key")
    after = ask("GET", "/minio/kms/v1/metrics").json
    # A data key and its decryption; a key that is not there; one that is there already.
    grown = {kind: after[f"kms_req_{kind}"] - before[f"kms_req_{kind}"] for kind in ("success", "error", "failure")}
    assert grown == {"success": 2, "error": 2, "failure": 0}
    steps = {int(step): count for step, count in after["kms_resp_time"].items()}
    assert (len(steps), min(steps), max(steps)) == (10, 10_000_000, 10_000_000_000)
    assert steps[max(steps)] == sum(after[f"kms_req_{kind}"] for kind in grown)
    assert sorted(steps.values()) == [steps[step] for step in sorted(steps)]


def test_the_kms_api(ask, kes):
    status = ask("GET", "/minio/kms/v1/status").json
    assert (status["name"], status["default-key-id"]) == ("MinIO KES", "default-key")
    assert status["endpoints"] == {f"https://127.0.0.1:{kes.port}": "online"}
    assert ask("GET", "/minio/kms/v1/key/status").json == {"key-id": "default-key"}
    missing = ask("GET", "/minio/kms/v1/key/status?key-id=none")
    assert missing.status == 200
    assert missing.json == {"key-id": "none", "encryption-error": "key with given key ID does not exist"}
    names = [k["name"] for k in ask("GET", "/minio/kms/v1/key/list?pattern=se").json]
    assert names == ["second"]
    again = ask("POST", "/minio/kms/v1/key/create?key-id=second")
    assert (again.status, again.json["Code"]) == (500, "InternalError")
    assert "(key with given key ID already exits)" in again.json["Message"]
    denied = ask("POST", "/minio/kms/v1/key/create?key-id=guarded")
    assert "(insufficient permissions to perform KMS operation)" in denied.json["Message"]
    for method, path in (("POST", "key/create"), ("GET", "key/list"), ("DELETE", "key/delete?key-id=second")):
        answer = ask(method, f"/minio/kms/v1/{path}")
        assert (answer.status, code(answer)) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("PUT", "/bkt", 409, "BucketAlreadyOwnedByYou"),
        ("PUT", "/B", 400, "InvalidBucketName"),
        ("HEAD", "/nobkt", 404, "NoSuchBucket"),
        ("GET", "/nobkt", 404, "NoSuchBucket"),
        ("GET", "/nobkt/o", 404, "NoSuchBucket"),
        ("PUT", "/nobkt/o", 404, "NoSuchBucket"),
        ("DELETE", "/nobkt", 404, "NoSuchBucket"),
        ("GET", "/bkt/none", 404, "NoSuchKey"),
        ("HEAD", "/bkt/none", 404, "NoSuchKey"),
        ("DELETE", "/bkt/none", 204, ""),
        ("GET", "/bkt?encryption", 404, "ServerSideEncryptionConfigurationNotFoundError"),
        ("DELETE", "/bkt?encryption", 204, ""),
        ("GET", "/bkt?policy", 404, "NoSuchBucketPolicy"),
        ("GET", "/bkt?location", 200, ""),
        ("GET", "/bkt?versioning", 200, ""),
        ("GET", "/bkt?max-keys=-1", 400, "InvalidArgument"),
        ("PUT", "/bkt/a//b", 400, "XMinioInvalidObjectName"),
        ("DELETE", "/bkt/o?uploadId=none", 204, ""),
    ],
)
def test_refusals(ask, method, path, status, name):
    answer = ask(method, path)
    assert (answer.status, code(answer)) == (status, name)


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (rule("AES256"), 200, ""),
        (rule("aws:kms", "second"), 200, ""),
        (rule("AES256", "second"), 400, "MalformedXML"),
        (rule("aws:kms"), 400, "MalformedXML"),
        (rule("aws:kms:dsse", "second"), 400, "MalformedXML"),
        (rule("aws:kms", "none"), 404, "kms:KeyNotFound"),
        (b"<x/>", 400, "MalformedXML"),
        (b"garbage", 400, "MalformedXML"),
    ],
)
def test_encryption_rules(ask, body, status, name):
    ask("PUT", "/rules")
    answer = ask("PUT", "/rules?encryption", body)
    assert (answer.status, code(answer)) == (status, name)


def test_an_object_in_the_clear(ask, minio):
    md5 = hashlib.md5(b"hello plain").hexdigest()
    headers = {"x-amz-meta-color": "blue", "Content-Type": "text/plain"}
    assert ask("PUT", "/bkt/plain", b"hello plain", headers=headers).headers["ETag"] == f'"{md5}"'
    head = ask("HEAD", "/bkt/plain").headers
    assert (head["Content-Type"], head["x-amz-meta-color"], head["Content-Length"]) == ("text/plain", "blue", "11")
    assert SHOWN not in head
    assert b"hello plain" in (minio.data / "bkt/plain/xl.meta").read_bytes()
    for name, value, status in (
        ("If-None-Match", f'"{md5}"', 304),
        ("If-None-Match", '"other"', 200),
        ("If-Match", '"other"', 412),
        ("Range", "bytes=6-8", 206),
        ("Range", "bytes=100-", 416),
    ):
        assert ask("GET", "/bkt/plain", headers={name: value}).status == status
    part = ask("GET", "/bkt/plain", headers={"Range": "bytes=-5"})
    assert (part.body, part.headers["Content-Range"]) == (b"plain", "bytes 6-10/11")
    assert code(ask("PUT", "/bkt/plain", b"x", headers={"If-None-Match": "*"})) == "PreconditionFailed"
    assert (
        code(ask("PUT", "/bkt/x", b"x", headers={"Content-MD5": base64.b64encode(bytes(16)).decode()})) == "BadDigest"
    )
    wrong = ask("PUT", "/bkt/x", b"x", headers={"x-amz-content-sha256": "0" * 64})
    assert code(wrong) == "XAmzContentSHA256Mismatch"


def test_sse_kms(ask, minio):
    context = base64.b64encode(b'{"a":"b"}').decode()
    headers = {SSE: "aws:kms", SSE + "-aws-kms-key-id": "arn:aws:kms:second", SSE + "-context": context}
    put = ask("PUT", "/bkt/kms", b"hello kms", headers=headers)
    assert (put.headers[SHOWN], put.headers[KEY_SHOWN]) == ("aws:kms", "arn:aws:kms:second")
    assert put.headers[SHOWN + "-Context"] == context
    got = ask("GET", "/bkt/kms")
    assert (got.body, got.headers[KEY_SHOWN], got.headers["ETag"]) == (
        b"hello kms",
        "arn:aws:kms:second",
        put.headers["ETag"],
    )
    assert hashlib.md5(b"hello kms").hexdigest() not in got.headers["ETag"]
    disk = (minio.data / "bkt/kms/xl.meta").read_bytes()
    assert b"hello kms" not in disk
    prefix = b"X-Minio-Internal-Server-Side-Encryption-"
    names = {n.removeprefix(prefix) for n in re.findall(INTERNAL, disk)}
    assert {b"Seal-Algorithm", b"Iv", b"Kms-Sealed-Key", b"S3-Kms-Key-Id", b"S3-Kms-Sealed-Key", b"Context"} <= names
    assert b"second" in disk
    default = ask("PUT", "/bkt/kms-default", b"x", headers={SSE: "aws:kms"})
    assert default.headers[KEY_SHOWN] == "arn:aws:kms:default-key"


def test_sse_s3(ask, minio):
    put = ask("PUT", "/bkt/s3", b"hello s3", headers={SSE: "AES256"})
    md5 = f'"{hashlib.md5(b"hello s3").hexdigest()}"'
    assert (put.headers["ETag"], put.headers[SHOWN]) == (md5, "AES256")
    head = ask("HEAD", "/bkt/s3")
    assert (head.headers["ETag"], head.headers[SHOWN]) == (md5, "AES256")
    assert KEY_SHOWN not in head.headers
    disk = (minio.data / "bkt/s3/xl.meta").read_bytes()
    assert b"hello s3" not in disk
    assert b"-S3-Sealed-Key" in disk


@pytest.mark.parametrize(
    ("method", "headers", "status", "name"),
    [
        ("PUT", {SSE: "aws:kms", SSE + "-aws-kms-key-id": "none"}, 404, "kms:KeyNotFound"),
        ("PUT", {SSE: "rot13"}, 400, "InvalidArgument"),
        ("PUT", {SSE + "-aws-kms-key-id": "second"}, 400, "InvalidArgument"),
        ("GET", {SSE: "aws:kms"}, 400, "BadRequest"),
        ("PUT", {SSE + "-customer-algorithm": "AES256"}, 400, "InvalidRequest"),
    ],
)
def test_encryption_headers_that_are_refused(ask, method, headers, status, name):
    ask("PUT", "/bkt/refused", b"x")
    answer = ask(method, "/bkt/refused", b"x" if method == "PUT" else b"", headers=headers)
    assert (answer.status, code(answer)) == (status, name)


def test_a_buckets_rule_is_for_requests_that_ask_for_nothing(ask):
    ask("PUT", "/ruled")
    assert ask("PUT", "/ruled?encryption", rule("aws:kms", "arn:aws:kms:second")).status == 200
    assert b"second" in ask("GET", "/ruled?encryption").body
    assert ask("PUT", "/ruled/o", b"x").headers[KEY_SHOWN] == "arn:aws:kms:second"
    assert ask("PUT", "/ruled/s3", b"x", headers={SSE: "AES256"}).headers[SHOWN] == "AES256"
    assert ask("DELETE", "/ruled?encryption").status == 204
    assert SHOWN not in ask("PUT", "/ruled/plain", b"x").headers
    assert ask("GET", "/ruled/o").headers[SHOWN] == "aws:kms"


def test_listing(ask):
    ask("PUT", "/list")
    for name in ("a", "dir/one", "dir/sub/two", "folder/", "sp%20ce%2B", "z"):
        assert ask("PUT", f"/list/{name}", b"1").status in (200, 400)
    ask("PUT", "/list/folder/", b"")
    everything = ["a", "dir/one", "dir/sub/two", "folder/", "sp ce+", "z"]
    assert text(ask("GET", "/list"), "Key") == everything
    top = ask("GET", "/list?delimiter=%2F&list-type=2")
    assert text(top, "Key") == ["a", "sp ce+", "z"]
    assert text(top, "CommonPrefixes") == ["<Prefix>dir/</Prefix>", "<Prefix>folder/</Prefix>"]
    assert text(top, "KeyCount") == ["5"]
    assert text(ask("GET", "/list?delimiter=%2F&prefix=dir%2F"), "Key") == ["dir/one"]
    assert text(ask("GET", "/list?list-type=2&start-after=folder%2F"), "Key") == ["sp ce+", "z"]
    assert text(ask("GET", "/list?encoding-type=url&prefix=sp"), "Key") == ["sp+ce%2B"]
    page = ask("GET", "/list?list-type=2&max-keys=2")
    assert (text(page, "Key"), text(page, "IsTruncated")) == (everything[:2], ["true"])
    token = text(page, "NextContinuationToken")[0].replace("/", "%2F").replace("=", "%3D").replace("+", "%2B")
    assert text(ask("GET", f"/list?continuation-token={token}&list-type=2"), "Key") == everything[2:]
    assert code(ask("DELETE", "/list")) == "BucketNotEmpty"


def test_the_official_client(ask, minio):
    sdk, big = minio.sdk(), os.urandom(12 << 20)
    sdk.make_bucket("sdk")
    for name, sse in (("plain", None), ("s3", SseS3()), ("kms", SseKMS("second", {}))):
        sdk.put_object("sdk", name, io.BytesIO(big), len(big), part_size=5 << 20, sse=sse)
        assert sdk.stat_object("sdk", name).size == len(big)
        assert sdk.get_object("sdk", name).data == big
        part = ask("GET", f"/sdk/{name}", headers={"Range": "bytes=5242000-10486000"})
        assert (part.status, part.body) == (206, big[5242000:10486001])
        assert urlopen(sdk.presigned_get_object("sdk", name)).read(64) == big[:64]
    sdk.copy_object("sdk", "copied", _source("sdk", "kms"))
    assert sdk.get_object("sdk", "copied").data == big
    assert [o.object_name for o in sdk.list_objects("sdk")] == ["copied", "kms", "plain", "s3"]
    assert not list(sdk.remove_objects("sdk", _names("copied", "kms", "plain", "s3", "never")))
    sdk.remove_bucket("sdk")
    assert "sdk" not in [b.name for b in sdk.list_buckets()]


def test_uploads_in_parts(ask):
    upload = text(ask("POST", "/bkt/parts?uploads"), "UploadId")[0]
    where = f"/bkt/parts?uploadId={upload}"
    etags = []
    for number, body in ((1, b"small"), (2, b"smaller")):
        etags.append(ask("PUT", f"/bkt/parts?partNumber={number}&uploadId={upload}", body).headers["ETag"])
    assert etags[0] == f'"{hashlib.md5(b"small").hexdigest()}"'
    assert text(ask("GET", where), "PartNumber") == ["1", "2"]
    assert code(ask("PUT", f"/bkt/parts?partNumber=0&uploadId={upload}", b"x")) == "InvalidPart"

    def finish(*parts):
        rows = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{e}</ETag></Part>" for n, e in parts)
        return ask("POST", where, f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode())

    assert code(finish((1, '"bad"'))) == "InvalidPart"
    assert code(finish((2, etags[1]), (1, etags[0]))) == "InvalidPartOrder"
    assert code(finish((1, etags[0]), (2, etags[1]))) == "EntityTooSmall"
    done = finish((1, etags[0]))
    assert done.status == 200
    assert done.headers["ETag"].endswith('-1"')
    assert ask("GET", "/bkt/parts").body == b"small"
    assert code(finish((1, etags[0]))) == "NoSuchUpload"


def _source(bucket, name):
    from minio.commonconfig import CopySource

    return CopySource(bucket, name)


def _names(*names):
    from minio.deleteobjects import DeleteObject

    return [DeleteObject(n) for n in names]
