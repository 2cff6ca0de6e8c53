"""Just enough of gRPC, over HTTP/2, for unary calls; and of protobuf, for messages of texts, bytes and messages."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Called = Callable[[str, dict[str, str], bytes], tuple[int, str, bytes]]

# Of grpc/grpc-go's codes.
OK, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, UNAUTHENTICATED = 0, 5, 6, 7, 16


class Grpc:
    """Serves what `called` says to (path, headers, message): gRPC's status, its text, and a message.

    A plain GET is answered with 404, as Google's does.
    """

    def __init__(self, folder: Path, called: Called, address: tuple[str, int]) -> None:
        self.called = called
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "leaf.crt", folder / "leaf.key")
        self.context.set_alpn_protocols(["h2"])
        self.socket = socket.create_server(address)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.socket.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        import h2.connection
        import h2.events

        with contextlib.suppress(OSError), self.context.wrap_socket(plain, server_side=True) as wire:
            talk = h2.connection.H2Connection(h2.connection.H2Configuration(client_side=False))
            talk.initiate_connection()
            headers: dict[int, dict[str, str]] = {}
            bodies: dict[int, bytes] = {}
            wire.sendall(talk.data_to_send())
            while data := wire.recv(65536):
                for event in talk.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        headers[event.stream_id] = {k.decode(): v.decode() for k, v in event.headers}
                    elif isinstance(event, h2.events.DataReceived):
                        bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
                        talk.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, h2.events.StreamEnded):
                        self._answer(
                            talk, event.stream_id, headers.pop(event.stream_id), bodies.pop(event.stream_id, b"")
                        )
                wire.sendall(talk.data_to_send())

    def _answer(self, talk, stream: int, headers: dict[str, str], body: bytes) -> None:
        if headers[":method"] != "POST":
            talk.send_headers(stream, [(":status", "404"), ("content-length", "0")], end_stream=True)
            return
        status, text, message = self.called(headers[":path"], headers, body[5:])
        talk.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        if status == OK:
            talk.send_data(stream, struct.pack(">?I", False, len(message)) + message)
        talk.send_headers(stream, [("grpc-status", str(status)), ("grpc-message", text)], end_stream=True)


def message(*fields: tuple[int, bytes | str]) -> bytes:
    """A protobuf message of these numbers and values."""
    found = b""
    for number, value in fields:
        data = value.encode() if isinstance(value, str) else value
        found += _varint(number << 3 | 2) + _varint(len(data)) + data
    return found


def fields(data: bytes) -> dict[int, bytes]:
    """Number -> value; of a repeated one the last. Numbers are passed over."""
    found, place = {}, 0
    while place < len(data):
        tag, place = _read(data, place)
        size, place = _read(data, place)
        if tag & 7 == 2:
            found[tag >> 3] = data[place : place + size]
            place += size
    return found


def _varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def _read(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[place] & 127) << shift
        shift += 7
        place += 1
        if data[place - 1] < 128:
            return value, place
