"""The encryption rules of buckets, as MinIO has them, beside what the spec says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kesdeploy import opening, services
from kesdeploy.ensure import NOT_FOUND
from kesdeploy.errors import ServiceError, UsageError
from kesdeploy.home import PROOF_BUCKET
from kesdeploy.keyring.door import plainly
from kesdeploy.result import Result
from kesdeploy.spec import bucket_name

if TYPE_CHECKING:
    from kesdeploy.clients.minio import Minio
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter
    from kesdeploy.spec import Bucket, Spec

KMS, S3, AUTO = "sse-kms", "sse-s3", "auto"


@dataclass(frozen=True)
class Rule:
    """How new objects of a bucket are encrypted that say nothing themselves.

    mode: sse-kms or sse-s3 by the bucket's rule; auto: it has none, and auto-encryption is on; empty: not at all.
    key: what they are encrypted with.
    """

    bucket: str
    mode: str
    key: str

    @property
    def own(self) -> bool:
        """Whether the bucket has a rule."""
        return self.mode in (KMS, S3)


def listed(wish: Wish, report: Reporter) -> Result:  # noqa: ARG001
    """Every bucket with its rule, and what the spec says otherwise."""
    home = opening.existing(wish)
    spec = opening.load(wish, home)
    with plainly(wish, spec, home):
        rules = every(spec, services.minio(spec, home))
    return Result("bucket list", {"deployment": home.name, "buckets": [_row(spec, rule) for rule in rules]})


def shown(wish: Wish, report: Reporter, bucket: str) -> Result:  # noqa: ARG001
    """One bucket's rule, and whether MinIO can use its key."""
    home = opening.existing(wish)
    spec = opening.load(wish, home)
    with plainly(wish, spec, home):
        minio = services.minio(spec, home)
        rule = of(spec, minio, bucket)
        status = minio.key_status(rule.key) if rule.key else None
    trouble = (status.encryption_error or status.decryption_error) if status else ""
    return Result("bucket encrypt show", {"deployment": home.name, **_row(spec, rule), "key_error": trouble})


def _row(spec: Spec, rule: Rule) -> dict[str, Any]:
    return {**asdict(rule), "spec": against(spec, rule), "ours": rule.bucket == PROOF_BUCKET}


def every(spec: Spec, minio: Minio) -> tuple[Rule, ...]:
    return tuple(_rule(spec, minio, bucket) for bucket in minio.buckets())


def of(spec: Spec, minio: Minio, bucket: str) -> Rule:
    """UsageError when there is no such bucket."""
    named(bucket)
    try:
        return _rule(spec, minio, bucket)
    except ServiceError as error:
        if error.status != NOT_FOUND:
            raise
        hint = f"kesdeploy bucket list -n {spec.name}"
        raise UsageError(f"there is no bucket {bucket!r}", because=error.because, hint=hint) from error


def _rule(spec: Spec, minio: Minio, bucket: str) -> Rule:
    found = minio.bucket_encryption(bucket)
    if found is None:
        auto = spec.minio.auto_encryption
        return Rule(bucket, AUTO if auto else "", spec.key_name if auto else "")
    mode, key = found
    return Rule(bucket, mode, key or spec.key_name)


def wanted(spec: Spec, bucket: str) -> Bucket | None:
    """What the spec says of a bucket."""
    return next((b for b in spec.minio.buckets if b.name == bucket), None)


def against(spec: Spec, rule: Rule) -> str:
    """How the spec differs, in words; empty where it does not."""
    said = wanted(spec, rule.bucket)
    if said is None:
        return "not in the spec" if rule.own and rule.bucket != PROOF_BUCKET else ""
    mode, key = said.mode, said.key or spec.key_name
    return "" if (mode, key) == (rule.mode, rule.key) else f"the spec says {mode} with {key}"


def named(bucket: str) -> str:
    """A bucket that a user may handle. UsageError for what cannot be one, and for the proof's."""
    try:
        bucket_name(bucket)
    except ValueError as error:
        because = str(error)
    else:
        if bucket != PROOF_BUCKET:
            return bucket
        because = "kesdeploy keeps it for the proof"
    raise UsageError(f"{bucket[:80]!r} is not a bucket of yours", because=because, hint="choose another name")
