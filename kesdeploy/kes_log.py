"""What KES says only to its log: why its keystore failed it."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kesdeploy import explain, services
from kesdeploy.errors import EngineError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kesdeploy.deployment import Deployment

# KES's answer for a keystore that does not work; all that it tells a client is that it failed.
FAILED = range(500, 600)
LONGEST = 400
# Seconds that a line may take from KES to the engine's log.
LATE = 1.0
_ERROR = re.compile(r'level=ERROR msg=("(?:[^"\\]|\\.)*")')


@contextmanager
def explained(deployment: Deployment) -> Iterator[None]:
    """Whatever KES refuses inside, for the reason that its log has: the keystore's own words."""
    began = int(time.time())
    try:
        yield
    except ServiceError as error:
        if error.status not in FAILED or services.elsewhere(deployment.spec):
            raise
        logs = f"kesdeploy logs -n {deployment.name} kes"
        because, hint = explain.clearer(last_error(deployment, began) or error.because, logs, deployment.name)
        if deployment.keystore.shared(deployment.spec.keystore):
            hint = f"kesdeploy policy -n {deployment.name} shows what KES has to be granted; {hint}"
        raise ServiceError(error.what, because=because, hint=error.hint or hint, status=error.status) from error


def last_error(deployment: Deployment, since: int) -> str:
    """The last error in KES's log since then (Unix time), on one line; empty when there is none.

    An answer may be here before the line that explains it.
    """
    deadline = time.monotonic() + LATE
    while not (found := _errors(deployment, since)) and time.monotonic() < deadline:
        time.sleep(0.05)
    said = " ".join(_unquoted(found[-1]).split()) if found else ""
    # AWS's client adds a dump of what it could not read.
    return said.partition(" 00000000 ")[0][:LONGEST]


def _errors(deployment: Deployment, since: int) -> list[str]:
    try:
        lines = [line.text for line in deployment.engine.logs(f"{deployment.name}-kes-server", since=since)]
    except EngineError:
        return []
    return [match[1] for line in lines if (match := _ERROR.search(line))]


def _unquoted(text: str) -> str:
    """Go quotes a little more than JSON does; then it stays as it is."""
    try:
        return str(json.loads(text))
    except ValueError:
        return text.strip('"')
