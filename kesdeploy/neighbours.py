"""Ports that the other deployments of this folder count on, also while they are stopped and nobody listens."""

from __future__ import annotations

from contextlib import suppress

from kesdeploy import keystores, opening, topology
from kesdeploy.errors import KesdeployError
from kesdeploy.home import Home
from kesdeploy.opening import Wish


def claimed(but: str = "") -> dict[int, str]:
    """Port -> the deployment whose spec names it. One whose spec cannot be read claims nothing."""
    found: dict[int, str] = {}
    for home in Home.all():
        if home.name == but or not home.spec.exists():
            continue
        with suppress(KesdeployError):
            spec = opening.load(Wish("list", home.name), home)
            ports = topology.published(spec, keystores.of(spec)).values()
            found |= dict.fromkeys(ports, home.name)
    return found
