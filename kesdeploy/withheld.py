"""Everything of a deployment that nobody else may read, so that it can be taken out of what is told."""

from __future__ import annotations

import base64
import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kesdeploy import given, yamltext
from kesdeploy.errors import KesdeployError
from kesdeploy.home import FINGERPRINT, MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kesdeploy.home import Home

SECRET_NAME = re.compile(
    r"secret|passw|passphrase|token|credential|unseal|bearer|(api|access|private|account|master|client)_?-?key|(^|_)(pin|key|pwd)$",
    re.IGNORECASE,
)
# Shorter ones stand in ordinary words, too.
_SHORTEST = 8
_NO_SECRETS = ("root-user", "vault-settled")
_LARGEST = 1 << 20
_ASSIGNED = re.compile(r"""^[\s#-]*(?:export\s+)?["']?(?P<name>[\w.-]+)["']?\s*[:=]\s*(?P<value>\S.*?)\s*,?\s*$""")
# A container's variables that say nothing about anybody.
PLAIN_VARIABLES = frozenset(
    ("PATH", "HOME", "HOSTNAME", "TERM", "LANG", "LC_ALL", "container", "NO_PROXY", "no_proxy", "LD_LIBRARY_PATH")
) | {"MINIO_CONFIG_ENV_FILE", "SKIP_SETCAP", "KESDEPLOY_HOME"}


def secrets_of(home: Home) -> Iterator[str]:
    """Every secret in the deployment's folder and in what its spec points to; the environment's are apart."""
    for path in _secret_files(home):
        yield from _of_text(_read(path))
    for path in (home.path("config")).rglob("*"):
        yield from named(_read(path))
    yield from _spec(home)
    with suppress(KesdeployError):  # what is damaged keeps nothing else from being hidden
        user, password = home.read_secret("root-user") or "", home.read_secret("root-password") or ""
        yield base64.b64encode(f"{user}:{password}".encode()).decode()


def of_environment(environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Values of our own environment whose names say that they are secret."""
    for name, value in environment.items():
        if SECRET_NAME.search(name) and _worth(value):
            yield value


def named(text: str) -> Iterator[str]:
    """Values of lines `NAME=value` and `name: value` whose names say that they are secret."""
    for line in text.splitlines():
        match = _ASSIGNED.match(line)
        if match and SECRET_NAME.search(match["name"]):
            value = match["value"].strip("\"'")
            if _worth(value) and not value.startswith(("/", "@", "env:")):
                yield value


def _secret_files(home: Home) -> Iterator[Path]:
    for folder in ("secrets", "ca", "certs", "config", "kes"):
        for path in home.path(folder).rglob("*"):
            public = path.suffix == ".crt" or path.name.startswith((MARK, FINGERPRINT)) or path.name in _NO_SECRETS
            # Of certificates and configuration only the keys: the rest is what a report is read for.
            if not public and (folder in ("secrets", "kes") or path.suffix == ".key"):
                yield path


def _read(path: Path) -> str:
    with suppress(OSError):
        if path.is_file() and path.stat().st_size <= _LARGEST:
            return path.read_bytes().decode(errors="replace")
    return ""


def _of_text(text: str) -> Iterator[str]:
    """A whole secret, line by line, and what is in it where it is JSON."""
    yield from (line.strip() for line in text.splitlines() if _worth(line.strip()))
    with suppress(ValueError):
        yield from (leaf for leaf in _leaves(json.loads(text)) if len(leaf) >= 2 * _SHORTEST)


def _leaves(tree: Any) -> Iterator[str]:
    match tree:
        case str():
            yield tree
        case dict():
            for value in tree.values():
                yield from _leaves(value)
        case list():
            for value in tree:
                yield from _leaves(value)


def _spec(home: Home) -> Iterator[str]:
    """What stands in the spec although it should not, and what it points to."""
    text = _read(home.spec)
    yield from named(text)
    with suppress(KesdeployError):
        for leaf in _leaves(yamltext.parse(text, where=str(home.spec))):
            if leaf.startswith(("@", "env:")):
                with suppress(KesdeployError):
                    yield from _of_text(given.read("", leaf))


def _worth(value: str) -> bool:
    return len(value) >= _SHORTEST and not value.startswith("-----")
