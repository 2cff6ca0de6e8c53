"""Somebody's KES and MinIO, read from their files: the same as a spec, and what in them never worked.

Nothing is started, and nothing of theirs is changed. To understand a further kind of file: a reader that gives `Found`,
and a line in `_services` or `_of_file`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy import given, lacking, yamltext
from kesdeploy.errors import SpecError, UsageError, in_words
from kesdeploy.importing import commands, compose, interpolation
from kesdeploy.importing.elsewhere import TAKEN, from_endpoint
from kesdeploy.importing.findings import Found, Remark, merged
from kesdeploy.importing.kes import from_kes_config
from kesdeploy.importing.minio import from_environment
from kesdeploy.importing.services import Service, from_service, undefined_variables
from kesdeploy.keystores import KEYSTORES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from kesdeploy.importing.kes import OnThisMachine

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
# What a spec says at its top and no KES configuration does: its version is `v1`.
_OF_A_SPEC = re.compile(r"^(version:\s*1\s*(#.*)?$|(network|minio|images|key_name):)", re.MULTILINE)
_LARGEST = 1_000_000
"""Bytes: no configuration is longer, and much that is no configuration is."""


@dataclass(frozen=True)
class Import:
    """tree: the spec as plain data. secrets: by their names in `secrets/`. missing: what the spec still lacks."""

    tree: dict[str, Any]
    secrets: dict[str, str]
    remarks: tuple[Remark, ...]
    missing: tuple[str, ...]


def imported(paths: Iterable[Path], name: str = "") -> Import:
    """What these files (or folders of such) say together. UsageError for one that nobody understands."""
    files = [file for path in paths for file in _files(path)]
    services = {file: _services(file) for file in files}
    kes = next((s for found in services.values() for s in found if s.component == "kes"), None)
    found = merged(part for file in files for part in (*_of_services(services[file]), *_of_file(file, kes)))
    if kes is None and not any(path.startswith("keystore.") for path in found.settings):
        found = _with_kes_elsewhere(found, files, services)
    tree: dict[str, Any] = {}
    for path, value in sorted(found.settings.items()):
        tree = lacking.put(tree, path, value)
    tree, refused = _usable({"name": name or lacking.kind_of(tree) or "imported", **tree})
    missing = tuple(problem.message for problem in lacking.missing(tree, KEYSTORES, found.secrets))
    return Import({"version": 1, **tree}, dict(found.secrets), (*found.remarks, *refused), missing)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    inside = sorted(file for pattern in ("*", "config/*", "kes/*", "config/*/*") for file in path.glob(pattern))
    known = [file for file in inside if file.is_file() and _kind(_text(file)) not in ("", "spec")]
    if not known:
        raise UsageError(f"nothing in {path} is a configuration of KES or MinIO", hint="name the files themselves")
    return known


def _services(path: Path) -> tuple[Service, ...]:
    """The containers that a file starts, with the variables of the files that they are given."""
    text, where = _text(path), path.name
    kind = _kind(text)
    found: tuple[Service, ...] = ()
    if kind == "compose":
        found = compose.services(yamltext.parse(text, where=where), where, path.parent, _beside(path))
        return tuple(_with_files(service, interpolation.variables) for service in found)
    if kind == "commands":
        found = commands.services(text, where, path.parent)
    return tuple(_with_files(service, _variables) for service in found)


def _beside(path: Path) -> dict[str, str]:
    """The variables that a compose file takes from the `.env` beside it; those of a shell are told when they lack."""
    file = path.with_name(".env")
    return interpolation.variables(_text(file)) if file.is_file() else {}


def _with_kes_elsewhere(found: Found, files: Iterable[Path], services: Mapping[Path, tuple[Service, ...]]) -> Found:
    """The same, with the KES that MinIO is told to ask, where none of the files configures one."""
    for variables, where, here in _of_minio(files, services):
        if theirs := from_endpoint(variables, where, here):
            # Not taken over by a KES of ours: but here there is none.
            told = tuple(r for r in found.remarks if not (r.level == "changed" and r.where.endswith(TAKEN)))
            return merged((replace(found, remarks=told), theirs))
    return found


def _of_minio(
    files: Iterable[Path], services: Mapping[Path, tuple[Service, ...]]
) -> Iterator[tuple[Mapping[str, str], str, OnThisMachine]]:
    """The variables of every MinIO, where they stand, and what finds the files that they name."""
    for file in files:
        for service in services[file]:
            if service.component == "minio":
                yield service.environment, f"{service.where}: {service.name}", service.on_this_machine
        if _kind(text := _text(file)) == "environment":
            yield _variables(text), file.name, _here


def _of_services(services: tuple[Service, ...]) -> Iterator[Found]:
    for service in services:
        yield from_service(service)
        config = service.on_this_machine(service.option("--config"))
        if service.component == "kes" and config and Path(config).is_file():
            yield from _of_kes(Path(config), service, service.on_this_machine)


def _of_file(path: Path, kes: Service | None) -> Iterator[Found]:
    """What a file says itself. `kes`: the container that a KES configuration is for, where one is known."""
    text = _text(path)
    match _kind(text):
        case "kes":
            yield from _of_kes(path, kes, _here)
        case "environment":
            yield from_environment(_variables(text), path.name)
        case "spec":
            raise UsageError(
                f"{path} is a spec of kesdeploy already: there is nothing to import",
                hint=f"kesdeploy up --config {path}",
            )
        case "":
            raise UsageError(
                f"{path} is nothing that can be imported",
                because="it is no KES configuration, MinIO env file, compose file, or podman or docker commands",
                hint="kesdeploy import kes-config.yaml minio.env",
            )


def _of_kes(path: Path, service: Service | None, on_this_machine: OnThisMachine) -> Iterator[Found]:
    text, where = _text(path), path.name
    if service:
        yield Found(remarks=undefined_variables(text, service, where))
    yield from_kes_config(yamltext.parse(text, where=where), where, on_this_machine)


def _with_files(service: Service, read: Callable[[str], dict[str, str]]) -> Service:
    """With the variables of its env files, which `read` understands, and of the one that MinIO reads itself."""
    own = service.on_this_machine(service.environment.get("MINIO_CONFIG_ENV_FILE", ""))
    given: dict[str, str] = {}
    for file in map(Path, service.env_files):
        given |= read(_text(file)) if file.is_file() else {}
    given |= _variables(_text(Path(own))) if own and Path(own).is_file() else {}
    return replace(service, environment={**given, **service.environment})


def _text(path: Path) -> str:
    try:
        data = given.head(path, _LARGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}", because=in_words(error), hint="kesdeploy import FILE") from error
    if len(data) > _LARGEST:
        raise UsageError(f"{path} is too long for a configuration", hint="kesdeploy import FILE")
    return data.decode(errors="replace")


def _kind(text: str) -> str:
    """What a text is: kes, compose, commands, environment, a spec of ours, or nothing of these."""
    if re.search(r"^services:", text, re.MULTILINE):
        return "compose"
    if re.search(r"^keystore:", text, re.MULTILINE) and _OF_A_SPEC.search(text):
        return "spec"
    if re.search(r"^(keystore|tls|policy|admin|root|keys):", text, re.MULTILINE):
        return "kes"
    if re.search(r"\b(podman|docker)\s+(pod\s+create|container\s+run|run)\b", text):
        return "commands"
    return "environment" if re.search(r"^\s*(export\s+)?MINIO_[A-Z_]+=", text, re.MULTILINE) else ""


def _variables(text: str) -> dict[str, str]:
    """A MinIO env file, as MinIO reads it: a pair of quotes is taken off, and nothing else."""
    found = {}
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            value = match[2].strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            found[match[1]] = value[1:-1] if quoted else value
    return found


def _here(path: str) -> str | None:
    """A path in a configuration without a container: it may be one of this machine."""
    return path if path.startswith("/") and os.path.exists(path) else None  # noqa: PTH110 - never raises


def _usable(tree: dict[str, Any]) -> tuple[dict[str, Any], tuple[Remark, ...]]:
    """Without what a spec would refuse: each with the reason."""
    remarks: list[Remark] = []
    while True:
        before = len(remarks)
        for problem in lacking.wrong(tree, KEYSTORES) or _later(tree):
            path, _, why = problem.message.partition(": ")
            if (there := lacking.get(tree, path)) is None or path in ("name", "keystore"):
                continue
            if isinstance(there, dict) and why.partition(": ")[0] in there:
                # One of many goes, and the others stay.
                name, _, why = why.partition(": ")
                path = f"{path}.{name}"
            tree = _without(tree, path.split("."))
            remarks.append(Remark("open", path, "cannot be taken over as it is", why))
        if len(remarks) == before:
            return tree, tuple(remarks)


def _later(tree: dict[str, Any]) -> tuple[Any, ...]:
    try:
        lacking.loaded(tree, KEYSTORES)
    except SpecError as error:
        return tuple(error.found)
    return ()


def _without(tree: dict[str, Any], path: list[str]) -> dict[str, Any]:
    first, *rest = path
    if not rest:
        return {key: value for key, value in tree.items() if key != first}
    return {**tree, first: _without(tree[first], rest)}
