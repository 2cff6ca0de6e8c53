"""The S3 requests that name an object: put, copy, get, head, delete."""

from __future__ import annotations

import re
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kesdeploy.sandbox.minio import objects, sealing
from kesdeploy.sandbox.minio.app import App, Call, failure, xml
from kesdeploy.sandbox.minio.encryption_rule import decide, refuse_on_read, response_headers
from kesdeploy.sandbox.minio.errors import BAD_RANGE, NO_KEY, NOT_MODIFIED, PRECONDITION, KmsError, Refusal, S3Error
from kesdeploy.sandbox.minio.xmltext import when
from kesdeploy.sandbox.web import Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kesdeploy.sandbox.minio.drive import Meta
    from kesdeploy.sandbox.minio.sealing import Sealed

_KEPT = ("Content-Type", "Content-Encoding", "Content-Disposition", "Content-Language", "Cache-Control", "Expires")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_SSE_C = Refusal(
    400,
    "InvalidRequest",
    "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.",
)


def put(app: App, call: Call) -> Response:
    app.buckets.check(call.bucket)
    if call.header("x-amz-copy-source"):
        return _copy(app, call)
    _check_put(app, call)
    sealed = new_key(app, call)
    meta = objects.put(app.drive, call.bucket, call.name, call.payload.read, user_headers(call), sealed)
    etag = objects.open_etag(meta, sealed.key if sealed else None)
    return Response(200, {"ETag": f'"{etag}"', **response_headers(meta.system)})


def new_key(app: App, call: Call) -> Sealed | None:
    """A key for the object that is about to be written, None when it is to be in the clear. Raises S3Error."""
    if call.header("x-amz-server-side-encryption-customer-algorithm"):
        raise _SSE_C.error()
    wanted = decide(call.request, app.buckets.rule(call.bucket), auto=app.auto, has_kms=app.kms is not None)
    if wanted is None or app.kms is None:
        return None
    return sealing.seal(app.kms, wanted, call.bucket, call.name)


def user_headers(call: Call) -> dict[str, str]:
    """What is kept with the object and given back with it."""
    found = {n: call.header(n) for n in _KEPT if call.header(n)}
    if encoding := [e for e in found.pop("Content-Encoding", "").split(",") if e.strip() not in ("", "aws-chunked")]:
        found["Content-Encoding"] = ",".join(encoding)
    found.setdefault("Content-Type", "binary/octet-stream")
    own = {n.lower(): v for n, v in call.request.headers.items() if n.lower().startswith("x-amz-meta-")}
    return found | own


def _copy(app: App, call: Call) -> Response:
    source = unquote(call.header("x-amz-copy-source")).lstrip("/").partition("?")[0]
    bucket, _, name = source.partition("/")
    app.buckets.check(bucket)
    old = app.drive.read_meta(bucket, name)
    key = objects.key_of(app.kms, old, bucket, name)
    stream = objects.get(app.drive, bucket, name, old, key, (0, old.size))
    replace = call.header("x-amz-metadata-directive").upper() == "REPLACE"
    user = user_headers(call) if replace else dict(old.user)
    sealed = new_key(app, call)
    meta = objects.put(app.drive, call.bucket, call.name, reader(stream), user, sealed)
    etag = objects.open_etag(meta, sealed.key if sealed else None)
    result = xml(("CopyObjectResult", [("LastModified", when(meta.modified)), ("ETag", f'"{etag}"')]))
    result.headers["ETag"] = f'"{etag}"'
    return result


def reader(stream: Iterator[bytes]) -> objects.Read:
    """An iterator of blocks as something to read from."""

    def read(_: int) -> bytes:
        return next(stream, b"")

    return read


def get(app: App, call: Call) -> Response:
    """GET and HEAD."""
    refuse_on_read(call.request)
    app.buckets.check(call.bucket)
    meta = app.drive.read_meta(call.bucket, call.name)
    head = call.request.method == "HEAD"
    key = _key(app, call, meta, head=head)
    etag = objects.open_etag(meta, key)
    if error := _unmet(call, etag, meta.modified):
        refusal = failure(app, call.request, error, call.bucket, call.name)
        refusal.headers["ETag"] = f'"{etag}"'
        return refusal
    start, end, partial = _span(call.header("Range"), meta.size)
    headers = {
        **meta.user,
        "ETag": f'"{etag}"',
        "Last-Modified": formatdate(meta.modified, usegmt=True),
        **response_headers(meta.system),
        **({"Content-Range": f"bytes {start}-{end - 1}/{meta.size}"} if partial else {}),
        **_overrides(call),
    }
    body = iter(()) if head else objects.get(app.drive, call.bucket, call.name, meta, key, (start, end))
    return Response(206 if partial else 200, headers, body, end - start)


def _key(app: App, call: Call, meta: Meta, *, head: bool) -> bytes | None:
    """HEAD asks KES only for a sealed ETag, and lives with a refusal."""
    if not head:
        return objects.key_of(app.kms, meta, call.bucket, call.name)
    try:
        return objects.key_of(app.kms, meta, call.bucket, call.name) if objects.is_sealed(meta) else None
    except KmsError:
        return None


def delete(app: App, call: Call) -> Response:
    app.buckets.check(call.bucket)
    app.drive.delete(call.bucket, call.name)
    return Response(204)


def _overrides(call: Call) -> dict[str, str]:
    names = {f"response-{n.lower()}": n for n in _KEPT}
    return {names[k]: v for k, v in call.query.items() if k in names}


def _check_put(app: App, call: Call) -> None:
    """`If-None-Match: *` and `If-Match` of a PUT. Raises S3Error."""
    wanted, refused = call.header("If-Match").strip('"'), call.header("If-None-Match")
    if not wanted and not refused:
        return
    try:
        meta = app.drive.read_meta(call.bucket, call.name)
    except S3Error:
        if wanted:
            raise NO_KEY.error() from None
        return
    etag = objects.open_etag(meta, _key(app, call, meta, head=True))
    if refused in ("*", f'"{etag}"') or (wanted and wanted != etag):
        raise PRECONDITION.error()


def _unmet(call: Call, etag: str, modified: float) -> S3Error | None:
    match, none = (call.header(n) for n in ("If-Match", "If-None-Match"))
    if match and match.strip('"') not in (etag, "*"):
        return PRECONDITION.error()
    if none and none.strip('"') in (etag, "*"):
        return NOT_MODIFIED.error()
    since, before = (_date(call.header(n)) for n in ("If-Modified-Since", "If-Unmodified-Since"))
    if since is not None and not none and int(modified) <= since:
        return NOT_MODIFIED.error()
    if before is not None and not match and int(modified) > before:
        return PRECONDITION.error()
    return None


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


def _span(text: str, size: int) -> tuple[int, int, bool]:
    """First byte, the byte after the last, and whether a part was asked for."""
    match = _RANGE.fullmatch(text)
    if match is None or (not match[1] and not match[2]):
        return 0, size, False
    if not match[1]:
        start, end = max(size - int(match[2]), 0), size
    else:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    if start >= size or start >= end:
        raise BAD_RANGE.error()
    return start, end, True
