"""Shell commands (`podman run …`, `docker run …`) as the containers that they would start."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kesdeploy.importing.compose import published
from kesdeploy.importing.services import Service, resolved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENGINES = {"podman", "docker", "nerdctl"}
_SHORT = {
    "-p": "--publish",
    "-v": "--volume",
    "-e": "--env",
    "-n": "--name",
    "-u": "--user",
    "-w": "--workdir",
    "-m": "--memory",
}
# Options that stand alone; every other takes a value, unless it has it after a '='.
_ALONE = {
    "--rm",
    "--detach",
    "--tty",
    "--interactive",
    "--privileged",
    "--init",
    "--read-only",
    "--replace",
    "--no-healthcheck",
}


@dataclass
class _Call:
    """One call of an engine: its options by long name, and the words after them."""

    options: dict[str, list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


def services(text: str, where: str, base: Path) -> tuple[Service, ...]:
    """Every container that the commands start; a pod's mounts are its members' too."""
    pods: dict[str, _Call] = {}
    found = []
    for words in _calls(text):
        if words[:2] == ["pod", "create"]:
            call = _parsed(words[2:])
            pods[_one(call, "--name") or (call.words[-1] if call.words else "")] = call
        elif words[:1] == ["run"] or words[:2] == ["container", "run"]:
            call = _parsed(words[1 if words[0] == "run" else 2 :])
            found.append(_service(call, pods.get(_one(call, "--pod")), where, base))
    return tuple(service for service in found if service.image)


def _calls(text: str) -> Iterator[list[str]]:
    """The arguments of every call of an engine, line by line."""
    for line in re.sub(r"[ \t]*\\[ \t]*\r?\n", " ", text).splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        while words and (words[0] in ("sudo", "$", "#", "exec") or "=" in words[0]):
            words = words[1:]
        if words and words[0].rpartition("/")[2] in _ENGINES:
            yield words[1:]


def _parsed(words: list[str]) -> _Call:
    call, rest = _Call(), list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        if not equals and (name in _ALONE or re.fullmatch(r"-[dit]+", name)):
            continue
        if not equals:
            value = rest.pop(0) if rest else ""
        call.options.setdefault(name, []).append(value)
    call.words = rest
    return call


def _one(call: _Call, name: str) -> str:
    return call.options.get(name, [""])[-1]


def _service(call: _Call, pod: _Call | None, where: str, base: Path) -> Service:
    image, command = (call.words[0], call.words[1:]) if call.words else ("", [])
    entrypoint = _one(call, "--entrypoint")
    service = Service(
        name=_one(call, "--name") or image.rpartition("/")[2].partition(":")[0],
        where=where,
        image=image,
        command=(*((entrypoint,) if entrypoint else ()), *command),
        environment={name: value for name, _, value in (item.partition("=") for item in call.options.get("--env", []))},
        env_files=tuple(resolved(base, path) for path in call.options.get("--env-file", [])),
        mounts=_mounts(call, base),
        ports=tuple(port for text in call.options.get("--publish", []) for port in published(text)),
        memory=_one(call, "--memory"),
        cpus=_one(call, "--cpus"),
        restart=_one(call, "--restart"),
    )
    if pod is None:
        return service
    ports = tuple(port for text in pod.options.get("--publish", []) for port in published(text))
    return replace(service, mounts={**_mounts(pod, base), **service.mounts}, ports=(*ports, *service.ports))


def _mounts(call: _Call, base: Path) -> dict[str, str]:
    pairs = [text.split(":")[:2] for text in call.options.get("--volume", []) if ":" in text]
    return {target.rstrip("/") or "/": resolved(base, source) for source, target in pairs}
