"""What Podman sends bit by bit: framed output, and how far a pull or push is."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from kesdeploy.engines import LogLine, Transfer
from kesdeploy.engines.refusals import TimedOut, translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podman.api.client import APIResponse
    from requests import Response

_HEADER = 8
_PIECE = 65536
_STREAMS = {1: "stdout", 2: "stderr"}


def chunks(
    response: APIResponse | Response, what: str, deadline: float | None = None, *, who: str = "Podman"
) -> Iterator[bytes]:
    """Bytes as they come. `deadline` is on time.monotonic's clock."""
    with translated(what, who):
        try:
            while data := response.raw.read1(_PIECE):  # whatever has come, without waiting for more
                yield data
                if deadline and time.monotonic() > deadline:
                    raise TimedOut(what, because="it took too long")
        finally:
            response.close()


def frames(data: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    """(stream, payload) of the docker stream format: type, three zeros, length (big endian), payload."""
    buffer = b""
    for piece in data:
        buffer += piece
        while len(buffer) >= _HEADER:
            end = _HEADER + int.from_bytes(buffer[4:_HEADER], "big")
            if len(buffer) < end:
                break
            yield _STREAMS.get(buffer[0], "stderr"), buffer[_HEADER:end]
            buffer = buffer[end:]


def log_lines(data: Iterator[bytes]) -> Iterator[LogLine]:
    """Lines of `timestamps=true`: RFC 3339 time, a space, the text. A line that came in pieces is one line."""
    open_lines: dict[str, LogLine] = {}
    for stream, payload in frames(data):
        for piece in payload.decode(errors="replace").splitlines(keepends=True):
            begun = open_lines.pop(stream, None)
            moment, _, text = piece.partition(" ")
            line = LogLine(begun.time, stream, begun.text + text) if begun else LogLine(moment, stream, text)
            if piece.endswith("\n"):
                yield LogLine(line.time, stream, line.text.rstrip("\r\n"))
            else:
                open_lines[stream] = line
    yield from open_lines.values()


def events(data: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """JSON documents, one a line."""
    buffer = b""
    for piece in data:
        *lines, buffer = (buffer + piece).split(b"\n")
        yield from (json.loads(line) for line in lines if line.strip())
    if buffer.strip():
        yield json.loads(buffer)


def transfer(event: dict[str, Any]) -> Transfer | None:
    """What an event of a pull or push tells the user, if anything."""
    detail, layer = event.get("progressDetail") or {}, str(event.get("id") or "")
    status = str(event.get("stream") or event.get("status") or "").strip()
    if total := detail.get("total"):
        return Transfer(status, layer, detail.get("current", 0), total)
    return Transfer(status, layer) if status else None
