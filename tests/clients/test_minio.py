"""The MinIO client against a server that answers as MinIO RELEASE.2025-04-22T22-12-26Z did to the same requests."""

from __future__ import annotations

import socket

import pytest

from kesdeploy.clients.minio import Minio
from kesdeploy.errors import ServiceError

PASSWORD = "pass word'$#\\"
READY, CLUSTER = ("GET", "/minio/health/ready"), ("GET", "/minio/health/cluster")
KEY = ("GET", "/minio/kms/v1/key/status")


def xml(code: str, message: str) -> bytes:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{head}<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture
def minio(server, world) -> Minio:
    return Minio(server.address, "admin", PASSWORD, world.ca, 5)


def test_ready_wants_both_answers(server, minio):
    server.answers[READY] = server.answers[CLUSTER] = (200, b"")
    minio.ready()
    server.answers[CLUSTER] = (503, b"")
    with pytest.raises(ServiceError, match="cluster") as caught:
        minio.ready()
    assert caught.value.status == 503


def test_200_with_a_state_is_not_ready(server, minio):
    server.answers[READY] = server.answers[CLUSTER] = (200, b"")
    server.headers["X-Minio-Server-Status"] = "offline"
    with pytest.raises(ServiceError) as caught:
        minio.ready()
    assert caught.value.because == "offline"


def test_a_denied_kms_keeps_its_words(server, minio):
    words = "insufficient permissions to perform KMS operation"
    server.answers[READY] = (403, xml("kms:NotAuthorized", words))
    with pytest.raises(ServiceError) as caught:
        minio.ready()
    assert (caught.value.status, caught.value.because) == (403, f"kms:NotAuthorized: {words}")


def test_the_key_status_is_in_the_body(server, minio):
    server.answers[KEY] = (200, b'{"key-id":"k1"}')
    assert minio.key_status("k1").ok
    server.answers[KEY] = (200, b'{"key-id":"k1","encryption-error":"key with given key ID does not exist"}')
    status = minio.key_status("k1")
    assert (status.ok, status.encryption_error) == (False, "key with given key ID does not exist")


def test_a_refusal_of_the_kms_api_is_json(server, minio):
    server.answers[KEY] = (403, b'{"Code":"SignatureDoesNotMatch","Message":"The request signature does not match"}\n')
    with pytest.raises(ServiceError) as caught:
        minio.key_status("k1")
    assert caught.value.because == "SignatureDoesNotMatch: The request signature does not match"


def test_the_request_is_signed_over_its_query(server, minio):
    server.answers[KEY] = (200, b'{"key-id":"a b&c"}')
    minio.key_status("a b&c")
    asked = server.asked[-1]
    assert asked.path.endswith("?key-id=a%20b%26c")
    assert asked.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=admin/")
    assert "x-amz-content-sha256" in {name.lower() for name in asked.headers}


def test_head_names_the_key_without_its_arn(server, minio):
    server.answers["HEAD", "/bucket1/o"] = (200, b"12345")
    server.headers |= {
        "X-Amz-Server-Side-Encryption": "aws:kms",
        "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "arn:aws:kms:k1",
        "Last-Modified": "Sat, 21 Nov 2026 04:00:00 GMT",
    }
    head = minio.head("bucket1", "o")
    assert (head.sse, head.key, head.size) == ("aws:kms", "k1", 5)


def test_a_missing_object_and_a_missing_bucket(server, minio):
    server.headers["Content-Type"] = "application/xml"
    server.answers["GET", "/bucket1/o"] = (404, xml("NoSuchKey", "The specified key does not exist."))
    with pytest.raises(ServiceError) as caught:
        minio.get("bucket1", "o")
    assert (caught.value.status, caught.value.because) == (404, "NoSuchKey: The specified key does not exist.")


def test_a_bucket_without_a_rule(server, minio):
    server.headers["Content-Type"] = "application/xml"
    code = "ServerSideEncryptionConfigurationNotFoundError"
    server.answers["GET", "/bucket1"] = (404, xml(code, "The server side encryption configuration was not found"))
    assert minio.bucket_encryption("bucket1") is None
    server.answers["GET", "/bucket1"] = (404, xml("NoSuchBucket", "The specified bucket does not exist"))
    with pytest.raises(ServiceError, match="bucket1"):
        minio.bucket_encryption("bucket1")


