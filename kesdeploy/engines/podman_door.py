"""One request to Podman's API: a client a thread, a time-out on every call, foreign exceptions translated."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from kesdeploy.engines.refusals import Broken, NotListening, Refused, translated, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from podman import PodmanClient
    from podman.api.client import APIResponse

    from kesdeploy.engines.podman_service import Companion

CONNECT_SECONDS = 10.0
Result = TypeVar("Result")


@dataclass(frozen=True)
class Call:
    """A request. `what` is the sentence for the error, `timeout` is in seconds without a byte (None: for ever)."""

    what: str
    method: str
    path: str
    params: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    timeout: float | None = 60.0
    stream: bool = False
    compatible: bool = False
    headers: dict[str, str] = field(default_factory=dict, repr=False)


class Door:
    """Podman's API at one address. Safe to use from several threads: each has its own client."""

    def __init__(self, url: str, companion: Companion | None = None) -> None:
        self.url = url
        self._companion = companion
        self._mending = threading.Lock()
        self._local = threading.local()
        self._streams: WeakSet[APIResponse] = WeakSet()

    @property
    def client(self) -> PodmanClient:
        """This thread's podman-py client."""
        if not hasattr(self._local, "client"):
            from podman import PodmanClient

            self._local.client = PodmanClient(base_url=self.url, timeout=60)
        client: PodmanClient = self._local.client
        return client

    def do(self, what: str, action: Callable[[PodmanClient], Result]) -> Result:
        """Call podman-py. A service of our own that is gone is started again, as nothing was sent to it.

        Raises Refused, TimedOut, EngineError.
        """
        try:
            with translated(what):
                return action(self.client)
        except NotListening:
            if self._companion is None:
                raise
            self._mend(self._companion)
        except Broken:
            if self._companion:
                self._mend(
                    self._companion
                )  # for the next call: whether this one did its work, only the caller can tell
            raise
        with translated(what):
            return action(self.client)

    def _mend(self, companion: Companion) -> None:
        with self._mending:
            companion.ensure(suspect=True)

    def send(self, call: Call) -> APIResponse:
        """A raw request, for what podman-py lacks. Raises as `do`."""
        response = self.do(call.what, lambda client: _sent(client, call))
        if call.stream:
            self._streams.add(response)
        return response

    def close(self) -> None:
        """End what still streams, although threads wait for it: a service does not stop while it serves somebody."""
        for response in list(self._streams):
            if not response.raw.closed:
                with suppress(OSError):
                    response.raw.shutdown()

    def json(self, call: Call) -> Any:
        with translated(call.what):
            return self.send(call).json()


def _sent(client: PodmanClient, call: Call) -> APIResponse:
    response = client.api._request(  # noqa: SLF001 - what its get, post, put and delete call
        call.method,
        call.path,
        params=call.params,
        data=_encoded(call.body),
        headers={**_headers(call.body), **call.headers},
        timeout=(CONNECT_SECONDS, call.timeout),  # type: ignore[arg-type]  # either is fine
        stream=call.stream,
        compatible=call.compatible,
    )
    if response.status_code >= 400:  # noqa: PLR2004
        raise Refused(call.what, because=words(response.text), status=response.status_code)
    return response


def _encoded(body: Any) -> Any:
    return json.dumps(body) if isinstance(body, dict) else body


def _headers(body: Any) -> dict[str, str]:
    if body is None:
        return {}
    return {"Content-Type": "application/json" if isinstance(body, dict) else "application/x-tar"}
