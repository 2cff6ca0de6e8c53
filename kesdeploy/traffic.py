"""What KES and MinIO count of their own requests: how many, how many went wrong, how long they took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kesdeploy.clients.exposition import samples
from kesdeploy.errors import KesdeployError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.clients.kes import Kes
    from kesdeploy.clients.minio import Minio

_MOST = 0.99
_KES, _TIME = "kes_http_request_", "kes_http_response_time"


@dataclass(frozen=True)
class Traffic:
    """Requests since the server started. `errors` were answered with 4xx, `failures` with 5xx; times in milliseconds.

    most_ms: 99 of 100 took no longer than this (the counters know steps alone); None without any, or beyond the last.
    per_second: between two looks of `status --watch`, None before the second.
    """

    requests: int
    errors: int
    failures: int
    mean_ms: float | None
    most_ms: float | None
    per_second: float | None = None


def of_kes(kes: Kes) -> Traffic | None:
    """KES counts requests for keys, policies and identities; None where its counters may not be read."""
    try:
        return _counted(kes.metrics())
    except KesdeployError:
        return None


def _counted(text: str) -> Traffic:
    counts, steps, total, number = {"success": 0, "error": 0, "failure": 0}, {}, 0.0, 0.0
    for name, labels, value in samples(text):
        kind = name.removeprefix(_KES)
        if kind in counts:
            counts[kind] += int(value)
        elif name == f"{_TIME}_bucket":
            steps[float(labels.get("le", "inf"))] = value
        elif name == f"{_TIME}_sum":
            total = value
        elif name == f"{_TIME}_count":
            number = value
    mean = round(total / number * 1000, 2) if number else None
    return Traffic(sum(counts.values()), counts["error"], counts["failure"], mean, _most(steps, 1000))


def of_minio(minio: Minio) -> Traffic | None:
    """MinIO's requests to its KMS; None where it does not tell."""
    try:
        found = minio.kms_metrics()
        success, errors, failures = (int(found.get(f"kms_req_{kind}", 0)) for kind in ("success", "error", "failure"))
        steps = {float(limit): float(count) for limit, count in (found.get("kms_resp_time") or {}).items()}
    except (KesdeployError, ValueError, TypeError):
        return None
    return Traffic(success + errors + failures, errors, failures, None, _most(steps, 1e-6))


def _most(steps: Mapping[float, float], to_ms: float) -> float | None:
    """The first step that holds 99 of 100 requests; every step holds those before it too."""
    number = max(steps.values(), default=0.0)
    limit = next((limit for limit in sorted(steps) if number and steps[limit] >= number * _MOST), None)
    return None if limit is None or limit == float("inf") else round(limit * to_ms, 3)


def told(found: Traffic | None) -> dict[str, Any] | None:
    return asdict(found) if found else None


def with_rates(data: dict[str, Any], before: dict[str, Any] | None, seconds: float) -> dict[str, Any]:
    """The data of `status`, with how many requests a second there were since the data before."""
    old = before["traffic"] if before else {}
    return {**data, "traffic": {who: _rated(now, old.get(who), seconds) for who, now in data["traffic"].items()}}


def _rated(now: dict[str, Any] | None, before: dict[str, Any] | None, seconds: float) -> dict[str, Any] | None:
    # Fewer than before: it was started anew.
    if now is None or before is None or seconds <= 0 or now["requests"] < before["requests"]:
        return now
    return {**now, "per_second": round((now["requests"] - before["requests"]) / seconds, 1)}
