"""How long `1h30m` is: the durations that users write and KES reads."""

from __future__ import annotations

import re

# Before the end of a certificate, or of a token: from then on, it is told.
WARN_DAYS = 30
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_MOST = 2**63 // 10**6
_DIGITS = len(str(_MOST))


def milliseconds(duration: object) -> int:
    """How long it is. ValueError for what has no unit, or is too long for KES (nanoseconds in 64 bits)."""
    if not isinstance(duration, str) or not re.fullmatch(r"([0-9]+(ms|s|m|h))+", duration):
        raise ValueError("a duration needs a unit, as in 30s, 5m or 1h30m")
    parts = re.findall(r"0*([0-9]+)(ms|s|m|h)", duration)
    # Python itself refuses to read numbers of thousands of digits.
    total = sum(int(count) * _UNITS[unit] if len(count) <= _DIGITS else _MOST for count, unit in parts)
    if total >= _MOST:
        raise ValueError("a duration is at most 292 years")
    return total


def duration(value: object) -> object:
    """The same value, once it is a duration."""
    milliseconds(value)
    return value
