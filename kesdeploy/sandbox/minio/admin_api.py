"""Health, which needs no signature, and the KMS API, which needs one in the headers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kesdeploy.sandbox.minio.app import App, failure, json_of, query_of, request_id
from kesdeploy.sandbox.minio.errors import NO_KMS, KmsError, S3Error
from kesdeploy.sandbox.minio.sigv4 import verify
from kesdeploy.sandbox.notice import VERSION
from kesdeploy.sandbox.web import Response

if TYPE_CHECKING:
    from kesdeploy.sandbox.minio.kms import Kms
    from kesdeploy.sandbox.web import Request

Answer = Callable[[App, "Request"], Response]
_CONTEXT = {"MinIO admin API": "KMSKeyStatusHandler"}
_HEALTH = "/minio/health/"
_KMS = "/minio/kms/v1/"
_ADMIN = "/minio/admin/v3/"
_STATE = (
    ("Version", ""), ("KeyStoreLatency", 0), ("KeyStoreReachable", False), ("KeystoreAvailable", False), ("OS", ""),
    ("Arch", ""), ("UpTime", 0), ("CPUs", 0), ("UsableCPUs", 0), ("HeapAlloc", 0), ("StackAlloc", 0),
)  # fmt: skip


def find(path: str) -> Answer | None:
    """The answer to one of MinIO's own paths, None for S3 (where nobody may have a bucket `minio`)."""
    if path.startswith(_HEALTH):
        return _HEALTH_CHECKS.get(path.removeprefix(_HEALTH))
    return _kms if path.startswith((_KMS, _ADMIN)) else None


def _live(_: App, __: Request) -> Response:
    return Response(200)


def _cluster(_: App, request: Request) -> Response:
    quorum = "Read" if request.path.endswith("/read") else "Write"
    return Response(200, {f"X-Minio-{quorum}-Quorum": "1", "X-Minio-Storage-Class-Defaults": "false"})


def _ready(app: App, request: Request) -> Response:
    """One data key is made with the default key; whether MinIO's own configuration could be read is not asked."""
    if app.kms is None or request.header("x-minio-from-peer"):
        return Response(200)
    try:
        app.kms.generate("", {"healthcheck": ""})
    except KmsError as error:
        return failure(app, request, error)
    return Response(200)


_HEALTH_CHECKS: dict[str, Answer] = {"live": _live, "ready": _ready, "cluster": _cluster, "cluster/read": _cluster}


def _kms(app: App, request: Request) -> Response:
    path, query = request.path.removeprefix(_KMS).removeprefix(_ADMIN + "kms/"), query_of(request)
    action, needed = _ACTIONS.get((request.method, path), (None, ""))
    if action is None or (needed and needed not in query):
        return failure(app, request, _no_route(request))
    try:
        verify(request, app.settings.user, app.settings.password, headers_only=True)
        if app.kms is None:
            raise NO_KMS.error()
        found = action(app.kms, query)
    except S3Error as error:
        return _failure(app, request, error)
    headers = {} if found is None else {"Content-Type": "application/json"}
    return Response(200, headers | {"X-Amz-Request-Id": request_id()}, b"" if found is None else json_of(found))


def _no_route(request: Request) -> S3Error:
    where = f"{request.method} at '{request.path}'"
    return S3Error(400, "BadRequest", f"An error occurred when parsing the HTTP request {where}")


def _failure(app: App, request: Request, error: S3Error) -> Response:
    fields = {"Code": error.code, "Message": error.message, "Resource": request.path}
    body = {**fields, "RequestId": request_id(), "HostId": app.host_id}
    return Response(error.status, {"Content-Type": "application/json"}, json_of(body) + b"\n")


def _status(kms: Kms, _: dict[str, str]) -> Any:
    about = {"name": "MinIO KES", "default-key-id": kms.default_key, "endpoints": kms.status()}
    return about | {"state": dict(_STATE)}


def _key_status(kms: Kms, query: dict[str, str]) -> Any:
    """Always an answer; what failed is told in it."""
    found = {"key-id": query.get("key-id") or kms.default_key}
    try:
        key = kms.generate(found["key-id"], _CONTEXT)
    except KmsError as error:
        return found | {"encryption-error": str(error)}
    try:
        kms.decrypt(key.key, key.sealed, _CONTEXT)
    except KmsError as error:
        return found | {"decryption-error": str(error)}
    return found


def _create(kms: Kms, query: dict[str, str]) -> None:
    """Whatever KES refuses is an internal error here, as in the real server."""
    try:
        kms.create(query["key-id"])
    except KmsError as error:
        why = f"We encountered an internal error, please try again. ({error})"
        raise S3Error(500, "InternalError", why) from error


def _list(kms: Kms, query: dict[str, str]) -> Any:
    return [{"createdAt": "0001-01-01T00:00:00Z", "createdBy": "", "name": n} for n in kms.names(query["pattern"])]


def _metrics(kms: Kms, _: dict[str, str]) -> Any:
    return kms.counters.json()


def _version(_: Kms, __: dict[str, str]) -> Any:
    return {"version": VERSION}


# What is done, and the parameter without which there is no such route.
_ACTIONS: dict[tuple[str, str], tuple[Callable[[Kms, dict[str, str]], Any], str]] = {
    ("GET", "status"): (_status, ""),
    ("POST", "status"): (_status, ""),
    ("GET", "key/status"): (_key_status, ""),
    ("POST", "key/create"): (_create, "key-id"),
    ("GET", "key/list"): (_list, "pattern"),
    ("GET", "version"): (_version, ""),
    ("GET", "metrics"): (_metrics, ""),
}
