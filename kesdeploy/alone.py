"""One change and what follows from it, without anything else that waits for the next `up`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kesdeploy import choosing, observe
from kesdeploy.errors import UsageError
from kesdeploy.plan import Plan, Verb, diff

if TYPE_CHECKING:
    from kesdeploy.deployment import Deployment
    from kesdeploy.plan import Change


def waiting(deployment: Deployment) -> frozenset[str]:
    """The addresses of what `up` would change now."""
    return frozenset(change.address for change in _all(deployment).pending)


def plan(deployment: Deployment, before: frozenset[str]) -> Plan:
    """What is to be changed that did not wait `before`. UsageError when it needs something that did."""
    found = _all(deployment)
    mine = [change for change in found.pending if change.address not in before]
    needed = {need for change in mine for need in _needs(found, change)} & before
    if needed:
        raise UsageError(
            "other changes have to be made first",
            because=", ".join(sorted(needed)),
            hint=f"kesdeploy plan -n {deployment.name} shows them; kesdeploy up -n {deployment.name} makes them",
        )
    if before:
        deployment.report.note(f"other changes wait, and are left: kesdeploy plan -n {deployment.name}")
    return Plan(tuple(change if change in mine else replace(change, verb=Verb.KEEP) for change in found.changes))


def _all(deployment: Deployment) -> Plan:
    wanted = choosing.desired(deployment, choosing.recorded(deployment))
    return diff(wanted, observe.observe(deployment, wanted))


def _needs(found: Plan, change: Change) -> set[str]:
    """What a change needs, however far back."""
    seen: set[str] = set()
    todo = list(change.resource.needs if change.resource else ())
    while todo:
        need = todo.pop()
        if need not in seen:
            seen.add(need)
            resource = found.change(need).resource
            todo += resource.needs if resource else ()
    return seen
