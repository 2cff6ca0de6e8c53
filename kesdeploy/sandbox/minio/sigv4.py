"""Who asks: AWS Signature Version 4 in headers or in the query, and the signed forms of a body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

from kesdeploy.sandbox.minio.errors import BAD_DIGEST, BAD_SHA256, DENIED, INCOMPLETE, Refusal, S3Error

if TYPE_CHECKING:
    from collections.abc import Callable

    from kesdeploy.sandbox.web import Request

_SCHEME = "AWS4-HMAC-SHA256"
_EMPTY = hashlib.sha256(b"").hexdigest()
_SKEW = timedelta(minutes=15)
_STREAMING = "STREAMING-"
_UNKNOWN = Refusal(403, "InvalidAccessKeyId", "The Access Key Id you provided does not exist in our records.")
_MISMATCH = Refusal(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
)
_SKEWED = Refusal(
    403, "RequestTimeTooSkewed", "The difference between the request time and the server's time is too large."
)
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,8}")
_LARGEST, _LONGEST_LINE = (
    16 << 20,
    4096,
)  # bytes of a chunk and of the line before it, as in cmd/streaming-signature-v4.go
_WEEK = 7 * 24 * 3600
_NO_NUMBER = Refusal(400, "AuthorizationQueryParametersError", "X-Amz-Expires should be a number")
_TOO_LONG = Refusal(
    400,
    "AuthorizationQueryParametersError",
    "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 "
    "seconds",
)
_EXPIRED = Refusal(403, "AccessDenied", "Request has expired")
_MALFORMED = Refusal(
    400,
    "AuthorizationHeaderMalformed",
    "The authorization header is malformed; the Credential is mal-formed; expecting "
    '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
)


@dataclass(frozen=True)
class Signature:
    """A signature that holds. `key` signs what follows (chunks)."""

    key: bytes
    scope: str
    date: str
    value: str
    payload: str  # x-amz-content-sha256


def verify(request: Request, user: str, password: str, *, headers_only: bool = False) -> Signature:
    """Raises S3Error. `headers_only` refuses presigned requests, as the KMS API does."""
    header = request.header("Authorization")
    if header.startswith(_SCHEME):
        return _verify_header(request, header, user, password, need_payload=headers_only)
    if "X-Amz-Signature=" in request.query and not headers_only:
        return _verify_query(request, user, password)
    raise DENIED.error()


def _verify_header(request: Request, header: str, user: str, password: str, *, need_payload: bool) -> Signature:
    fields = dict(
        item.strip().partition("=")[::2] for item in header.removeprefix(_SCHEME).strip().split(",") if "=" in item
    )
    payload = request.header("x-amz-content-sha256")
    if need_payload and not payload:
        raise DENIED.error()
    date = request.header("x-amz-date") or request.header("Date")
    _check_clock(date)
    signed = fields.get("SignedHeaders", "").split(";")
    canonical = _canonical(request, request.query, signed, payload or _EMPTY)
    return _compare(
        fields.get("Credential", ""), fields.get("Signature", ""), date, canonical, (user, password), payload or _EMPTY
    )


def _verify_query(request: Request, user: str, password: str) -> Signature:
    fields = dict(parse_qsl(request.query, keep_blank_values=True))
    date = fields.get("X-Amz-Date", "")
    made = _time(date)
    if datetime.now(UTC) > made + timedelta(seconds=_lasting(fields.get("X-Amz-Expires", ""))):
        raise _EXPIRED.error()
    rest = "&".join(p for p in request.query.split("&") if not p.startswith("X-Amz-Signature="))
    signed = fields.get("X-Amz-SignedHeaders", "host").split(";")
    payload = fields.get("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
    canonical = _canonical(request, rest, signed, payload)
    given = fields.get("X-Amz-Signature", "")
    return _compare(fields.get("X-Amz-Credential", ""), given, date, canonical, (user, password), payload)


def _lasting(text: str) -> int:
    """Seconds; up to a week, as everywhere in S3."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_WEEK)):
        raise _NO_NUMBER.error()
    if int(text) > _WEEK:
        raise _TOO_LONG.error()
    return int(text)


