"""The only module that orders effects. Steps whose needs are met run side by side.

Level-triggered: every step makes its resource what it should be, whatever is there; a crash at any point, then the same
command, ends in the same place.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from typing import TYPE_CHECKING

from kesdeploy import containers, ensure, keys, protection, readiness
from kesdeploy.errors import Interrupted, KesdeployError
from kesdeploy.plan import Change, Plan, Verb
from kesdeploy.resources import (
    Authority,
    Bootstrap,
    BroughtIdentity,
    Bucket,
    Certificate,
    Container,
    File,
    Fingerprint,
    Identity,
    Key,
    Pod,
    Resource,
    Secret,
    Trust,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kesdeploy.deployment import Deployment

# Two cores, and an engine that serialises its store: more workers gain nothing.
WORKERS = 4

_DO: dict[type, Callable[[Deployment, Resource, Change], None]] = {
    Secret: ensure.ensure_secret,
    Authority: ensure.ensure_authority,
    Identity: ensure.ensure_identity,
    BroughtIdentity: ensure.ensure_brought_identity,
    Certificate: ensure.ensure_certificate,
    Trust: ensure.ensure_trust,
    File: ensure.ensure_file,
    Pod: containers.ensure_pod,
    Container: containers.ensure_container,
    Bootstrap: containers.ensure_bootstrap,
    Key: keys.ensure_key,
    Fingerprint: ensure.ensure_fingerprint,
    Bucket: ensure.ensure_bucket,
}


def apply(plan: Plan, deployment: Deployment) -> None:
    """Carry out a plan. The first error stops what has not begun; what runs is let finish; then it is raised.

    Raises DataProtected before anything, where KES would forget the last copy of a key that is gone.
    """
    if any(change.resource and isinstance(change.resource.body, Container) for change in plan.pending):
        protection.refuse_gone(deployment)
    for change in plan.pending:
        if change.verb is Verb.DELETE:
            with deployment.report.step(f"remove {change.address}"):
                containers.delete(deployment, change.address)
    todo = {change.address: change for change in plan.pending if change.resource}
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            _run(todo, plan, deployment, pool)
        except KeyboardInterrupt:
            deployment.cancelled.set()
            raise Interrupted("interrupted", hint="the same command continues where this one stopped") from None


def _run(todo: dict[str, Change], plan: Plan, deployment: Deployment, pool: ThreadPoolExecutor) -> None:
    needs, kept = _all_needs(plan), _kept_containers(plan)
    running: dict[Future[None], str] = {}
    error: BaseException | None = None
    while todo or running:
        if error is None:
            for change in _ready(todo, set(running.values()), needs):
                del todo[change.address]
                running[pool.submit(_step, deployment, change, kept)] = change.address
        if not running:
            break
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            del running[future]
            error = error or future.exception()
    if error:
        raise error


def _ready(todo: dict[str, Change], running: set[str], needs: Mapping[str, frozenset[str]]) -> list[Change]:
    """What may begin: nothing that it needs, however far back, is still to be done."""
    blocked = set(todo) | running
    return [change for address, change in todo.items() if not blocked & needs[address]]


def _all_needs(plan: Plan) -> dict[str, frozenset[str]]:
    """What each resource needs, and what that needs: a part that is kept may stand between two that are not."""
    found: dict[str, frozenset[str]] = {}
    for change in plan.changes:
        if change.resource:
            direct = change.resource.needs
            found[change.address] = frozenset(direct).union(*(found.get(need, frozenset()) for need in direct))
    return found


def _kept_containers(plan: Plan) -> dict[str, Container]:
    kept = (change.resource for change in plan.changes if change.resource and change.verb is Verb.KEEP)
    return {resource.address: resource.body for resource in kept if isinstance(resource.body, Container)}


def _step(deployment: Deployment, change: Change, kept: Mapping[str, Container]) -> None:
    assert change.resource is not None
    if deployment.cancelled.is_set():
        raise KesdeployError("interrupted")
    told = title(change)
    with deployment.report.step(told) if told else nullcontext():
        for need in change.resource.needs:
            if need in kept:
                readiness.settle(deployment, kept[need])
        _DO[type(change.resource.body)](deployment, change.resource, change)


def title(change: Change) -> str:
    """One step in the user's words, as in `start container kes-server`; empty for small files: many, and quick."""
    kind, _, name = change.address.partition("/")
    match kind:
        case "container" | "bucket":
            return f"{change.verb.value} {kind} {name}"
        case "bootstrap":
            return f"set up {name} for KES"
        case "key":
            return f"key {name} in the keystore"
        case "fingerprint":
            return f"fingerprint of {name}"
        case "pod":
            return f"{change.verb.value} pod"
    return ""
