"""Which answer a request gets: health and administration by path, S3 by bucket, object and sub-resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kesdeploy.sandbox.minio import admin_api, bucket_api, object_api, upload_api
from kesdeploy.sandbox.minio.app import App, Call, failure, query_of, request_id
from kesdeploy.sandbox.minio.errors import BAD_METHOD, NOT_HERE, S3Error
from kesdeploy.sandbox.minio.sigv4 import Payload, verify
from kesdeploy.sandbox.notice import say
from kesdeploy.sandbox.web import Response

if TYPE_CHECKING:
    from kesdeploy.sandbox.web import Request

Handler = Callable[[App, Call], Response]
_SUBRESOURCES = [
    "location",
    "encryption",
    "versioning",
    "policy",
    "tagging",
    "lifecycle",
    "cors",
    "notification",
    "object-lock",
    "replication",
    "acl",
    "versions",
    "uploads",
    "uploadId",
    "delete",
    "retention",
    "legal-hold",
    "attributes",
    "select",
    "restore",
    "torrent",
    "website",
    "logging",
    "accelerate",
    "requestPayment",
    "ownershipControls",
    "publicAccessBlock",
    "policyStatus",
]
_BUCKET: dict[tuple[str, str], Handler] = {
    ("GET", ""): bucket_api.list_objects,
    ("HEAD", ""): bucket_api.head,
    ("PUT", ""): bucket_api.make,
    ("DELETE", ""): bucket_api.remove,
    ("POST", "delete"): bucket_api.delete_objects,
    ("GET", "location"): bucket_api.location,
    ("GET", "versioning"): bucket_api.versioning,
    ("GET", "encryption"): bucket_api.get_encryption,
    ("PUT", "encryption"): bucket_api.put_encryption,
    ("DELETE", "encryption"): bucket_api.delete_encryption,
    ("GET", "uploads"): upload_api.list_uploads,
}
_OBJECT: dict[tuple[str, str], Handler] = {
    ("GET", ""): object_api.get,
    ("HEAD", ""): object_api.get,
    ("PUT", ""): object_api.put,
    ("DELETE", ""): object_api.delete,
    ("POST", "uploads"): upload_api.begin,
    ("PUT", "uploadId"): upload_api.put_part,
    ("GET", "uploadId"): upload_api.list_parts,
    ("POST", "uploadId"): upload_api.complete,
    ("DELETE", "uploadId"): upload_api.abort,
}
_ABSENT = {
    "policy": ("NoSuchBucketPolicy", "The bucket policy does not exist"),
    "tagging": ("NoSuchTagSet", "The TagSet does not exist"),
    "lifecycle": ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
    "cors": ("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    "object-lock": ("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"),
    "replication": ("ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
}


def answer(app: App, request: Request) -> Response:
    """Never raises."""
    special = admin_api.find(request.path)
    if special is not None:
        return special(app, request)
    bucket, _, name = request.path.lstrip("/").partition("/")
    try:
        response = _s3(app, request, bucket, name)
    except S3Error as error:
        if error.code.startswith("kms:"):
            say(f"API: {request.method} {request.path}\nError: {error}")
        return failure(app, request, error, bucket, name)
    except OSError as error:
        say(f"Error: {error}")
        broken = S3Error(500, "InternalError", "We encountered an internal error, please try again.")
        return failure(app, request, broken, bucket, name)
    response.headers.setdefault("X-Amz-Request-Id", request_id())
    return response


def _s3(app: App, request: Request, bucket: str, name: str) -> Response:
    signature = verify(request, app.settings.user, app.settings.password)
    call = Call(request, bucket, name, query_of(request), Payload(request, signature))
    if not bucket:
        if request.method != "GET":
            raise BAD_METHOD.error()
        return bucket_api.list_buckets(app, call)
    sub = next((s for s in _SUBRESOURCES if s in call.query), "")
    table = _OBJECT if name else _BUCKET
    if (request.method, sub) in table:
        return table[request.method, sub](app, call)
    if request.method == "GET" and sub in _ABSENT:
        app.buckets.check(bucket)
        raise S3Error(404, *_ABSENT[sub])
    raise NOT_HERE.error()
