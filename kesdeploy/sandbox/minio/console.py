"""The console's port answers too, with a page that says why there is no console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.sandbox.notice import VERSION
from kesdeploy.sandbox.web import Response

if TYPE_CHECKING:
    from kesdeploy.sandbox.web import Request

_PAGE = f"""<!doctype html>
<meta charset="utf-8"><title>kesdeploy sandbox</title>
<h1>This is not MinIO</h1>
<p>It is kesdeploy's stand-in ({VERSION}): it has no console, and it must never be used for production.</p>
<p>Run <code>kesdeploy up</code> with the real images to get one.</p>
""".encode()


def answer(_: Request) -> Response:
    return Response(200, {"Content-Type": "text/html; charset=utf-8"}, _PAGE)
