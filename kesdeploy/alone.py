"""One change and what follows from it, without anything else that waits for the next `up`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kesdeploy import choosing, observe
from kesdeploy.errors import UsageError
from kesdeploy.plan import Plan, Verb, diff
from kesdeploy.resources import Container

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.deployment import Deployment
    from kesdeploy.resources import Resource


@dataclass(frozen=True)
class Before:
    """What was wanted before, by address, as digests; and what of it `up` would have changed."""

    wanted: Mapping[str, str]
    waiting: frozenset[str]


def before(deployment: Deployment) -> Before:
    wanted = _wanted(deployment)
    waiting = diff(wanted, observe.observe(deployment, wanted)).pending
    return Before({r.address: r.digest for r in wanted}, frozenset(change.address for change in waiting))


def plan(deployment: Deployment, past: Before) -> Plan:
    """What is to be changed now that did not wait then.

    UsageError when something that waited would come along: a file that changes again, or a container that reads it.
    """
    wanted = _wanted(deployment)
    found = diff(wanted, observe.observe(deployment, wanted))
    if mixed := _touched(wanted, past) & past.waiting:
        raise UsageError(
            "other changes have to be made first",
            because=", ".join(sorted(mixed)),
            hint=f"kesdeploy plan -n {deployment.name} shows them; kesdeploy up -n {deployment.name} makes them",
        )
    if past.waiting:
        deployment.report.note(f"other pending changes were not made: kesdeploy plan -n {deployment.name}")
    left = past.waiting
    return Plan(tuple(replace(c, verb=Verb.KEEP) if c.address in left else c for c in found.changes))


def _wanted(deployment: Deployment) -> tuple[Resource, ...]:
    return choosing.desired(deployment, choosing.recorded(deployment))


def _touched(wanted: tuple[Resource, ...], past: Before) -> set[str]:
    changed = {resource.address for resource in wanted if past.wanted.get(resource.address) != resource.digest}
    readers = {r.address for r in wanted if isinstance(r.body, Container) and changed & set(r.body.uses)}
    return changed | readers
