"""What a running server knows, and what every answer is made of."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from kesdeploy.sandbox.minio.errors import BAD_BUCKET
from kesdeploy.sandbox.minio.xmltext import Document, render
from kesdeploy.sandbox.web import Request, Response

if TYPE_CHECKING:
    from kesdeploy.sandbox.minio.buckets import Buckets
    from kesdeploy.sandbox.minio.drive import Drive
    from kesdeploy.sandbox.minio.errors import S3Error
    from kesdeploy.sandbox.minio.kms import Kms
    from kesdeploy.sandbox.minio.settings import Settings
    from kesdeploy.sandbox.minio.sigv4 import Payload

_BODILESS = 304


@dataclass(frozen=True)
class App:
    """`auto` is auto-encryption as it is in force, which is not always as it was asked for (config_store)."""

    settings: Settings
    drive: Drive
    buckets: Buckets
    kms: Kms | None
    auto: bool
    host_id: str


@dataclass(frozen=True)
class Call:
    """An S3 request that was let in."""

    request: Request
    bucket: str
    name: str
    query: dict[str, str]
    payload: Payload

    def header(self, name: str) -> str:
        return self.request.header(name)


def query_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.query, keep_blank_values=True))


def xml(document: Document, status: int = 200) -> Response:
    return Response(status, {"Content-Type": "application/xml"}, render(document))


def failure(app: App, request: Request, error: S3Error, bucket: str = "", name: str = "") -> Response:
    """An error as S3 clients expect it."""
    if error.status == _BODILESS:
        return Response(error.status)
    ident = request_id()
    if request.method == "HEAD":
        told = {"X-Minio-Error-Code": error.code, "X-Minio-Error-Desc": f'"{error.message}"'}
        return Response(error.status, {"X-Amz-Request-Id": ident, **told})
    where = [("Key", name)] * bool(name) + [("BucketName", bucket)] * (bool(bucket) and error.code != BAD_BUCKET.code)
    fields = [("Code", error.code), ("Message", error.message), *where, ("Resource", request.path)]
    fields += [("RequestId", ident), ("HostId", app.host_id)]
    headers = {"Content-Type": "application/xml", "X-Amz-Request-Id": ident}
    return Response(error.status, headers, render(("Error", fields), namespace=False))


def request_id() -> str:
    return secrets.token_hex(8).upper()


def json_of(value: Any) -> bytes:
    import json

    return json.dumps(value, separators=(",", ":")).encode()
