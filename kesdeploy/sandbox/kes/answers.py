"""Requests and answers in the words of the KES API."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from kesdeploy.sandbox.kes.identity import Denied
from kesdeploy.sandbox.web import Request, Response

MAX_BODY = 1_000_000
_JSON = {"Content-Type": "application/json"}
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


@dataclass(frozen=True)
class Call:
    """A request that was let in. `name` is what follows the route's path."""

    name: str
    identity: str
    request: Request


def empty() -> Response:
    return Response(200)


def reply(value: Any) -> Response:
    return Response(200, dict(_JSON), (_go_json(value) + "\n").encode())


def fail(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(status, {**_JSON, **(headers or {})}, ('{"message":' + _go_json(message) + "\n}").encode())


def text(status: int, words: str) -> Response:
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return Response(status, headers, words.encode())


def body(call: Call, error: str = "invalid request body") -> dict[str, Any]:
    """The request's JSON object with lower-case field names. Raises Denied."""
    try:
        value, _ = json.JSONDecoder().raw_decode(call.request.body.read(MAX_BODY).decode().lstrip())
    except ValueError as broken:
        raise Denied(400, error, str(broken)) from None
    if value is not None and not isinstance(value, dict):
        raise Denied(400, error, f"json: cannot unmarshal {type(value).__name__} into an object")
    return {k.lower(): v for k, v in (value or {}).items()}


def blob(fields: dict[str, Any], name: str, error: str = "invalid request body") -> bytes:
    """A base64 field, empty when absent. Raises Denied."""
    value = fields.get(name)
    if value is None:
        return b""
    try:
        return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError, AttributeError):
        raise Denied(400, error, f"illegal base64 data in '{name}'") from None


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _go_json(value: Any) -> str:
    """As Go writes JSON: no blanks, and no characters that HTML would take for its own."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for char, escape in _ESCAPES.items():
        text = text.replace(char, escape)
    return text
