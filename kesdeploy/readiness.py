"""How one knows that a service is ready, per component, and how long that is waited for."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from kesdeploy import services
from kesdeploy.clients.waiting import wait_until
from kesdeploy.errors import Interrupted, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kesdeploy.deployment import Deployment
    from kesdeploy.resources import Container

# Seconds in which what the engine started by itself answers, and MinIO finds a KES again that was restarted.
SETTLES = 15.0


def wait_ready(deployment: Deployment, body: Container) -> None:
    """Until the service answers as it should; its own last words when it does not.

    Raises ServiceError at once when the container does not stay up, and after the deployment's timeout otherwise.
    """
    looked = time.monotonic()
    deadline = looked + deployment.timeout
    before = deployment.engine.container(body.name)
    while (error := _not_ready(deployment, body)) is not None:
        if time.monotonic() > looked + services.LOOK:
            if dead := services.exited(deployment, body.name, before.restarts if before else 0):
                raise dead
            looked = time.monotonic()
        if deployment.cancelled.is_set():
            raise Interrupted("interrupted")
        if looked > deadline:
            because = f"{error.what}: {error.because}" if error.because else error.what
            hint = f"kesdeploy logs -n {deployment.name} {body.component}"
            raise ServiceError(f"{body.name} is not ready after {deployment.timeout:g} s", because=because, hint=hint)
        time.sleep(0.02)


def settle(deployment: Deployment, body: Container) -> None:
    """Give one that runs already a moment to answer: its restart policy may have started it just now, as at boot.

    One that does not is told by what needs it.
    """
    seconds = min(deployment.timeout, SETTLES)
    with suppress(ServiceError):
        wait_until(lambda: _ask(deployment, body), timeout=seconds, hopeless=deployment.cancelled.is_set)


def _not_ready(deployment: Deployment, body: Container) -> ServiceError | None:
    try:
        _ask(deployment, body)
    except ServiceError as error:
        return error
    return None


def _ask(deployment: Deployment, body: Container) -> None:
    _READY.get(body.component, _keystore_answers)(deployment)


def _kes_ready(deployment: Deployment) -> None:
    services.kes(deployment.spec, deployment.home, timeout=5).ready()


def _keystore_answers(deployment: Deployment) -> None:
    """Any other container is the keystore's own: sealed or empty is for its bootstrap, silence is not."""
    if deployment.keystore.state(deployment.work) == "UNREACHABLE":
        raise ServiceError("the keystore does not answer")


def _minio_ready(deployment: Deployment) -> None:
    services.minio(deployment.spec, deployment.home, timeout=5).ready()


_READY: dict[str, Callable[[Deployment], None]] = {"kes": _kes_ready, "minio": _minio_ready}
