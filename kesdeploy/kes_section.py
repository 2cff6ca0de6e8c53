"""The spec's `kes`: what KES is to allow, to whom, and how long it remembers."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from kesdeploy.durations import milliseconds
from kesdeploy.section import Duration, Section


class Cache(Section):
    """How long KES keeps keys in memory."""

    any: Duration = "5m"
    unused: Duration = "30s"
    offline: Duration = "0s"

    @model_validator(mode="after")
    def _some_time(self) -> Cache:
        if not milliseconds(self.unused):
            raise ValueError("kes.cache.unused: with 0s KES keeps every key for 30s at most; say how long")
        return self


class Log(Section):
    error: Literal["off", "error", "warn", "info", "debug"] = "info"
    audit: Literal["off", "info"] = "info"


class Kes(Section):
    cache: Cache = Cache()
    log: Log = Log()
