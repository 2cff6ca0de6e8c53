"""What a container may use, and what becomes of it when it ends, as compose files and `docker run` say it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

from kesdeploy.importing.findings import Found, Remark
from kesdeploy.sizes import written
from kesdeploy.spec import Restart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kesdeploy.importing.services import Service

# As Docker reads sizes (go-units, RAMInBytes): powers of 1024, whatever the unit is called.
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?(?:([kmgt])i?)?b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_POLICIES = get_args(get_args(Restart)[0])


def from_limits(service: Service) -> Found:
    """Of a container that is KES, MinIO or a Vault."""
    settings: dict[str, Any] = {}
    remarks: tuple[Remark, ...] = ()
    for path, value, told in _values(service):
        if value is not None:
            settings[path] = value
        else:
            why = f"to set it: {path}"
            remarks += (Remark("open", f"{service.where}: {service.name}", f"{told} is not taken over", why),)
    return Found(settings, remarks=remarks)


def _values(service: Service) -> Iterator[tuple[str, Any, str]]:
    """Each path of a spec with its value, None for what nobody understands, and the words for it."""
    part = service.component
    if service.memory not in ("", "0"):
        yield f"limits.{part}.memory", _size(service.memory), f"memory {service.memory}"
    if service.cpus not in ("", "0"):
        yield f"limits.{part}.cpus", _number(service.cpus), f"cpus {service.cpus}"
    if service.restart:
        policy = service.restart.partition(":")[0]
        yield "restart", policy if policy in _POLICIES else None, f"restart {service.restart}"


def _size(text: str) -> str | None:
    """As a spec has it."""
    found = _SIZE.fullmatch(text)
    return written(int(float(found[1]) * 1024 ** _POWERS[(found[2] or "").lower()])) if found else None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text) else None
