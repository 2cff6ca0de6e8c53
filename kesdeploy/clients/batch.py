"""MinIO's batch jobs, of which one gives objects another key (RELEASE.2025-04-22T22-12-26Z, cmd/batch-rotate.go).

The objects' data stays as it is: their own keys are sealed anew. What a job reports is no proof: one that was stopped
calls itself complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    from kesdeploy.clients.minio import Minio

_ADMIN = "/minio/admin/v3"
_ATTEMPTS = 3


@dataclass(frozen=True)
class Report:
    """How far a job is. MinIO writes it down when the first object is done, every ten seconds, and at the end."""

    ended: bool
    objects: int
    failed: int


class Jobs:
    """The batch jobs of a MinIO."""

    def __init__(self, minio: Minio) -> None:
        self._minio = minio

    def rotate(self, bucket: str, key: str, prefix: str = "") -> str:
        """Begin to seal every encrypted object's key with `key`; the job's id. ServiceError 404 for an unknown key.

        No filter: those for keys and dates do not what they say, and the one for keys does nothing at all.
        """
        import yaml

        job = {
            "apiVersion": "v1",
            "bucket": bucket,
            "prefix": prefix,
            "encryption": {"type": "sse-kms", "key": key},
            "flags": {"retry": {"attempts": _ATTEMPTS, "delay": "500ms"}},
        }
        body = yaml.safe_dump({"keyrotate": job}).encode()
        what = f"MinIO does not begin to give the objects of {bucket!r} the key {key!r}"
        return str(self._minio.signed("POST", f"{_ADMIN}/start-job", what, body=body).json()["id"])

    def report(self, job: str) -> Report | None:
        """None while there is none yet."""
        try:
            answer = self._minio.signed(
                "GET", f"{_ADMIN}/status-job?jobId={quote(job, safe='')}", "MinIO does not tell how far its job is"
            )
        except ServiceError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        found = answer.json()["LastMetric"]
        done = found.get("rotation") or {}
        ended = bool(found["complete"] or found["failed"])
        return Report(ended, int(done.get("objects", 0)), int(done.get("objectsFailed", 0)))

    def drop(self, job: str) -> None:
        """Stop it, if it still runs, and have MinIO forget it.

        One that failed would begin again after each restart of MinIO, and bring its key back.
        """
        path = f"{_ADMIN}/cancel-job?id={quote(job, safe='')}"
        self._minio.signed("DELETE", path, "MinIO does not forget its job")
