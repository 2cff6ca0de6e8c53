"""bucket create, bucket encrypt set and clear: what the spec says of buckets changes, and MinIO with it.

Nothing else that waits is applied along with it. The spec is written last: what is refused leaves it as it was.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from kesdeploy import alone, apply, deploy, opening, protection, services
from kesdeploy.buckets import rules
from kesdeploy.errors import KesdeployError, UsageError
from kesdeploy.keyring import names
from kesdeploy.keyring.door import plainly
from kesdeploy.keys import refuse_to_replace
from kesdeploy.resources import Key
from kesdeploy.result import Result
from kesdeploy.spec import Bucket

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kesdeploy.deployment import Deployment
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter
    from kesdeploy.spec import Spec


def create(wish: Wish, report: Reporter, bucket: str, *, key: str = "", mode: str = rules.KMS) -> Result:
    """A bucket with a rule of its own. One that is there stays; UsageError when its rule is another one."""
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment, plainly(wish, deployment.spec, home):
        wanted = bucket_of(deployment.spec, bucket, key, mode)
        protection.refuse_gone_key(deployment, wanted.key or deployment.spec.key_name)
        new = bucket not in services.minio(deployment.spec, home).buckets()
        if not new:
            _refuse_another(deployment.spec, _rule(deployment, bucket), wanted)
        after = settle(deployment, wish, put(deployment.spec, wanted))
        rule = _rule(after, bucket)
    data = {"deployment": home.name, "bucket": bucket, "created": new, "mode": rule.mode, "key": rule.key}
    return Result("bucket create", data)


def encrypt(wish: Wish, report: Reporter, bucket: str, *, key: str = "", mode: str = rules.KMS) -> Result:
    """The rule for new objects of a bucket that is there; objects in it stay as they are."""
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment, plainly(wish, deployment.spec, home):
        before = _rule(deployment, bucket)
        rule = set_rule(deployment, wish, bucket_of(deployment.spec, bucket, key, mode))
    data = {"deployment": home.name, "bucket": bucket, "mode": rule.mode, "key": rule.key}
    return Result("bucket encrypt set", {**data, "before": {"mode": before.mode, "key": before.key}})


def clear(wish: Wish, report: Reporter, bucket: str) -> Result:
    """No rule for this bucket any more, in the spec neither."""
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment, plainly(wish, deployment.spec, home):
        before = _rule(deployment, bucket)
        after = settle(deployment, wish, (b for b in deployment.spec.minio.buckets if b.name != bucket))
        if before.own:
            services.minio(after.spec, home).clear_bucket_encryption(bucket)
        rule = _rule(after, bucket)
    data = {"deployment": home.name, "bucket": bucket, "mode": rule.mode, "key": rule.key}
    return Result("bucket encrypt clear", {**data, "before": {"mode": before.mode, "key": before.key}})


def set_rule(deployment: Deployment, wish: Wish, wanted: Bucket) -> rules.Rule:
    """The bucket's rule, in the spec and in MinIO; its key is made where it is missing."""
    protection.refuse_gone_key(deployment, wanted.key or deployment.spec.key_name)
    after = settle(deployment, wish, put(deployment.spec, wanted))
    return _rule(after, wanted.name)


def put(spec: Spec, wanted: Bucket) -> list[Bucket]:
    """The buckets of the spec with this one in its place, or at the end."""
    found = [wanted if bucket.name == wanted.name else bucket for bucket in spec.minio.buckets]
    return found if wanted in found else [*found, wanted]


def bucket_of(spec: Spec, bucket: str, key: str, mode: str) -> Bucket:
    """Only what was said: the spec says no more than that. UsageError for a key that cannot be one here."""
    if key and mode == rules.S3:
        hint = "--key KEY alone is SSE-KMS"
        raise UsageError("SSE-S3 has no key of its own", because="MinIO takes the default key for it", hint=hint)
    said = {"name": rules.named(bucket)}
    if key:
        said["key"] = names.new(spec, key)
    if mode != rules.KMS:
        said["mode"] = mode
    return Bucket.model_validate(said)


def _rule(deployment: Deployment, bucket: str) -> rules.Rule:
    return rules.of(deployment.spec, services.minio(deployment.spec, deployment.home), bucket)


def _refuse_another(spec: Spec, rule: rules.Rule, wanted: Bucket) -> None:
    if rule.own and (rule.mode, rule.key) != (wanted.mode, wanted.key or spec.key_name):
        raise UsageError(
            f"there is a bucket {rule.bucket!r} already, with another rule",
            because=f"{rule.mode} with {rule.key}",
            hint=f"kesdeploy bucket encrypt set {rule.bucket} -n {spec.name}",
        )


def settle(deployment: Deployment, wish: Wish, buckets: Iterable[Bucket]) -> Deployment:
    """The deployment with these buckets: made so, and then written into its spec.

    UsageError while a change waits without which this one cannot be made.
    """
    listed = [bucket.model_dump(mode="json", exclude_unset=True) for bucket in buckets]
    spec = opening.load(replace(wish, overrides={"minio.buckets": listed}), deployment.home)
    after = replace(deployment, spec=spec)
    past = alone.before(deployment)
    plan = alone.plan(after, past)
    _refuse_keys(after, [c.resource.name for c in plan.pending if c.resource and isinstance(c.resource.body, Key)])
    try:
        apply.apply(plan, after)
    except KesdeployError:
        with suppress(KesdeployError):
            apply.apply(alone.plan(deployment, past), deployment)
        raise
    deploy.record(after)
    return after


def _refuse_keys(deployment: Deployment, missing: list[str]) -> None:
    """What there is against making these keys, before anything is changed."""
    for key in missing:
        refuse_to_replace(deployment, key)
    if missing:
        deployment.keystore.preflight(deployment.work)
