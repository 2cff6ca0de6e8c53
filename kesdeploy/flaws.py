"""What is known to be wrong with the images that a deployment runs: one line at `up`, until the user knows of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kesdeploy.catalogue import Advisory, catalogue, flaws

if TYPE_CHECKING:
    from kesdeploy.deployment import Deployment


def found(deployment: Deployment) -> dict[str, tuple[Advisory, ...]]:
    """By component, what is wrong with what was chosen. Stand-ins have no flaws of others."""
    state = deployment.state.value
    if state.sandbox:
        return {}
    known = {name: flaws(name, pinned.reference, pinned.version) for name, pinned in state.images.items()}
    return {name: advisories for name, advisories in known.items() if advisories}


def tell(deployment: Deployment) -> None:
    """One line for all that the user has not acknowledged."""
    known = set(deployment.state.value.acknowledged)
    fresh = {name: [a for a in there if a.id not in known] for name, there in found(deployment).items()}
    named = {name: there for name, there in fresh.items() if there}
    if not named:
        return
    titles = ", ".join(f"{catalogue()[name].title} ({len(there)})" for name, there in named.items())
    worst = max((float(a.cvss or 0) for there in named.values() for a in there), default=0)
    deployment.report.note(
        f"known security advisories: {titles}{f', the worst CVSS {worst}' if worst else ''}; "
        f"kesdeploy images list -n {deployment.name} explains them, "
        f"kesdeploy images acknowledge -n {deployment.name} ends this line"
    )


def acknowledge(deployment: Deployment) -> tuple[str, ...]:
    """Record that the user knows of all of today's; those that the catalogue learns later are told again."""
    ids = tuple(sorted({advisory.id for there in found(deployment).values() for advisory in there}))
    if set(ids) - set(deployment.state.value.acknowledged):
        merged = tuple(sorted({*ids, *deployment.state.value.acknowledged}))
        deployment.state.update(lambda s: replace(s, acknowledged=merged))
    return ids
