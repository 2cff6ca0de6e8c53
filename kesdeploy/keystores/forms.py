"""Kinds of values that several keystores ask for."""

from __future__ import annotations

import re
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


def _uuid(value: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
        raise ValueError("a UUID is needed, as in e30497c1-bff7-4e81-beb7-fb35c4b7410c")
    return value


def _one_line(value: str) -> str:
    if not value or value != value.strip() or not value.isprintable():
        raise ValueError("one line of text is needed, with no white space at its ends")
    if value.startswith("${") and value.endswith("}"):
        raise ValueError("KES would take ${…} for a variable of its environment, and end; write the value itself")
    return value


def before(*paths: str) -> AfterValidator:
    """Of an address: it ends before these paths, which KES adds by itself."""

    def check(value: str) -> str:
        for path in paths:
            if f"{urlsplit(value).path}/".startswith(f"{path}/"):
                raise ValueError(f"the address ends before {path}, which KES adds by itself")
        return value

    return AfterValidator(check)


Url = Annotated[str, AfterValidator(_https)]
Uuid = Annotated[str, AfterValidator(_uuid)]
OneLine = Annotated[str, AfterValidator(_one_line)]
