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
_NO_ROUTE = S3Error(400, "BadRequest", "An error occurred when parsing the HTTP request")


def find(path: str) -> Answer | None:
    """The answer to one of MinIO's own paths, None for S3."""
    if path.startswith(_HEALTH):
        return {"live": _live, "ready": _ready, "cluster": _live, "cluster/read": _live}.get(
            path.removeprefix(_HEALTH), _unknown
        )
    if path.startswith((_KMS, _ADMIN)):
        return _kms
    return _unknown if path.startswith("/minio/") else None


def _live(_: App, __: Request) -> Response:
    return Response(200)


def _ready(app: App, request: Request) -> Response:
    """One data key is made with the default key; whether MinIO's own configuration could be read is not asked."""
    if app.kms is None or request.header("x-minio-from-peer"):
        return Response(200)
    try:
        app.kms.generate("", {"healthcheck": ""})
    except KmsError as error:
        return failure(app, request, error)
    return Response(200)


def _unknown(app: App, request: Request) -> Response:
    return failure(app, request, _NO_ROUTE)


def _kms(app: App, request: Request) -> Response:
    path = request.path.removeprefix(_KMS).removeprefix(_ADMIN + "kms/")
    actions: dict[tuple[str, str], Callable[[Kms, dict[str, str]], Any]] = {
        ("GET", "status"): _status,
        ("POST", "status"): _status,
        ("GET", "key/status"): _key_status,
        ("POST", "key/create"): _create,
        ("GET", "key/list"): _list,
        ("GET", "version"): lambda *_: {"version": VERSION},
    }
    try:
        verify(request, app.settings.user, app.settings.password, headers_only=True)
        action = actions.get((request.method, path))
        if action is None:
            raise _NO_ROUTE
        if app.kms is None:
            raise NO_KMS
        found = action(app.kms, query_of(request))
    except S3Error as error:
        return _failure(app, request, error)
    headers = {"Content-Type": "application/json", "X-Amz-Request-Id": request_id()}
    return Response(200, headers, b"" if found is None else json_of(found))


def _failure(app: App, request: Request, error: S3Error) -> Response:
    fields = {"Code": error.code, "Message": error.message, "Resource": request.path}
    body = {**fields, "RequestId": request_id(), "HostId": app.host_id}
    return Response(error.status, {"Content-Type": "application/json"}, json_of(body))


def _status(kms: Kms, _: dict[str, str]) -> Any:
    numbers = (
        "keystoreLatency",
        "keystoreReachable",
        "keystoreAvailable",
        "os",
        "arch",
        "upTime",
        "cpus",
        "usableCPUs",
    )
    state = dict.fromkeys(numbers, 0) | {"os": "", "arch": "", "keystoreReachable": False, "keystoreAvailable": False}
    return {"name": "MinIO KES", "default-key-id": kms.default_key, "endpoints": kms.status(), "state": state}


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
    """A key that exists is an internal error here, as in the real server."""
    try:
        kms.create(query.get("key-id", ""))
    except KmsError as error:
        if error.code != "kms:KeyAlreadyExists":
            raise
        why = f"We encountered an internal error, please try again.: cause({error})"
        raise S3Error(500, "InternalError", why) from error


def _list(kms: Kms, query: dict[str, str]) -> Any:
    if "pattern" not in query:
        raise _NO_ROUTE
    return [{"createdAt": "0001-01-01T00:00:00Z", "createdBy": "", "name": n} for n in kms.names(query["pattern"])]
