"""Pods and containers of a deployment: made, started, and told to read again.

What has to be true before a service starts is here, per component.
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

from kesdeploy import filled, gate, services, topology
from kesdeploy.deployment import ADDRESS, COMPONENT, DIGEST, PARTS, Deployment
from kesdeploy.engines import ContainerSpec, Mount, PodSpec
from kesdeploy.errors import EngineError, ServiceError
from kesdeploy.keystores.startover import StartAgain, StartOver
from kesdeploy.paths import seen_by_engine
from kesdeploy.plan import REMADE, Change, Plan, Verb
from kesdeploy.readiness import wait_ready
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


def labels(deployment: Deployment, resource: Resource) -> dict[str, str]:
    parts = " ".join(f"{name}:{digest}" for name, digest in resource.parts.items())
    marks = {**deployment.labels, ADDRESS: resource.address, DIGEST: resource.digest, PARTS: parts}
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


def refuse_limits(deployment: Deployment, plan: Plan) -> None:
    """Raises EngineError where a limit would be ignored: before anything is made, as what runs by then would stay."""
    for change in plan.pending:
        body = change.resource.body if change.resource else None
        if isinstance(body, Container) and (body.memory or body.cpus) and change.verb in REMADE:
            assert change.resource is not None
            # Its folders may not be here yet.
            deployment.engine.check(replace(_specified(deployment, change.resource), mounts=()))


def _create(deployment: Deployment, resource: Resource) -> None:
    body, engine = resource.body, deployment.engine
    assert isinstance(body, Container)
    for folder in body.data:
        deployment.home.make(folder)
    spec = _specified(deployment, resource)
    if old := _in_its_place(deployment, resource.address, body.name):
        # Before the old one goes: who may not have the new one keeps what runs.
        engine.check(spec)
    for name in old:
        engine.stop(name, timeout=body.stop_timeout)
        engine.remove(name)
    engine.create(spec)


def _in_its_place(deployment: Deployment, address: str, name: str) -> list[str]:
    """By our marks, too: somebody may have given the one that runs another name."""
    ours = {found.name for found in deployment.engine.containers({**deployment.labels, ADDRESS: address})}
    return sorted(ours | ({name} if deployment.engine.container(name) else set()))


def _specified(deployment: Deployment, resource: Resource) -> ContainerSpec:
    body = resource.body
    assert isinstance(body, Container)
    return ContainerSpec(
        name=body.name,
        pod=topology.pod_name(deployment.name),
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
        if time.monotonic() < self._looked + services.LOOK:
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
