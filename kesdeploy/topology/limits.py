"""What a container may use of the machine, as the user wants it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kesdeploy.limits_section import Limit, Limits
from kesdeploy.resources import Container, Resource
from kesdeploy.sizes import in_bytes
from kesdeploy.topology.names import components

if TYPE_CHECKING:
    from kesdeploy.spec import Spec


def limited(spec: Spec, resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """The same, with the limits of `spec.limits`."""
    return tuple(_limited(spec, each) for each in resources)


def _limited(spec: Spec, resource: Resource) -> Resource:
    body = resource.body
    if not isinstance(body, Container) or (limit := getattr(spec.limits, part(body.component))) == Limit():
        return resource
    memory = in_bytes(limit.memory) if limit.memory else None
    return replace(resource, body=replace(body, memory=memory, cpus=limit.cpus))


def memory(spec: Spec, component: str) -> str:
    """What the spec limits the memory of this container to; empty without a limit."""
    limit: Limit = getattr(spec.limits, part(component))
    return limit.memory or ""


def idle(spec: Spec) -> tuple[str, ...]:
    """One text for each limit of a container that this deployment does not have."""
    here = {part(component) for component in components(spec)}
    given = (name for name in Limits.model_fields if getattr(spec.limits, name) != Limit())
    return tuple(f"limits.{name} limits nothing: this deployment runs none" for name in given if name not in here)


def part(component: str) -> str:
    """In the spec: a managed Vault is one, whichever product it is."""
    return component if component in ("minio", "kes") else "vault"
