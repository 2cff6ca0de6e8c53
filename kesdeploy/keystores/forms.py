"""Kinds of values that several keystores ask for."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def _https(value: str) -> str:
    url = urlsplit(value)
    if url.scheme != "https" or not url.hostname:
        raise ValueError("an address begins with https://, as in https://vault.example.org:8200")
    if url.username or url.password or url.query or url.fragment:
        raise ValueError("an address is scheme, host, port and path, no more")
    return value.rstrip("/")


def _absolute(value: str) -> str:
    if not value.startswith("~") and not PurePath(value).is_absolute():
        raise ValueError("an absolute path is needed: a spec is read from any folder")
    return value


Url = Annotated[str, AfterValidator(_https)]
FilePath = Annotated[str, AfterValidator(_absolute)]
