"""What `/v1/metrics` counts."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter

_KINDS = ((200, "success"), (400, "error"), (500, "failure"))
_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 3.0, 5.0, 10.0)  # seconds


class Metrics:
    """Counters of one server's life; `started` is a time.monotonic()."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._codes: Counter[int] = Counter()
        self._times: list[float] = [0.0] * (len(_BUCKETS) + 1)
        self._total = 0.0
        self._lock = threading.Lock()

    def count(self, status: int, seconds: float) -> None:
        with self._lock:
            self._codes[status] += 1
            self._total += seconds
            self._times[-1] += 1
            for at, limit in enumerate(_BUCKETS):
                self._times[at] += seconds <= limit

    def text(self) -> str:
        with self._lock:
            lines = [*self._requests(), *self._histogram(), *self._system()]
        return "\n".join(lines) + "\n"

    def _requests(self) -> list[str]:
        lines = []
        for floor, kind in _KINDS:
            name = f"kes_http_request_{kind}"
            lines.append(f"# TYPE {name} counter")
            codes = {c: n for c, n in self._codes.items() if floor <= c < (400 if floor == 200 else floor + 100)}  # noqa: PLR2004
            lines += [f'{name}{{code="{code}"}} {count}' for code, count in sorted(codes.items())]
        return lines

    def _histogram(self) -> list[str]:
        name = "kes_http_response_time"
        limits = [*map("{:g}".format, _BUCKETS), "+Inf"]
        rows = [f'{name}_bucket{{le="{limit}"}} {int(n)}' for limit, n in zip(limits, self._times, strict=True)]
        return [
            f"# TYPE {name} histogram",
            *rows,
            f"{name}_sum {self._total:g}",
            f"{name}_count {int(self._times[-1])}",
        ]

    def _system(self) -> list[str]:
        found = {
            "up_time": round(time.monotonic() - self._started),
            "num_cpu": os.cpu_count() or 1,
            "num_cpu_used": os.cpu_count() or 1,
            "num_threads": threading.active_count(),
        }
        return [line for n, v in found.items() for line in (f"# TYPE kes_system_{n} gauge", f"kes_system_{n} {v}")]
