"""One request to Docker's API: a client a thread, a time-out on every call, foreign exceptions translated."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from kesdeploy.engines.refusals import Refused, translated, words

if TYPE_CHECKING:
    from docker import APIClient
    from requests import Response

    from kesdeploy.engines.docker_address import DockerAddress
    from kesdeploy.engines.podman_door import Call

CONNECT_SECONDS = 10.0
WHO = "Docker"
# host-gateway, by which a container finds its machine, came with this one: Docker 20.10.
OLDEST = "1.41"


class Door:
    """Docker's API at one address. Safe to use from several threads: each has its own client."""

    def __init__(self, address: DockerAddress) -> None:
        self._address = address
        self._local = threading.local()
        self._streams: WeakSet[Response] = WeakSet()

    @property
    def client(self) -> APIClient:
        """This thread's client. The version is given: finding it out would be another request."""
        if not hasattr(self._local, "client"):
            from docker import APIClient

            address = self._address
            self._local.client = APIClient(
                address.url,
                version=OLDEST,
                timeout=60,
                tls=address.tls or False,
                use_ssh_client=address.url.startswith("ssh://"),
            )
        client: APIClient = self._local.client
        return client

    def send(self, call: Call, *, versioned: bool = True) -> Response:
        """Raises Refused, TimedOut, EngineError."""
        with translated(call.what, WHO):
            client = self.client
            response = client.request(
                call.method,
                f"{client.base_url}{f'/v{OLDEST}' if versioned else ''}{call.path}",
                params=call.params,
                data=json.dumps(call.body) if isinstance(call.body, dict) else call.body,
                headers=_headers(call),
                timeout=(CONNECT_SECONDS, call.timeout),
                stream=call.stream,
            )
            if response.status_code >= 400:  # noqa: PLR2004
                raise Refused(call.what, because=words(response.text), status=response.status_code)
        if call.stream:
            self._streams.add(response)
        return response

    def json(self, call: Call) -> Any:
        with translated(call.what, WHO):
            return self.send(call).json()

    def close(self) -> None:
        """End what still streams, although threads wait for it."""
        for response in list(self._streams):
            if not response.raw.closed:
                with suppress(OSError):
                    response.raw.shutdown()


def _headers(call: Call) -> dict[str, str]:
    if call.body is None:
        return call.headers
    kind = "application/json" if isinstance(call.body, dict) else "application/x-tar"
    return {"Content-Type": kind, **call.headers}
