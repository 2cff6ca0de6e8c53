"""The S3 requests that name a bucket, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from kesdeploy.sandbox.minio import objects
from kesdeploy.sandbox.minio.app import App, Call, xml
from kesdeploy.sandbox.minio.encryption_rule import read_rule, rule_key
from kesdeploy.sandbox.minio.errors import NO_KMS, NO_RULE, S3Error
from kesdeploy.sandbox.minio.xmltext import Document, parse, when
from kesdeploy.sandbox.web import Response

if TYPE_CHECKING:
    from kesdeploy.sandbox.minio.drive import Meta

_OWNER: Document = ("Owner", [("ID", "02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4"),
                              ("DisplayName", "minio")])  # fmt: skip
_PAGE = 1000


def list_buckets(app: App, _: Call) -> Response:
    found = [("Bucket", [("Name", n), ("CreationDate", when(t))]) for n, t in app.buckets.all()]
    return xml(("ListAllMyBucketsResult", [_OWNER, ("Buckets", found)]))


def make(app: App, call: Call) -> Response:
    call.payload.all()
    app.buckets.make(call.bucket)
    return Response(200, {"Location": f"/{call.bucket}"})


def head(app: App, call: Call) -> Response:
    app.buckets.check(call.bucket)
    return Response(200)


def remove(app: App, call: Call) -> Response:
    app.buckets.remove(call.bucket)
    return Response(204)


def location(app: App, call: Call) -> Response:
    app.buckets.check(call.bucket)
    return xml(("LocationConstraint", ""))


def versioning(app: App, call: Call) -> Response:
    app.buckets.check(call.bucket)
    return xml(("VersioningConfiguration", ""))


def get_encryption(app: App, call: Call) -> Response:
    app.buckets.check(call.bucket)
    text = app.buckets.rule_text(call.bucket)
    if not text:
        raise NO_RULE.error()
    return Response(200, {"Content-Type": "application/xml"}, text.encode())


def put_encryption(app: App, call: Call) -> Response:
    """A rule with a key is tried on KES before it is kept."""
    app.buckets.check(call.bucket)
    text = call.payload.all()
    rule = read_rule(text)
    if app.kms is None:
        raise NO_KMS.error()
    if rule.kind == "KMS":
        app.kms.generate(rule_key(rule), {"MinIO admin API": "ServerInfoHandler"})
    app.buckets.set_rule(call.bucket, text.decode())
    return Response(200)


def delete_encryption(app: App, call: Call) -> Response:
    app.buckets.check(call.bucket)
    app.buckets.set_rule(call.bucket, "")
    return Response(204)


def delete_objects(app: App, call: Call) -> Response:
    app.buckets.check(call.bucket)
    root = parse(call.payload.all())
    quiet = root.findtext("Quiet") == "true"
    results: list[Document] = []
    for name in (o.findtext("Key") or "" for o in root.findall("Object")):
        try:
            app.drive.delete(call.bucket, name)
            results += [] if quiet else [("Deleted", [("Key", name)])]
        except S3Error as error:
            results.append(("Error", [("Code", error.code), ("Message", error.message), ("Key", name)]))
    return xml(("DeleteResult", results))


def list_objects(app: App, call: Call) -> Response:
    """Both versions of the listing."""
    app.buckets.check(call.bucket)
    v2 = call.query.get("list-type") == "2"
    after = (
        call.query.get("continuation-token") or call.query.get("start-after", "")
        if v2
        else call.query.get("marker", "")
    )
    limit = _limit(call.query.get("max-keys", ""))
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    entries = _entries(app, call.bucket, prefix, delimiter, after)
    shown, more = entries[:limit], 0 < limit < len(entries)
    url = call.query.get("encoding-type") == "url"

    def quoted(text: str) -> str:
        return quote_plus(text, safe="/") if url else text

    head: list[Document] = [("Name", call.bucket), ("Prefix", quoted(prefix))]
    head += _position(call, after, shown, more, v2=v2)
    head += [("MaxKeys", limit)] + ([("Delimiter", quoted(delimiter))] if delimiter else [])
    head += [("IsTruncated", str(more).lower())]
    contents: list[Document] = [_content(app, call.bucket, n, m, quoted(n)) for n, m in shown if m]
    common: list[Document] = [("CommonPrefixes", [("Prefix", quoted(n))]) for n, m in shown if m is None]
    last: list[Document] = [("EncodingType", "url")] if url else []
    return xml(("ListBucketResult", head + contents + common + last))


def _limit(text: str) -> int:
    if text and (not text.lstrip("-").isdigit() or int(text) < 0):
        raise S3Error(400, "InvalidArgument", "Argument maxKeys must be an integer between 0 and 2147483647")
    return min(int(text), _PAGE) if text else _PAGE


def _position(call: Call, after: str, shown: list[tuple[str, Meta | None]], more: bool, *, v2: bool) -> list[Document]:
    last = shown[-1][0] if shown else ""
    if not v2:
        return [("Marker", after)] + ([("NextMarker", last)] if more else [])
    start = call.query.get("start-after")
    found: list[Document] = ([("StartAfter", start)] if start else []) + [("KeyCount", len(shown))]
    token = call.query.get("continuation-token")
    found += [("ContinuationToken", token)] if token else []
    return found + ([("NextContinuationToken", last)] if more else [])


def _entries(app: App, bucket: str, prefix: str, delimiter: str, after: str) -> list[tuple[str, Meta | None]]:
    """Names with what is known of them, and common prefixes with None, in order."""
    found: dict[str, Meta | None] = {}
    for name, meta in app.drive.names(bucket, prefix):
        rest = name[len(prefix) :]
        if delimiter and delimiter in rest:
            found.setdefault(prefix + rest.split(delimiter)[0] + delimiter, None)
        else:
            found[name] = meta
    return [(n, m) for n, m in found.items() if n > after]


def _content(app: App, bucket: str, name: str, meta: Meta, shown: str) -> Document:
    """Objects under SSE-S3 need KES to be listed, because their ETag is sealed."""
    key = objects.key_of(app.kms, meta, bucket, name) if objects.is_sealed(meta) else None
    etag = f'"{objects.open_etag(meta, key)}"'
    fields = [("Key", shown), ("LastModified", when(meta.modified)), ("ETag", etag), ("Size", meta.size)]
    return ("Contents", [*fields, _OWNER, ("StorageClass", "STANDARD")])
