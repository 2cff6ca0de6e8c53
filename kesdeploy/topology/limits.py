"""What a container may use of the machine, as the user wants it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kesdeploy.errors import UsageError
from kesdeploy.resources import Container, Resource
from kesdeploy.sizes import in_bytes
from kesdeploy.spec import Limit, Limits

if TYPE_CHECKING:
    from kesdeploy.spec import Spec


def limited(spec: Spec, resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """The same, with the limits of `spec.limits`. UsageError for one of a container that this deployment has not."""
    names = {_name(body) for each in resources if isinstance(body := each.body, Container)}
    for name in Limits.model_fields:
        if getattr(spec.limits, name) != Limit() and name not in names:
            raise UsageError(
                f"limits.{name}: this deployment has no such container",
                because=f"it has {', '.join(sorted(names))}",
                hint="take it out of the spec",
            )
    return tuple(_limited(spec, each) for each in resources)


def _limited(spec: Spec, resource: Resource) -> Resource:
    body = resource.body
    if not isinstance(body, Container) or (limit := getattr(spec.limits, _name(body))) == Limit():
        return resource
    memory = in_bytes(limit.memory) if limit.memory else None
    return replace(resource, body=replace(body, memory=memory, cpus=limit.cpus))


def _name(container: Container) -> str:
    """In the spec: a managed Vault is one, whichever product it is."""
    return container.component if container.component in ("minio", "kes") else "vault"
