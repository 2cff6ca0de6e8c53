"""What a running server knows, all of it replaced at once by a reload; and how it answers a request."""

from __future__ import annotations

import posixpath
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kesdeploy.sandbox.kes import api, keys
from kesdeploy.sandbox.kes.answers import Call, fail, text
from kesdeploy.sandbox.kes.identity import Denied, Rules, identify
from kesdeploy.sandbox.kes.keystore import Cached, Exists, Missing, Unavailable
from kesdeploy.sandbox.web import Request, Response

if TYPE_CHECKING:
    from kesdeploy.sandbox.kes.config import Config
    from kesdeploy.sandbox.kes.log import Log
    from kesdeploy.sandbox.kes.metrics import Metrics

_FAILED = {
    "create": "failed to create key",
    "import": "failed to create key",
    "list": "failed to list keys",
    "delete": "failed to delete key",
}


@dataclass(frozen=True)
class State:
    config: Config
    rules: Rules
    keys: Cached
    journal: Log
    metrics: Metrics
    started: int  # nanoseconds since 1970

    @cached_property
    def made(self) -> dict[str, str]:
        """Policies and identities come from the file, so they are as old as the server."""
        return {"created_at": keys.timestamp(self.started), "created_by": self.rules.admin}

    def answer(self, request: Request) -> Response:
        route = api.find(request.path) if "//" not in request.path else None
        if route is None:
            return _no_route(request.path)
        if request.method != route.method and (request.method, route.method) != ("POST", "PUT"):
            words = f"received method '{request.method}' expected '{route.method}'"
            return fail(405, words, {"Accept": route.method})
        try:
            identity = self._admit(route, request)
        except Denied as error:
            return fail(error.status, error.message)
        begun = time.monotonic()
        response = self._run(route, Call(request.path.removeprefix(route.path), identity, request))
        if route.path in api.COUNTED:
            self.metrics.count(response.status, time.monotonic() - begun)
        return response

    def _run(self, route: api.Route, call: Call) -> Response:
        try:
            return route.handle(self, call)
        except Denied as error:
            if error.cause:
                self.journal.error(error.cause, call)
            return fail(error.status, error.message)
        except Exists:
            return fail(400, "key already exists")
        except Missing:
            return fail(404, "key does not exist")
        except Unavailable as error:
            self.journal.error(str(error), call)
            return fail(502, _FAILED.get(route.path.split("/")[3], "failed to read key"))

    def _admit(self, route: api.Route, request: Request) -> str:
        """The identity of who asks, if they may. Raises Denied."""
        if route.auth == "none":
            return ""
        custom = self.config.routes.get(route.path)
        if route.auth == "certificate" or (custom and custom.skip_auth):
            return _identity_or_nobody(request)
        identity = identify(request.certificates)
        if why := self.rules.check(identity, request.path):
            self.journal.debug(why)
            raise Denied(403, "not authorized: insufficient permissions")
        return identity


def _identity_or_nobody(request: Request) -> str:
    try:
        return identify(request.certificates)
    except Denied:
        return ""


def _no_route(path: str) -> Response:
    better = _cleaned(path)
    if better != path and api.find(better) is not None:
        body = f'<a href="{better}">Moved Permanently</a>.\n\n'
        headers = {"Content-Type": "text/html; charset=utf-8", "Location": better}
        return Response(301, headers, body.encode())
    return text(404, "404 page not found\n")


def _cleaned(path: str) -> str:
    """The path without `//` and `..`, and with the `/` that a route's own path ends in."""
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    return cleaned + "/" if path.endswith("/") or api.find(cleaned) is None else cleaned
