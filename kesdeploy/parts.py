"""The containers of a deployment as `status` tells them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kesdeploy import explain, services, topology
from kesdeploy.deploy import endpoints
from kesdeploy.deployment import COMPONENT
from kesdeploy.errors import Problem

if TYPE_CHECKING:
    from kesdeploy.deployment import Deployment
    from kesdeploy.engines import Container

# Seconds. The engine starts one that ends again within a minute.
_YOUNG = 60


def rows(deployment: Deployment, names: list[str], problems: list[Problem]) -> list[dict[str, Any]]:
    """A row for each container that should be there; a problem for each that does not run."""
    up = f"kesdeploy up -n {deployment.name}"
    found = []
    for name in names:
        container = deployment.engine.container(name)
        found.append(_row(deployment, name, container))
        if container is None or not container.running:
            problems.append(_problem(deployment, name, container, up))
        else:
            problems += _unsteady(deployment, container, up)
    return found


def _unsteady(deployment: Deployment, container: Container, up: str) -> tuple[Problem, ...]:
    """Why it was restarted, as it will be again; nothing where that is not known."""
    uptime = _seconds_since(container.started_at, deployment.now)
    if not container.restarts or uptime is None:
        return ()
    last = services.last_words(deployment, container.name) if uptime <= _YOUNG else ""
    words = f"{container.name} was restarted {container.restarts} times"
    if last and (known := explain.advice(last, deployment.name)):
        return (Problem("warning", f"{words}: {known.line}. That means: {known.cause}", f"{up}; {known.next}"),)
    component = container.labels.get(COMPONENT, "")
    if not (most := topology.limits.memory(deployment.spec, component)):
        return ()
    # Who is ended for that leaves no last words.
    cause = f"its memory is limited to {most}, and the kernel ends what wants more"
    return (
        Problem(
            "warning",
            f"{words}; {cause}",
            f"if that was it: {up} --set limits.{topology.limits.part(component)}.memory=…",
        ),
    )


def _problem(deployment: Deployment, name: str, container: Container | None, up: str) -> Problem:
    """With what its last words mean, where they are known."""
    if container is None:
        return Problem("container", f"{name} is missing", up)
    known = explain.advice(services.last_words(deployment, name), deployment.name) if container.exit_code else None
    if known is None:
        return Problem("container", f"{name} is {container.state}", up)
    return Problem(
        "container", f"{name} is {container.state}: {known.line}. That means: {known.cause}", f"{up}; {known.next}"
    )


def _row(deployment: Deployment, name: str, container: Container | None) -> dict[str, Any]:
    part = name.removeprefix(f"{deployment.name}-").removesuffix("-server")
    running = container is not None and container.running
    began = container.started_at if container and running else ""
    return {
        "name": name,
        "part": part,
        "state": container.state if container else "MISSING",
        "image": deployment.image_of(container) if container else "",
        "since": began[:19].replace("T", " "),
        "uptime_seconds": _seconds_since(began, deployment.now),
        "restarts": container.restarts if container else 0,
        "address": _address(deployment, part),
    }


def _seconds_since(moment: str, now: datetime) -> int | None:
    """Seconds since a moment in RFC 3339; None for none."""
    try:
        began = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return max(0, int((now - (began if began.tzinfo else began.replace(tzinfo=UTC))).total_seconds()))


def _address(deployment: Deployment, part: str) -> str:
    """Under which this machine reaches a part."""
    known = endpoints(deployment)
    if part in ("kes", "minio"):
        return known["s3" if part == "minio" else "kes"]
    host = services.reach(deployment.spec)
    return f"https://{f'[{host}]' if ':' in host else host}:{deployment.spec.network.vault_port}"
