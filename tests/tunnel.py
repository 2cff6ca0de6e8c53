"""A proxy that does what most companies' do: CONNECT, and what was asked for is remembered."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress


class Tunnel:
    """It listens until `stop`. asked: every HOST:PORT, in order; it refuses those that `refuses` names."""

    def __init__(self, host: str = "127.0.0.1", *, refuses: str = "") -> None:
        self.asked: list[str] = []
        self._refuses = refuses
        self._door = socket.create_server((host, 0))
        self.url = f"http://{host}:{self._door.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        # Closing alone would not wake up who waits in accept.
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        with client, suppress(OSError, ValueError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := client.recv(4096)):
                    return
                head += more
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            self.asked.append(target)
            host, _, port = target.rpartition(":")
            if method != "CONNECT" or target == self._refuses:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection((host, int(port)), 10) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _both_ways(client, server)


def _both_ways(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select((one, other), (), (), 60)[0]:
            data = ready.recv(65536)
            if not data:
                return
            (other if ready is one else one).sendall(data)
