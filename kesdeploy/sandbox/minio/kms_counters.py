"""What MinIO counts of its requests to the KMS (internal/kms/kms.go of RELEASE.2025-04-22)."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kesdeploy.sandbox.minio.errors import KmsError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEPS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 3.0, 5.0, 10.0)  # seconds
_FAILURE = 500


class KmsCounters:
    """Of this server's life. Creating keys, data keys and decrypting count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = {"success": 0, "error": 0, "failure": 0}
        self._within = [0] * len(_STEPS)

    @contextmanager
    def counted(self) -> Iterator[None]:
        began, how = time.monotonic(), "success"
        try:
            yield
        except KmsError as error:
            how = "failure" if error.status >= _FAILURE else "error"
            raise
        finally:
            self._count(how, time.monotonic() - began)

    def _count(self, how: str, seconds: float) -> None:
        # What is slower than the last step counts there too.
        first = next((n for n, step in enumerate(_STEPS) if seconds < step), len(_STEPS) - 1)
        with self._lock:
            self._ended[how] += 1
            for n in range(first, len(_STEPS)):
                self._within[n] += 1

    def json(self) -> dict[str, Any]:
        with self._lock:
            ended = {f"kms_req_{how}": count for how, count in self._ended.items()}
            times = {str(round(step * 1e9)): count for step, count in zip(_STEPS, self._within, strict=True)}
        return {**ended, "kms_resp_time": times}
