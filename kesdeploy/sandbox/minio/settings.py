"""Flags and environment: where to listen, what to keep, who may ask."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kesdeploy.sandbox.minio import envfile
from kesdeploy.sandbox.minio.errors import Fatal
from kesdeploy.sandbox.minio.kms_settings import KmsSettings, read_kms

if TYPE_CHECKING:
    from collections.abc import Mapping

_FLAGS = ("address", "console-address", "certs-dir")
_TRUE = {"1", "t", "T", "TRUE", "true", "True", "on", "ON", "On", "enabled"}
_RANGE = re.compile(r"\{(\d+)\.\.\.(\d+)\}")
_MIN_USER, _MIN_PASSWORD = 3, 8
USAGE = "NAME:\n  minio server - start object storage server\n\nUSAGE:\n  minio server [FLAGS] DIR1 [DIR2..]\n"


@dataclass(frozen=True)
class Settings:
    """`console` is "" where none was asked for; the real server takes a random port then."""

    drives: tuple[str, ...]
    address: str
    console: str
    certs: str
    user: str
    password: str = field(repr=False)
    kms: KmsSettings | None
    auto_encryption: bool


def get(environment: Mapping[str, str], name: str) -> str:
    """A value without white space around it; one that begins with `env` is lost, as in the real server."""
    value = environment.get(name, "").strip()
    return "" if value.startswith("env") else value


def read(argv: list[str], environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the arguments after `minio`. Raises Fatal; SystemExit for help."""
    env = dict(os.environ if environment is None else environment)
    flags, words = _arguments(argv)
    address = flags.get("address") or env.get("MINIO_ADDRESS") or ":9000"
    console = flags.get("console-address") or env.get("MINIO_CONSOLE_ADDRESS") or ""
    if path := env.get("MINIO_CONFIG_ENV_FILE"):
        envfile.load(path, env)
    volumes = get(env, "MINIO_VOLUMES")
    drives = _drives(volumes.split() if volumes else words)
    kms = read_kms(env)
    user, password = _credentials(env)
    certs = flags.get("certs-dir") or f"{env.get('HOME', '/')}/.minio/certs"
    auto = get(env, "MINIO_KMS_AUTO_ENCRYPTION") in _TRUE
    return Settings(drives, address, console, certs, user, password, kms, auto)


def _arguments(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    if not argv or argv[0] != "server":
        _help()
    flags: dict[str, str] = {}
    words: list[str] = []
    queue = argv[1:]
    while queue:
        word = queue.pop(0)
        if not word.startswith("-"):
            words.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if name in ("quiet", "json", "anonymous"):
            continue
        if name not in _FLAGS:
            sys.stderr.write(f"Incorrect Usage: flag provided but not defined: -{name}\n\n")
            raise SystemExit(1)
        flags[name] = value if equals else (queue.pop(0) if queue else "")
    return flags, words


def _drives(words: list[str]) -> tuple[str, ...]:
    if not words:
        _help()
    return tuple(path for word in words for path in _expand(word))


def _expand(word: str) -> list[str]:
    match = _RANGE.search(word)
    if match is None:
        return [word]
    width = len(match[1]) if match[1].startswith("0") else 0
    numbers = range(int(match[1]), int(match[2]) + 1)
    return [p for n in numbers for p in _expand(word[: match.start()] + f"{n:0{width}d}" + word[match.end() :])]


def _credentials(env: Mapping[str, str]) -> tuple[str, str]:
    user, password = (get(env, f"MINIO_ROOT_{n}") for n in ("USER", "PASSWORD"))
    given = [n for n in ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD") if n in env]
    if not given or (not user and not password):
        sys.stderr.write("WARN: Detected default credentials 'minioadmin:minioadmin'\n")
        return "minioadmin", "minioadmin"
    for name, value in (("MINIO_ROOT_USER", user), ("MINIO_ROOT_PASSWORD", password)):
        if not value:
            raise Fatal(f'Unable to start MinIO: Missing credential environment variable, "{name}"')
    if len(user.encode()) < _MIN_USER or len(password.encode()) < _MIN_PASSWORD:
        lengths = "MINIO_ROOT_USER length should be at least 3, and MINIO_ROOT_PASSWORD length at least 8 characters"
        why = f"Invalid credentials\n      > Please provide correct credentials\n      HINT:\n        {lengths}"
        raise Fatal(f"Unable to validate credentials inherited from the shell environment: {why}")
    return user, password


def _help() -> None:
    sys.stdout.write(USAGE)
    raise SystemExit(1)
