"""Requests as a real S3 client signs them, and as they arrive at the stand-in."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from email.message import Message
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from minio.credentials import Credentials
from minio.signer import sign_v4_s3

from kesdeploy.sandbox.web import Request

if TYPE_CHECKING:
    from urllib.parse import SplitResult

USER, PASSWORD, HOST = "admin/of=everything", "correct-horse-battery", "127.0.0.1:9000"


def request(method: str, url: SplitResult, headers: dict[str, str], body: bytes = b"") -> Request:
    """As it arrives: the path decoded, the query as it came."""
    message = Message()
    for name, value in headers.items():
        message[name] = value
    stream = io.BytesIO(body)
    return Request(method, unquote(url.path), url.query, message, stream, len(body), "127.0.0.1", ())


def signed(method: str, name: str, query: dict[str, str], body: bytes = b"", **headers: str) -> Request:
    """A request of the `minio` package's own signer."""
    pairs = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(query.items()))
    url = urlsplit(f"http://{HOST}/bucket/{quote(name)}{f'?{pairs}' if pairs else ''}")
    digest, now = hashlib.sha256(body).hexdigest(), datetime.now(UTC)
    told = {"Host": HOST, "x-amz-content-sha256": digest, "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}", **headers}
    done = sign_v4_s3(
        method=method,
        url=url,
        region="us-east-1",
        headers=told,
        credentials=Credentials(USER, PASSWORD),
        content_sha256=digest,
        date=now,
    )
    return request(method, url, {name: str(value) for name, value in done.items()}, body)
