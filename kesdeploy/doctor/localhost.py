"""What `localhost` is here, and whether it leads to a port that is published on 127.0.0.1."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from kesdeploy.doctor.finding import Finding, Verdict, passed
from kesdeploy.doctor.inside import GREETING

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "localhost"
V4 = "127.0.0.1"


def try_localhost(port: int) -> dict[str, str]:
    """Each address that the name has, in order, with `answers`, `refuses`, or `breaks off` (accepted, then nothing)."""
    try:
        found = socket.getaddrinfo(NAME, port, type=socket.SOCK_STREAM)
    except OSError:
        return {}
    return {str(address[0]): _tried(str(address[0]), port) for *_, address in found}


def _tried(address: str, port: int) -> str:
    try:
        connection = socket.create_connection((address, port), 2)
    except OSError:
        return "refuses"
    with connection:
        try:
            return "answers" if connection.recv(100) == GREETING else "breaks off"
        except OSError:
            return "breaks off"


def judge_localhost(found: Mapping[str, str]) -> Finding:
    """A client goes on to the next address when one refuses, and not when one breaks off."""
    told = ", ".join(f"{address} {how}" for address, how in found.items()) or "it is no address at all"
    if found.get(V4) != "answers":
        fix = f"add to /etc/hosts: {V4} localhost"
        return Finding(NAME, Verdict.WARN, f"does not lead to {V4} ({told}); kesdeploy itself uses {V4}", fix)
    if "breaks off" in found.values():
        return Finding(NAME, Verdict.WARN, told, f"use {V4} in place of localhost, as kesdeploy prints it")
    return passed(NAME, told)
