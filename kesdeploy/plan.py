"""What is wanted against what is there -> a Plan. Pure, in a stable order, each change with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from kesdeploy.resources import BroughtIdentity, Certificate, Container, File, Identity, Resource, Trust

if TYPE_CHECKING:
    from collections.abc import Mapping


class Verb(StrEnum):
    KEEP = "keep"
    CREATE = "create"
    REPLACE = "replace"
    RESTART = "restart"
    RELOAD = "reload"
    START = "start"
    CHECK = "check"
    DELETE = "delete"


_MADE_FROM_OTHERS = (File, Certificate, Identity, BroughtIdentity, Trust)
_SOURCES = ("authority/", "bootstrap/", "secret/")
_FIELDS = {
    "image": "image",
    "entrypoint": "command",
    "command": "command",
    "environment": "environment",
    "user": "user",
    "mounts": "mounts",
    "memory": "memory limit",
    "cpus": "processor limit",
    "restart": "restart policy",
    "ports": "ports",
    "hosts": "host names",
}
REMADE = (Verb.CREATE, Verb.REPLACE)


@dataclass(frozen=True)
class Seen:
    """A resource that is there.

    digest: of the body it was made from, where that is recorded (labels).
    reason: why it has to be made again although it is there.
    stale: resources whose present generation a container has not loaded yet.
    """

    digest: str = ""
    reason: str = ""
    running: bool = True
    stale: frozenset[str] = frozenset()
    unasked: str = ""
    """Who would have to be asked, and does not run now."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """The digest of each field of that body; empty where they are not recorded."""


@dataclass(frozen=True)
class Change:
    verb: Verb
    address: str
    reason: str = ""
    resource: Resource | None = None
    """None for what is only deleted."""


@dataclass(frozen=True)
class Plan:
    """Every resource with its verb, deletions first (the last made goes first), then each after what it needs."""

    changes: tuple[Change, ...]

    @property
    def pending(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.verb is not Verb.KEEP)

    @property
    def empty(self) -> bool:
        return not self.pending

    def change(self, address: str) -> Change:
        """What becomes of a resource; KeyError when it is no part of the deployment."""
        for change in self.changes:
            if change.address == address:
                return change
        raise KeyError(address)

    def verb(self, address: str) -> Verb:
        return self.change(address).verb


def diff(desired: tuple[Resource, ...], seen: Mapping[str, Seen]) -> Plan:
    """The changes that lead from `seen` to `desired`, which must be in the order of its needs."""
    wanted = {resource.address for resource in desired}
    gone = [
        Change(Verb.DELETE, address, "no longer wanted") for address in reversed(list(seen)) if address not in wanted
    ]
    verbs: dict[str, Verb] = {}
    changes = []
    for resource in desired:
        verb, reason = _decide(resource, seen.get(resource.address), verbs)
        verbs[resource.address] = verb
        changes.append(Change(verb, resource.address, reason, resource))
    return Plan((*gone, *changes))


def _decide(resource: Resource, seen: Seen | None, verbs: Mapping[str, Verb]) -> tuple[Verb, str]:
    if seen is None:
        return Verb.CREATE, "missing"
    if seen.unasked:
        return Verb.CHECK, f"asked once {seen.unasked} runs"
    if reason := seen.reason or _differs(resource, seen, verbs):
        return Verb.REPLACE, reason
    if isinstance(resource.body, Container):
        return _decide_container(resource.body, resource.needs, seen, verbs)
    return Verb.KEEP, ""


def _differs(resource: Resource, seen: Seen, verbs: Mapping[str, Verb]) -> str:
    if seen.digest and seen.digest != resource.digest:
        return f"its {_differing(resource, seen) or 'definition'} changed"
    made = _remade_values(resource, verbs) if isinstance(resource.body, _MADE_FROM_OTHERS) else ""
    return f"{made} changes" if made else ""


def _differing(resource: Resource, seen: Seen) -> str:
    """Which fields, in words; empty where that is not recorded, or would tell a user nothing."""
    if not seen.parts:
        return ""
    now = resource.parts
    fields = [name for name in _FIELDS if seen.parts.get(name) != now.get(name)]
    return " and ".join(dict.fromkeys(_FIELDS[name] for name in fields))


def _remade_values(resource: Resource, verbs: Mapping[str, Verb]) -> str:
    """What a file takes values from, or a certificate is signed by, that only this run will make."""
    sources = (need for need in resource.needs if need.startswith(_SOURCES) or need in _certificates(resource.body))
    return ", ".join(need for need in sources if verbs.get(need) in (*REMADE, Verb.CHECK))


def _certificates(body: object) -> tuple[str, ...]:
    """The identities whose certificate a file holds: that is renewed, while the identity stays."""
    refs = body.refs.values() if isinstance(body, File) else ()
    return tuple(f"identity/{ref.name}" for ref in refs if ref.kind == "certificate")


def _decide_container(
    body: Container, needs: tuple[str, ...], seen: Seen, verbs: Mapping[str, Verb]
) -> tuple[Verb, str]:
    if any(address.startswith("pod/") and verbs.get(address) in REMADE for address in needs):
        return Verb.REPLACE, "its pod is made again"
    if gone := ", ".join(address for address in body.uses if verbs.get(address) is Verb.CREATE):
        return Verb.REPLACE, f"{gone} was missing: what it mounts may be gone"
    changed = {address for address in body.uses if verbs.get(address) in REMADE} | seen.stale
    names = ", ".join(sorted(changed))
    if not seen.running:
        return Verb.START, "it does not run"
    if changed - set(body.reloads):
        return Verb.RESTART, f"{names} changed"
    if changed:
        return Verb.RELOAD, f"{names} changed"
    return Verb.KEEP, ""
