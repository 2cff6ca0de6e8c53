"""The stand-in's S3 as a whole, without a socket: any request has an answer that an S3 client understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from signing import PASSWORD, USER, signed

from kesdeploy.sandbox.minio import api
from kesdeploy.sandbox.minio import settings as flags
from kesdeploy.sandbox.minio.app import App
from kesdeploy.sandbox.minio.buckets import Buckets
from kesdeploy.sandbox.minio.drive import Drive
from kesdeploy.sandbox.minio.xmltext import parse

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.sandbox.web import Request, Response

METHODS = st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST", "PATCH"])
ODD = st.sampled_from(["", "0", "1", "-1", "x", "9" * 30, "1e3", "ü", "/", "..", "a/", "url", "true", "\u0663"])
QUERY = st.dictionaries(
    st.sampled_from(
        [
            *("list-type", "prefix", "delimiter", "max-keys", "marker", "start-after", "continuation-token"),
            *("encoding-type", "fetch-owner", "uploads", "uploadId", "partNumber", "max-parts", "part-number-marker"),
            *("encryption", "location", "delete", "versionId", "versioning", "policy", "tagging", "acl", "lifecycle"),
            *("key-marker", "upload-id-marker", "max-uploads", "response-content-type", "attributes", "select"),
        ]
    ),
    ODD,
    max_size=4,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "x-amz-copy-source"),
            *("x-amz-server-side-encryption", "x-amz-server-side-encryption-context", "Content-MD5", "x-amz-tagging"),
            *("x-amz-meta-name", "x-amz-copy-source-range", "x-amz-metadata-directive", "x-amz-decoded-content-length"),
        ]
    ),
    st.sampled_from(
        [
            *("", "x", "bytes=0-", "bytes=-5", "bytes=5-1", "bytes=x-y", "bytes=" + "9" * 30 + "-", "*", '"etag"'),
            *("aws:kms", "AES256", "none", "e30=", "/bucket/there", "bucket/nothing", "%zz", "REPLACE", "-1"),
            *("Sat, 01 Jan 2000 00:00:00 GMT", "Sat, 99 Jan 2000", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ]
    ),
    max_size=3,
)
BODIES = st.sampled_from(
    [
        *(b"", b"content", b"<", b"<Delete/>", b"<Delete><Object><Key>there</Key></Object></Delete>"),
        *(b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>",),
        *(b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",),
        *(b"<ServerSideEncryptionConfiguration><Rule/></ServerSideEncryptionConfiguration>",),
    ]
)
PLACES = st.sampled_from(["", "there", "nothing", "a/", "../../up", "größe", "x" * 300])


@pytest.fixture
def app(tmp_path: Path) -> App:
    drive = Drive(str(tmp_path / "drive"))
    drive.prepare()
    env = {"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD}
    made = App(flags.read(["server", str(drive.root)], env), drive, Buckets(drive), None, auto=False, host_id="h")
    made.buckets.make("bucket")
    assert ask(made, signed("PUT", "there", {}, b"content")).status == 200
    return made


def ask(app: App, request: Request) -> Response:
    response = api.answer(app, request)
    if not isinstance(response.body, bytes):
        response.body = b"".join(response.body)
    return response


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(METHODS, PLACES, QUERY, HEADERS, BODIES)
@example("GET", "", {"list-type": "2", "max-keys": "x"}, {}, b"")
@example("GET", "", {"list-type": "2", "max-keys": "9" * 30}, {}, b"")
@example("PUT", "there", {"uploadId": "x", "partNumber": "9" * 30}, {}, b"content")
@example("POST", "there", {"uploadId": "x"}, {}, b"<")
@example("GET", "there", {}, {"Range": "bytes=" + "9" * 30 + "-"}, b"")
@example("GET", "there", {}, {"If-Modified-Since": "Fri, 31 Dec 9999 23:59:59 GMT"}, b"")
@example("PUT", "new", {}, {"x-amz-copy-source": "%zz"}, b"")
@example("PUT", "new", {}, {"x-amz-copy-source": "/bucket/there", "x-amz-copy-source-range": "bytes=5-1"}, b"")
def test_any_request_has_an_answer(app, method, place, query, headers, body):
    response = ask(app, signed(method, place, query, body, **headers))
    assert 200 <= response.status < 600
    assert response.status != 500
    if response.status >= 400 and method != "HEAD":
        error = parse(response.body)
        assert (error.tag, bool(error.findtext("Code")), bool(error.findtext("Message"))) == ("Error", True, True)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text("ab/", min_size=1, max_size=4).filter(lambda n: "//" not in n and n[0] != "/"), max_size=8), ODD
)
def test_a_listing_by_pages_holds_each_name_once_and_in_order(app, names, delimiter):
    """Whatever the size of a page, and with folders or without."""
    wanted = {"there", *names}
    for name in wanted:
        ask(app, signed("PUT", name, {}, b"x"))
    kept = sorted((name for name in wanted if ask(app, signed("HEAD", name, {})).status == 200), key=str.encode)
    delimiter = delimiter if delimiter == "/" else ""
    for size in ("1", "2", "1000"):
        found, token = [], ""
        while True:
            query = {"list-type": "2", "max-keys": size, "delimiter": delimiter}
            page = parse(ask(app, signed("GET", "", query | ({"continuation-token": token} if token else {}))).body)
            found += [key.text for key in (*page.findall("Contents/Key"), *page.findall("CommonPrefixes/Prefix"))]
            token = page.findtext("NextContinuationToken") or ""
            if page.findtext("IsTruncated") != "true":
                break
        folded = {n[: n.index("/") + 1] if delimiter and "/" in n else n for n in kept}
        assert sorted(found) == sorted(folded)
        assert len(found) == len(set(found))
    for name in wanted - {"there"}:
        ask(app, signed("DELETE", name, {}))
