"""MinIO: its health, its own view of the KMS, and S3 (through the `minio` package)."""

from __future__ import annotations

import hashlib
import io
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from kesdeploy.clients import SUCCESS, Answer, Door, cause, message
from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from minio import Minio as S3Client

REGION = "us-east-1"
ARN = "arn:aws:kms:"
# What MinIO calls the version of an object that was stored without versioning.
NO_VERSION = "null"


@dataclass(frozen=True)
class KeyStatus:
    """What MinIO's own round trip with a key said; empty strings are success."""

    key: str
    encryption_error: str
    decryption_error: str

    @property
    def ok(self) -> bool:
        return not (self.encryption_error or self.decryption_error)


@dataclass(frozen=True)
class Head:
    """How an object is encrypted: `sse` is aws:kms, AES256 or empty; `key` is KES's name of the key."""

    sse: str
    key: str
    size: int


class Minio:
    """MinIO at a URL, as its root user. Every refusal is a ServiceError with MinIO's code and words."""

    def __init__(self, url: str, user: str, password: str, ca: Path | None, timeout: float, called: str = "") -> None:
        self._door = Door(url, ca=ca, timeout=timeout, called=called)
        self._user, self._password = user, password

    def __repr__(self) -> str:
        return f"Minio({self._door.address!r})"

    def ready(self) -> None:
        """Ready for S3 *and* able to use the KMS: `ready` asks it for a data key, `cluster` for the drives."""
        for path in ("ready", "cluster"):
            answer = self._health(path)
            if state := answer.headers.get("X-Minio-Server-Status"):
                raise ServiceError("MinIO is not ready", because=state, status=answer.status)

    def _health(self, path: str) -> Answer:
        answer = self._door.ask("GET", f"/minio/health/{path}")
        if answer.status != HTTPStatus.OK:
            raise ServiceError(f"MinIO is not ready ({path})", because=_words(answer), status=answer.status)
        return answer

    def key_status(self, key: str) -> KeyStatus:
        """MinIO's own generate and decrypt with a key: an HTTP 200 tells nothing, the body does."""
        body = self._signed("GET", f"/minio/kms/v1/key/status?key-id={quote(key, safe='')}").json()
        return KeyStatus(body.get("key-id", key), body.get("encryption-error", ""), body.get("decryption-error", ""))

    def kms_status(self) -> dict[str, Any]:
        return dict(self._signed("GET", "/minio/kms/v1/status").json())

    def kms_metrics(self) -> dict[str, Any]:
        """MinIO's own counters of its requests to the KMS: kms_req_success, _error, _failure; kms_resp_time by ns."""
        return dict(self._signed("GET", "/minio/kms/v1/metrics").json())

    def _signed(self, method: str, path: str) -> Answer:
        return self.signed(method, path, "MinIO does not answer for its KMS")

    def signed(self, method: str, path: str, what: str, *, body: bytes = b"") -> Answer:
        """MinIO's own API, beside S3. ServiceError `what` for every answer but 2xx."""
        from minio.credentials.credentials import Credentials
        from minio.signer import sign_v4_s3

        now, digest = datetime.now(UTC), hashlib.sha256(body).hexdigest()
        url = urlsplit(self._door.address + path)
        plain = {"Host": url.netloc, "x-amz-content-sha256": digest, "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ")}
        signed = sign_v4_s3(
            method=method,
            url=url,
            region=REGION,
            headers=dict(plain),
            credentials=Credentials(self._user, self._password),
            content_sha256=digest,
            date=now,
        )
        headers = {name: str(value) for name, value in signed.items()}
        answer = self._door.ask(method, path, body=body or None, headers=headers)
        if answer.status not in SUCCESS:
            raise ServiceError(what, because=_words(answer), status=answer.status)
        return answer

    @cached_property
    def s3(self) -> S3Client:
        """The `minio` package's client, over the same door."""
        from minio import Minio as S3Client

        url = urlsplit(self._door.address)
        return S3Client(
            endpoint=url.netloc,
            access_key=self._user,
            secret_key=self._password,
            secure=url.scheme == "https",
            region=REGION,
            http_client=self._door.pool,
        )

    def buckets(self) -> list[str]:
        with _translated("MinIO does not list its buckets"):
            return [bucket.name for bucket in self.s3.list_buckets()]

    def ensure_bucket(self, bucket: str) -> None:
        with _translated(f"MinIO does not create the bucket {bucket!r}"):
            if not self.s3.bucket_exists(bucket_name=bucket):
                self.s3.make_bucket(bucket_name=bucket)

    def has_versions(self, bucket: str) -> bool:
        """Whether the bucket keeps, or once kept, several versions of an object."""
        with _translated(f"MinIO does not tell the versioning of {bucket!r}"):
            return self.s3.get_bucket_versioning(bucket_name=bucket).status in ("Enabled", "Suspended")

    def bucket_encryption(self, bucket: str) -> tuple[str, str | None] | None:
        """(`sse-kms` or `sse-s3`, key) of the bucket's rule, or None. ServiceError 404 when there is no such bucket."""
        from minio.error import S3Error

        with _translated(f"MinIO does not tell the encryption of {bucket!r}"):
            try:
                config = self.s3.get_bucket_encryption(bucket_name=bucket)
            except S3Error as error:
                if error.code == "ServerSideEncryptionConfigurationNotFoundError":
                    return None
                raise
        if config is None:
            return None
        if config.rule.sse_algorithm != "aws:kms":
            return "sse-s3", None
        return "sse-kms", (config.rule.kms_master_key_id or "").removeprefix(ARN)

    def set_bucket_encryption(self, bucket: str, mode: str, key: str | None) -> None:
        from minio.sseconfig import Rule, SSEConfig

        rule = Rule.new_sse_kms_rule(key) if mode == "sse-kms" else Rule.new_sse_s3_rule()
        with _translated(f"MinIO does not encrypt the bucket {bucket!r}"):
            self.s3.set_bucket_encryption(bucket_name=bucket, config=SSEConfig(rule))

    def clear_bucket_encryption(self, bucket: str) -> None:
        """Take its rule away: auto-encryption, where it is on, then decides. Objects stay as they are."""
        with _translated(f"MinIO does not clear the encryption rule of {bucket!r}"):
            self.s3.delete_bucket_encryption(bucket_name=bucket)

    def versions(self, bucket: str, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Name and id of every version of every object that is no deletion; the id is empty without versioning."""
        try:
            yield from self._listed(bucket, prefix, versions=True)
        except ServiceError as error:
            # The stand-in keeps no versions.
            if error.status != HTTPStatus.NOT_IMPLEMENTED:
                raise
            yield from self._listed(bucket, prefix, versions=False)

    def _listed(self, bucket: str, prefix: str, *, versions: bool) -> Iterator[tuple[str, str]]:
        with _translated(f"MinIO does not list the objects of {bucket!r}"):
            for found in self.s3.list_objects(
                bucket_name=bucket, prefix=prefix, recursive=True, include_version=versions
            ):
                if not found.is_delete_marker:
                    version = found.version_id or ""
                    yield str(found.object_name), "" if version == NO_VERSION else version

    def put(self, bucket: str, name: str, data: bytes) -> None:
        with _translated(f"MinIO does not store {bucket}/{name}"):
            self.s3.put_object(bucket_name=bucket, object_name=name, data=io.BytesIO(data), length=len(data))

    def get(self, bucket: str, name: str) -> bytes:
        with _translated(f"MinIO does not give back {bucket}/{name}"):
            answer = self.s3.get_object(bucket_name=bucket, object_name=name)
            try:
                return bytes(answer.read())
            finally:
                answer.close()
                answer.release_conn()

    def head(self, bucket: str, name: str, version: str = "") -> Head:
        with _translated(f"MinIO does not describe {bucket}/{name}"):
            found = self.s3.stat_object(bucket_name=bucket, object_name=name, version_id=version or None)
        headers = {k.lower(): v for k, v in (found.metadata or {}).items()}
        key = headers.get("x-amz-server-side-encryption-aws-kms-key-id", "").removeprefix(ARN)
        return Head(headers.get("x-amz-server-side-encryption", ""), key, found.size or 0)

    def remove(self, bucket: str, name: str) -> None:
        with _translated(f"MinIO does not remove {bucket}/{name}"):
            self.s3.remove_object(bucket_name=bucket, object_name=name)


def _words(answer: Answer) -> str:
    """MinIO's code and message out of its XML (or JSON); else what there is."""
    text = answer.body.decode(errors="replace")
    if "<Code>" in text:
        code, words = (text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0] for tag in ("Code", "Message"))
        return f"{code}: {words}"
    return message(answer)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    import urllib3
    from minio.error import InvalidResponseError, S3Error, ServerError

    try:
        yield
    except S3Error as error:
        status = error.response.status if error.response is not None else 0
        raise ServiceError(what, because=f"{error.code}: {error.message}", status=status) from error
    except (InvalidResponseError, ServerError, ValueError) as error:
        raise ServiceError(what, because=str(error)) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ServiceError(what, because=cause(error)) from error
