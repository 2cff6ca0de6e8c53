"""The S3 requests for uploads in parts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kesdeploy.sandbox.minio import multipart, objects
from kesdeploy.sandbox.minio.app import App, Call, xml
from kesdeploy.sandbox.minio.encryption_rule import response_headers
from kesdeploy.sandbox.minio.errors import BAD_ORDER, BAD_PART, BAD_XML, S3Error
from kesdeploy.sandbox.minio.object_api import new_key, reader, user_headers
from kesdeploy.sandbox.minio.xmltext import Document, parse, when
from kesdeploy.sandbox.web import Response

if TYPE_CHECKING:
    from kesdeploy.sandbox.minio.multipart import Upload

_MAX_PARTS = 10_000


def begin(app: App, call: Call) -> Response:
    app.buckets.check(call.bucket)
    sealed = new_key(app, call)
    upload = multipart.begin(app.drive, call.bucket, call.name, user_headers(call), sealed)
    fields: list[Document] = [("Bucket", call.bucket), ("Key", call.name), ("UploadId", upload)]
    response = xml(("InitiateMultipartUploadResult", fields))
    response.headers |= response_headers(sealed.meta) if sealed else {}
    return response


def put_part(app: App, call: Call) -> Response:
    upload = _upload(app, call)
    text = call.query.get("partNumber", "")
    if not text.isdigit() or not 1 <= int(text) <= _MAX_PARTS:
        raise BAD_PART.error()
    copied = call.header("x-amz-copy-source")
    read = _copied(app, call, copied) if copied else call.payload.read
    etag = multipart.put_part(app.drive, app.kms, upload, int(text), read)
    if copied:
        return xml(("CopyPartResult", [("ETag", f'"{etag}"')]))
    return Response(200, {"ETag": f'"{etag}"', **response_headers(upload.system)})


def _copied(app: App, call: Call, source: str) -> objects.Read:
    bucket, _, name = source.lstrip("/").partition("/")
    app.buckets.check(bucket)
    meta = app.drive.read_meta(bucket, name)
    key = objects.key_of(app.kms, meta, bucket, name)
    first, _, last = call.header("x-amz-copy-source-range").removeprefix("bytes=").partition("-")
    span = (int(first), int(last) + 1) if last else (0, meta.size)
    return reader(objects.get(app.drive, bucket, name, meta, key, span))


def list_parts(app: App, call: Call) -> Response:
    found = multipart.parts(_upload(app, call)).items()
    parts: list[Document] = [
        (
            "Part",
            [
                ("PartNumber", n),
                ("ETag", f'"{p["etag"]}"'),
                ("Size", p["actual"]),
                ("LastModified", when(p["modified"])),
            ],
        )
        for n, p in found
    ]
    head: list[Document] = [("Bucket", call.bucket), ("Key", call.name), ("UploadId", call.query["uploadId"])]
    return xml(("ListPartsResult", [*head, ("IsTruncated", "false"), *parts]))


def complete(app: App, call: Call) -> Response:
    upload = _upload(app, call)
    try:
        root = parse(call.payload.all())
        wanted = [(int(p.findtext("PartNumber") or ""), p.findtext("ETag") or "") for p in root.findall("Part")]
    except ValueError:
        raise BAD_XML.error() from None
    if [n for n, _ in wanted] != sorted({n for n, _ in wanted}):
        raise BAD_ORDER.error()
    meta = multipart.complete(app.drive, upload, wanted)
    where = f"http://{call.header('Host')}/{call.bucket}/{call.name}"
    fields = [("Location", where), ("Bucket", call.bucket), ("Key", call.name), ("ETag", f'"{meta.etag}"')]
    response = xml(("CompleteMultipartUploadResult", fields))
    response.headers |= {"ETag": f'"{meta.etag}"', **response_headers(meta.system)}
    return response


def abort(app: App, call: Call) -> Response:
    """What is not there is as good as aborted."""
    with suppress(S3Error):
        multipart.abort(_upload(app, call))
    return Response(204)


def list_uploads(app: App, call: Call) -> Response:
    app.buckets.check(call.bucket)
    found = multipart.listing(app.drive, call.bucket)
    prefix = call.query.get("prefix", "")
    uploads: list[Document] = [
        ("Upload", [("Key", n), ("UploadId", u), ("Initiated", when(t))]) for n, u, t in found if n.startswith(prefix)
    ]
    return xml(("ListMultipartUploadsResult", [("Bucket", call.bucket), ("IsTruncated", "false"), *uploads]))


def _upload(app: App, call: Call) -> Upload:
    app.buckets.check(call.bucket)
    return multipart.find(app.drive, call.bucket, call.name, call.query["uploadId"])
