"""KES as the commands on keys meet it: one door, and refusals that say what to do."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy import kes_log, keystores, opening, pki, services
from kesdeploy.ensure import BAD_REQUEST, FORBIDDEN, NOT_FOUND
from kesdeploy.errors import KesdeployError, ServiceError, Unhealthy
from kesdeploy.report import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kesdeploy.clients.kes import Kes
    from kesdeploy.deployment import Deployment
    from kesdeploy.home import Home
    from kesdeploy.keystores import Keystore
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter
    from kesdeploy.spec import Spec


@dataclass(frozen=True)
class Ring:
    """A deployment's keys, and KES as whom kesdeploy asks it."""

    spec: Spec
    home: Home
    kes: Kes
    report: Reporter

    @property
    def keystore(self) -> Keystore:
        return keystores.of(self.spec)

    @property
    def shared(self) -> bool:
        return self.keystore.shared(self.spec.keystore)


@contextmanager
def opened(wish: Wish, report: Reporter, *, theirs: str = "") -> Iterator[Ring]:
    """For commands that only ask. `theirs`: what the operator of a KES that others run would type instead."""
    home = opening.existing(wish)
    spec = opening.load(wish, home)
    with plainly(wish, spec, home, theirs=theirs):
        yield Ring(spec, home, services.kes(spec, home), report)


@contextmanager
def held(wish: Wish, report: Reporter, *, theirs: str = "") -> Iterator[tuple[Ring, Deployment]]:
    """For commands that change something: nobody else does meanwhile."""
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment, plainly(wish, deployment.spec, home, theirs=theirs):
        yield Ring(deployment.spec, home, services.kes(deployment.spec, home), report), deployment


@contextmanager
def plainly(wish: Wish, spec: Spec, home: Home, *, theirs: str = "") -> Iterator[None]:
    """Whatever a service refuses inside, with the reason as far as it can be found, and the next command."""
    began = int(time.time())
    try:
        yield
    except ServiceError as error:
        if error.status == 0:
            _refuse_resting(wish, spec, home, error)
        because, hint = error.because, error.hint
        if error.status in kes_log.FAILED and not services.elsewhere(spec):
            because = _logged(wish, home, began) or because
        hint = hint or _hint(spec, home, error, theirs)
        raise ServiceError(error.what, because=because, hint=hint, status=error.status) from error


def _refuse_resting(wish: Wish, spec: Spec, home: Home, error: ServiceError) -> None:
    """Unhealthy when nobody answers because nothing of it runs. A KES that others run has reasons of its own."""
    rests = None
    if not services.elsewhere(spec):
        with suppress(KesdeployError), opening.opened(wish, home, Silent(), lock=False) as deployment:
            rests = services.resting(deployment)
    if rests:
        raise Unhealthy(rests.message, hint=rests.hint) from error


def _logged(wish: Wish, home: Home, began: int) -> str:
    """Why its keystore failed KES, in the words of KES's log."""
    with suppress(KesdeployError), opening.opened(wish, home, Silent(), lock=False) as deployment:
        return kes_log.last_error(deployment, began)
    return ""


def _hint(spec: Spec, home: Home, error: ServiceError, theirs: str) -> str:
    name, status = home.name, error.status
    if services.elsewhere(spec) and status in (0, FORBIDDEN):
        return _elsewhere(home, status, theirs)
    if status == BAD_REQUEST and "authentic" in error.because:
        return "another key encrypted it, or the same one with another --context"
    if status in kes_log.FAILED and keystores.of(spec).shared(spec.keystore):
        return f"kesdeploy policy -n {name} shows what KES has to be granted; kesdeploy logs -n {name} kes"
    known = {
        0: f"kesdeploy start -n {name}",
        FORBIDDEN: f"kesdeploy up -n {name} gives KES the policies of the spec again",
        NOT_FOUND: f"kesdeploy key list -n {name}",
    }
    return known.get(status, f"kesdeploy logs -n {name}")


def _elsewhere(home: Home, status: int, theirs: str) -> str:
    """That KES knows nobody here but MinIO, who may do little."""
    if status == 0:
        return f"kesdeploy status -n {home.name}"
    identity = pki.identity(home.identity("minio")[0].read_bytes())
    instead = f"whoever runs that KES: {theirs}; or " if theirs else ""
    return f"{instead}allow it there to identity {identity}"
