"""How much `512MiB` is: the sizes that users write."""

from __future__ import annotations

import re

_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_MOST = 2**50
PATTERN = "^0*([0-9]{1,16})(KiB|MiB|GiB|TiB)$"


def in_bytes(size: object) -> int:
    """How many. ValueError for what has no unit, or is beyond 1024 TiB."""
    if not isinstance(size, str) or not (found := re.fullmatch(PATTERN, size)):
        raise ValueError("a size is a whole number and a unit, as in 512MiB or 2GiB")
    total = int(found[1]) * _UNITS[found[2]]
    if total > _MOST:
        raise ValueError("a size is at most 1024TiB")
    return total


def written(total: int) -> str:
    """So many bytes, rounded up to whole KiB, in the largest unit that they fill."""
    whole = -(-total // _UNITS["KiB"]) * _UNITS["KiB"]
    unit = next((unit for unit in reversed(_UNITS) if whole and whole % _UNITS[unit] == 0), "KiB")
    return f"{whole // _UNITS[unit]}{unit}"
