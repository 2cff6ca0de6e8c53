"""A compose file as the containers that it would start."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from kesdeploy.importing.interpolation import interpolated
from kesdeploy.importing.services import Service, resolved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def services(tree: Mapping[str, Any], where: str, base: Path, known: Mapping[str, str]) -> tuple[Service, ...]:
    """Every service; what is not understood of one is left out. known: variables and their values."""
    bodies = interpolated(tree.get("services"), known)
    named = bodies.items() if isinstance(bodies, dict) else ()
    return tuple(
        _service(str(name), body if isinstance(body, dict) else {}, where, base, known) for name, body in named
    )


def _service(name: str, body: Mapping[str, Any], where: str, base: Path, known: Mapping[str, str]) -> Service:
    return Service(
        name=name,
        where=where,
        image=str(body.get("image") or ""),
        command=(*_words(body.get("entrypoint")), *_words(body.get("command"))),
        environment=_environment(body.get("environment"), known),
        env_files=tuple(resolved(base, path) for path in _paths(body.get("env_file"))),
        mounts=dict(_mounts(body.get("volumes"), base)),
        ports=tuple(_ports(body.get("ports"))),
        memory=_limit(body, "mem_limit", "memory"),
        cpus=_limit(body, "cpus", "cpus"),
        restart=_restart(body.get("restart")),
        health="healthcheck" in body,
    )


def _limit(body: Mapping[str, Any], name: str, below: str) -> str:
    """By its own name, or below `deploy.resources.limits`."""
    if name in body:
        return _scalar(body[name])
    found: object = body
    for part in ("deploy", "resources", "limits", below):
        found = found.get(part) if isinstance(found, dict) else None
    return _scalar(found)


def _restart(given: object) -> str:
    # YAML 1.1 reads `no` as false.
    return "no" if given is False else _scalar(given)


def _scalar(given: object) -> str:
    return str(given) if isinstance(given, (str, int, float)) else ""


def _words(given: object) -> tuple[str, ...]:
    if isinstance(given, list):
        return tuple(map(str, given))
    try:
        return tuple(shlex.split(str(given))) if given else ()
    except ValueError:
        return tuple(str(given).split())


def _environment(given: object, known: Mapping[str, str]) -> dict[str, str]:
    """A name without a value is passed on, as `${NAME}` would be."""
    if isinstance(given, dict):
        pairs = [(str(name), value) for name, value in given.items()]
    else:
        split = [str(item).partition("=") for item in given] if isinstance(given, list) else []
        pairs = [(name, value if equals else None) for name, equals, value in split]
    return {name: interpolated(f"${{{name}}}", known) if value is None else str(value) for name, value in pairs}


def _paths(given: object) -> list[str]:
    """`env_file`: a path, several, or mappings with a `path`."""
    items = given if isinstance(given, list) else [given] if given else []
    return [str(item.get("path") if isinstance(item, dict) else item) for item in items]


def _mounts(given: object, base: Path) -> Iterator[tuple[str, str]]:
    for item in given if isinstance(given, list) else ():
        if isinstance(item, dict) and item.get("target"):
            yield str(item["target"]), resolved(base, str(item.get("source") or ""))
        elif isinstance(item, str) and ":" in item:
            source, target = item.split(":")[:2]
            yield target, resolved(base, source)


def _ports(given: object) -> Iterator[tuple[str, int, int]]:
    for item in given if isinstance(given, list) else ():
        if isinstance(item, dict):
            yield from published(f"{item.get('host_ip', '')}:{item.get('published', '')}:{item.get('target', '')}")
        else:
            yield from published(str(item))


def published(text: str) -> Iterator[tuple[str, int, int]]:
    """`[ADDRESS:][HERE:]INSIDE[/tcp]`; nothing where a part is no number."""
    address, _, numbers = text.partition("/")[0].rpartition(":")
    address, _, here = address.rpartition(":") if address else ("", "", numbers)
    if numbers.isdecimal() and (here or numbers).isdecimal():
        yield address.strip("[]"), int(here or numbers), int(numbers)
