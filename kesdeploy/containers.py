"""Pods and containers of a deployment: made, started, told to read again, and waited for.

What has to be true before a service starts, and how one knows that it is ready, is here, per component.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy import filled, gate, services
from kesdeploy.clients.waiting import wait_until
from kesdeploy.deployment import ADDRESS, COMPONENT, DIGEST, Deployment
from kesdeploy.engines import ContainerSpec, Mount, PodSpec
from kesdeploy.errors import EngineError, Interrupted, ServiceError
from kesdeploy.keystores.startover import StartAgain, StartOver
from kesdeploy.paths import seen_by_engine
from kesdeploy.plan import Change, Verb
from kesdeploy.resources import Bootstrap, Container, Pod, Resource
from kesdeploy.spec import RESTART

if TYPE_CHECKING:
    from collections.abc import Callable

    from kesdeploy.keystores.words import Work

# KES takes its own second to stop, and Podman races with anything shorter than three.
POD_STOP_TIMEOUT = 10
# Asked to end, MinIO waits for no request, and tells whoever asks meanwhile to come again in a minute (`Retry-After` in
# internal/http/server.go of 2025-04-22), which SDKs do. After a broken connection they come again at once.
_AT_ONCE = ("minio",)
# Seconds in which MinIO finds a KES again that was restarted: its next call or the one after.
FINDS_KES = 15.0
# Seconds in which what the engine started by itself should answer.
SETTLES = 15.0
# Seconds between two looks at a container that does not answer yet: the engine's answer costs what its start needs.
_LOOK = 0.15


def labels(deployment: Deployment, resource: Resource) -> dict[str, str]:
    marks = {**deployment.labels, ADDRESS: resource.address, DIGEST: resource.digest}
    return {**marks, COMPONENT: resource.body.component} if isinstance(resource.body, Container) else marks


def ensure_pod(deployment: Deployment, resource: Resource, change: Change) -> None:
    body, engine = resource.body, deployment.engine
    assert isinstance(body, Pod)
    if change.verb is Verb.REPLACE and change.reason == "its network is gone":
        engine.restart_pod(body.name)
        return
    if change.verb is Verb.REPLACE:
        engine.remove_pod(body.name, stop_timeout=POD_STOP_TIMEOUT)
    engine.create_pod(PodSpec(body.name, body.ports, labels(deployment, resource), body.hosts))


def ensure_container(deployment: Deployment, resource: Resource, change: Change) -> None:
    """Create, start, restart or reload, as the plan says; then wait until it answers."""
    body, engine = resource.body, deployment.engine
    assert isinstance(body, Container)
    if change.verb is Verb.RELOAD:
        reload(deployment, resource)
        return
    as_of = deployment.state.value
    if body.component in _BEFORE:
        # First: who may not start goes on as it was.
        _BEFORE[body.component](deployment)
    if change.verb is Verb.RESTART:
        _end(deployment, body)
    if change.verb in (Verb.CREATE, Verb.REPLACE):
        _create(deployment, resource)
    deployment.state.has_mounted(resource.address, filled.mounted(body))
    engine.start(body.name)
    if body.component == "minio":
        # Slow to import, and wanted next, for the proof: while MinIO starts, it costs nothing.
        import minio  # noqa: F401
    wait_ready(deployment, body)
    if body.component == "kes":
        gate.still_the_keys(deployment)
    deployment.state.has_loaded(resource.address, body.uses, as_of)


def _create(deployment: Deployment, resource: Resource) -> None:
    body, engine = resource.body, deployment.engine
    assert isinstance(body, Container)
    for folder in body.data:
        deployment.home.make(folder)
    spec = _specified(deployment, resource)
    if engine.container(body.name):
        # Before the old one goes: who may not have the new one keeps what runs.
        engine.check(spec)
        engine.stop(body.name, timeout=body.stop_timeout)
        engine.remove(body.name)
    engine.create(spec)


def _specified(deployment: Deployment, resource: Resource) -> ContainerSpec:
    body = resource.body
    assert isinstance(body, Container)
    return ContainerSpec(
        name=body.name,
        pod=f"minio-kes-{deployment.name}",
        image=body.image,
        entrypoint=body.entrypoint,
        command=body.command,
        user=body.user,
        environment=body.environment,
        mounts=_mounts(deployment, body),
        labels=labels(deployment, resource),
        restart=body.restart or RESTART,
        serves=body.serves or (),
        memory=body.memory or 0,
        cpus=body.cpus or 0,
        stop_timeout=body.stop_timeout,
    )


def _mounts(deployment: Deployment, body: Container) -> tuple[Mount, ...]:
    """As the engine calls the folders. Where SELinux is on, data is labelled while there is none.

    Later it has its label from its folder, and to give it again would touch every file.
    """
    engine = deployment.engine.info().name

    def seen(mount: Mount) -> Mount:
        source = seen_by_engine(mount.source, platform=sys.platform, engine=engine, real=os.path.realpath)
        return replace(mount, source=source, relabel=mount.relabel or _is_new(Path(mount.source)))

    return tuple(map(seen, body.mounts))


def _is_new(folder: Path) -> bool:
    return all(path.is_dir() for path in folder.rglob("*"))


def ensure_bootstrap(deployment: Deployment, resource: Resource, _: Change) -> None:
    """The keystore's service, ready for KES; made again when nobody can open it and nothing was stored there."""
    assert isinstance(resource.body, Bootstrap)
    container = next((need for need in resource.needs if need.startswith("container/")), "")
    ended = _Ended(deployment, f"{deployment.name}-{container.partition('/')[2]}") if container else None
    work = replace(deployment.work, hopeless=ended.told) if ended else deployment.work
    try:
        _opened(deployment, work)
    except ServiceError as error:
        if ended and (dead := ended.look()):
            raise dead from error
        raise