def _compare(
    credential: str, given: str, date: str, canonical: str, secret: tuple[str, str], payload: str
) -> Signature:
    # From the end: a user may have slashes in its name.
    who, *parts = credential.rsplit("/", 4)
    if len(parts) != 4 or parts[3] != "aws4_request":  # noqa: PLR2004
        raise _MALFORMED.error()
    scope = "/".join(parts)
    if who != secret[0]:
        raise _UNKNOWN.error()
    key = ("AWS4" + secret[1]).encode()
    for part in parts:
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    to_sign = "\n".join((_SCHEME, date, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    value = hmac.digest(key, to_sign.encode(), hashlib.sha256).hex()
    if not hmac.compare_digest(value.encode(), given.encode(errors="surrogateescape")):
        raise _MISMATCH.error()
    return Signature(key, scope, date, value, payload)


def _canonical(request: Request, query: str, signed: list[str], payload: str) -> str:
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(query, keep_blank_values=True))
    names = sorted(signed)
    headers = "".join(f"{n}:{_header(request, n)}\n" for n in names)
    path = quote(request.path, safe="/-_.~")
    return "\n".join((request.method, path, "&".join(f"{k}={v}" for k, v in pairs), headers, ";".join(names), payload))


def _header(request: Request, name: str) -> str:
    values = request.headers.get_all(name) or []
    if name == "content-length" and not values:
        return str(max(request.length, 0))
    return ",".join(" ".join(v.split()) for v in values)


def _check_clock(date: str) -> None:
    if abs(datetime.now(UTC) - _time(date)) > _SKEW:
        raise _SKEWED.error()


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise DENIED.error() from None


def _decoded_length(request: Request) -> int:
    text = request.header("x-amz-decoded-content-length", "0")
    if not text.isascii() or not text.isdigit():
        raise INCOMPLETE.error()
    return int(text)


class Payload:
    """A request's body as bytes of the object, judged against what was signed when it ends."""

    def __init__(self, request: Request, signature: Signature) -> None:
        self._signature = signature
        self._md5 = request.header("Content-MD5")
        self._digests = (hashlib.md5(usedforsecurity=False), hashlib.sha256())
        self._streamed = signature.payload.startswith(_STREAMING)
        self.length = _decoded_length(request) if self._streamed else request.length
        self._source: Callable[[int], bytes] = request.body.read
        if self._streamed:
            self._source = Chunked(request, signature).read
        self._seen = 0
        self._done = False

    def read(self, size: int) -> bytes:
        """Raises S3Error at the end when the body is not what was announced."""
        data = self._source(size)
        for digest in self._digests:
            digest.update(data)
        self._seen += len(data)
        if not data and not self._done:
            self._done = True
            self._check()
        return data

    def all(self, limit: int = 1 << 22) -> bytes:
        parts = iter(lambda: self.read(1 << 16), b"")
        found = b"".join(parts)
        if len(found) > limit:
            raise S3Error(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
        return found

    def _check(self) -> None:
        if self.length >= 0 and self._seen != self.length:
            raise INCOMPLETE.error()
        if self._md5 and base64.b64encode(self._digests[0].digest()).decode() != self._md5:
            raise BAD_DIGEST.error()
        expected = self._signature.payload
        if not self._streamed and expected != "UNSIGNED-PAYLOAD" and self._digests[1].hexdigest() != expected:
            raise BAD_SHA256.error()


class Chunked:
    """The `aws-chunked` form: each chunk has its length and, unless unsigned, the signature of it and all before."""

    def __init__(self, request: Request, signature: Signature) -> None:
        self._stream = request.body
        self._signature = signature
        self._signed = "UNSIGNED" not in signature.payload
        self._trailer = signature.payload.endswith("-TRAILER")
        self._before = signature.value
        self._held = b""
        self._ended = False

    def read(self, size: int) -> bytes:
        while not self._held and not self._ended:
            self._next()
        data, self._held = self._held[:size], self._held[size:]
        return data

    def _next(self) -> None:
        head, _, extension = self._read_line().partition(b";chunk-signature=")
        length = int(head, 16) if _CHUNK.fullmatch(head) else _LARGEST + 1
        if length > _LARGEST:
            raise INCOMPLETE.error()
        data = self._read_exactly(length)
        if self._signed:
            self._check(data, extension)
        self._ended = length == 0
        if length or not self._trailer:
            self._read_line()
        self._held = data

    def _check(self, data: bytes, given: bytes) -> None:
        kind, s = _SCHEME + "-PAYLOAD", self._signature
        text = "\n".join((kind, s.date, s.scope, self._before, _EMPTY, hashlib.sha256(data).hexdigest()))
        self._before = hmac.digest(s.key, text.encode(), hashlib.sha256).hex()
        if not hmac.compare_digest(self._before.encode(), given):
            raise _MISMATCH.error()

    def _read_exactly(self, length: int) -> bytes:
        data = self._stream.read(length) if length else b""
        while len(data) < length:
            more = self._stream.read(length - len(data))
            if not more:
                raise INCOMPLETE.error()
            data += more
        return data

    def _read_line(self) -> bytes:
        line = b""
        while len(line) < _LONGEST_LINE and not line.endswith(b"\r\n") and (byte := self._stream.read(1)):
            line += byte
        return line.strip()