@pytest.mark.parametrize(
    ("status", "expected"),
    [("", False), ("<Status>Enabled</Status>", True), ("<Status>Suspended</Status>", True)],
)
def test_a_bucket_with_versions(server, minio, status, expected):
    server.headers["Content-Type"] = "application/xml"
    body = (
        f'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{status}</VersioningConfiguration>'
    )
    server.answers["GET", "/bucket1"] = (200, body.encode())
    assert minio.has_versions("bucket1") is expected


def test_a_refused_password_is_never_repeated(server, minio):
    server.headers["Content-Type"] = "application/xml"
    server.answers["GET", "/bucket1/name"] = (
        403,
        xml("SignatureDoesNotMatch", "The request signature we calculated does not match"),
    )
    with pytest.raises(ServiceError, match="bucket1/name") as caught:
        minio.get("bucket1", "name")
    assert caught.value.status == 403
    assert PASSWORD not in f"{caught.value} {caught.value.because} {minio!r}"


def test_a_name_that_no_bucket_can_have(minio):
    with pytest.raises(ServiceError) as caught:
        minio.ensure_bucket("B_")
    assert "invalid bucket name" in caught.value.because


def test_s3_and_health_say_the_same_of_an_untrusted_certificate(server, make_world):
    stranger = Minio(server.address, "admin", PASSWORD, make_world().ca, 5)
    for ask in (stranger.ready, lambda: stranger.ensure_bucket("bucket1")):
        with pytest.raises(ServiceError) as caught:
            ask()
        assert (caught.value.status, "certificate is refused" in caught.value.because) == (0, True)


def test_nothing_listens(world):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    gone = Minio(f"https://127.0.0.1:{port}", "admin", PASSWORD, world.ca, 5)
    for ask in (gone.ready, lambda: gone.ensure_bucket("bucket1"), lambda: gone.key_status("k1")):
        with pytest.raises(ServiceError) as caught:
            ask()
        assert (caught.value.status, caught.value.because) == (0, "connection refused")


LISTED = """<?xml version="1.0" encoding="UTF-8"?>
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket1</Name><Prefix></Prefix>
<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>
<Version><Key>a+b%2Fc</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest>
<LastModified>2026-11-21T04:00:00.000Z</LastModified><ETag>"e"</ETag><Size>5</Size></Version>
<DeleteMarker><Key>d</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest>
<LastModified>2026-11-21T04:00:00.000Z</LastModified></DeleteMarker>
<Version><Key>e</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>
<LastModified>2026-11-21T04:00:00.000Z</LastModified><ETag>"e"</ETag><Size>5</Size></Version></ListVersionsResult>"""


def test_versions_without_deletions(server, minio):
    server.headers["Content-Type"] = "application/xml"
    server.answers["GET", "/bucket1"] = (200, LISTED.encode())
    assert list(minio.versions("bucket1")) == [("a b/c", "v1"), ("e", "")]


def test_a_listing_that_is_refused_keeps_its_words(server, minio):
    server.headers["Content-Type"] = "application/xml"
    server.answers["GET", "/bucket1"] = (500, xml("kms:DecryptionFailed", "failed to decrypt ciphertext"))
    with pytest.raises(ServiceError, match="does not list") as caught:
        list(minio.versions("bucket1"))
    assert "kms:DecryptionFailed" in caught.value.because


def test_a_version_is_asked_for_by_its_id(server, minio):
    server.answers["HEAD", "/bucket1/o"] = (200, b"12345")
    server.headers["Last-Modified"] = "Sat, 21 Nov 2026 04:00:00 GMT"
    minio.head("bucket1", "o", "v1")
    assert server.asked[-1].path.endswith("versionId=v1")
    assert minio.head("bucket1", "o").sse == ""
    assert "versionId" not in server.asked[-1].path