def _opened(deployment: Deployment, work: Work) -> None:
    try:
        _bootstrap(deployment, work)
    except StartOver as lost:
        deployment.report.note(f"{lost.what}; nothing was stored there, so it is made again")
        _start_over(deployment, lost)
        deployment.keystore.bootstrap(work)


class _Ended:
    """Whether a container has ended; looked at now and then only, as the engine's answers cost."""

    def __init__(self, deployment: Deployment, name: str) -> None:
        self._deployment, self._name = deployment, name
        found = deployment.engine.container(name)
        self._restarts = found.restarts if found else 0
        self._looked = time.monotonic()

    def told(self) -> bool:
        if time.monotonic() < self._looked + _LOOK:
            return False
        self._looked = time.monotonic()
        return bool(self.look())

    def look(self) -> ServiceError | None:
        return services.exited(self._deployment, self._name, self._restarts)


def _bootstrap(deployment: Deployment, work: Work) -> None:
    """With its service started again, once, where that may help."""
    try:
        deployment.keystore.bootstrap(work)
    except StartAgain as stuck:
        deployment.report.note(f"{stuck.what}; it is started again")
        for container in deployment.engine.containers({**deployment.labels, ADDRESS: stuck.container}):
            deployment.engine.stop(container.name, timeout=POD_STOP_TIMEOUT)
            deployment.engine.start(container.name)
        try:
            deployment.keystore.bootstrap(work)
        except StartAgain as still:
            raise still.otherwise from still


def _start_over(deployment: Deployment, lost: StartOver) -> None:
    for container in deployment.engine.containers({**deployment.labels, ADDRESS: lost.container}):
        deployment.engine.stop(container.name, timeout=POD_STOP_TIMEOUT)
        # Aside first: a kill in the middle must not leave half of a storage, or a mount without its folder.
        aside = deployment.home.path(f"{lost.folder}.lost")
        shutil.rmtree(aside, ignore_errors=True)
        deployment.home.path(lost.folder).rename(aside)
        deployment.home.make(lost.folder)
        shutil.rmtree(aside)
        deployment.engine.start(container.name)


def wait_ready(deployment: Deployment, body: Container) -> None:
    """Until the service answers as it should; its own last words when it does not.

    Raises ServiceError at once when the container does not stay up, and after the deployment's timeout otherwise.
    """
    looked = time.monotonic()
    deadline = looked + deployment.timeout
    before = deployment.engine.container(body.name)
    while (error := _not_ready(deployment, body)) is not None:
        if time.monotonic() > looked + _LOOK:
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


def reload(deployment: Deployment, resource: Resource) -> None:
    """Tell a running container to read again, and see that it did: a signal is a request, not a proof."""
    body = resource.body
    assert isinstance(body, Container)
    as_of = deployment.state.value
    if body.component == "kes":
        gate.refresh_kes(deployment)
    else:
        deployment.engine.signal(body.name, body.reload_signal)
        for address in body.reloads:
            if address.startswith("certificate/"):
                gate.wait_served(deployment, address)
    deployment.state.has_loaded(resource.address, body.uses, as_of)


def restart(deployment: Deployment, body: Container) -> None:
    """As it is, with what it has: nothing is made again."""
    _end(deployment, body)
    deployment.engine.start(body.name)
    wait_ready(deployment, body)


def _end(deployment: Deployment, body: Container) -> None:
    """To be started again at once."""
    engine = deployment.engine
    if body.component not in _AT_ONCE:
        engine.stop(body.name, timeout=body.stop_timeout)
        return
    with suppress(EngineError):  # it may have ended by itself
        engine.signal(body.name, "SIGKILL")
    if engine.wait(body.name, timeout=body.stop_timeout) is None:
        engine.stop(body.name, timeout=body.stop_timeout)


def delete(deployment: Deployment, address: str) -> None:
    """A pod or container of ours that is no longer wanted."""
    for pod in deployment.engine.pods({**deployment.labels, ADDRESS: address}):
        deployment.engine.remove_pod(pod.name, stop_timeout=POD_STOP_TIMEOUT)
    for container in deployment.engine.containers({**deployment.labels, ADDRESS: address}):
        deployment.engine.stop(container.name, timeout=POD_STOP_TIMEOUT)
        deployment.engine.remove(container.name)


_BEFORE: dict[str, Callable[[Deployment], None]] = {"minio": gate.before_minio}
_READY: dict[str, Callable[[Deployment], None]] = {"kes": _kes_ready, "minio": _minio_ready}
