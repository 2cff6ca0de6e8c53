"""bucket rewrap: the objects of a bucket under another key, by MinIO's key-rotation batch job, around its defects.

No filter of its is used. The rule comes first, so that no object is written with the old key meanwhile. What the job
says of itself counts for nothing (one that was stopped calls itself complete): the objects are looked at afterwards,
and it is begun again while some are left. A job is dropped, for one that failed would begin again after a
restart of MinIO, and bring its key back; but in a bucket with versions never while it runs (`_job`).
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from kesdeploy import alone, drives, keys, loss, opening, services, topology
from kesdeploy.buckets import checking, rules, setting
from kesdeploy.clients.batch import Jobs
from kesdeploy.ensure import NOT_FOUND
from kesdeploy.errors import ImageError, Interrupted, Problem, ServiceError, UsageError
from kesdeploy.keyring import names
from kesdeploy.keyring.door import plainly
from kesdeploy.result import Result
from kesdeploy.xlmeta import CUSTOMER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kesdeploy.deployment import Deployment
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter

ROUNDS = 3
INTERVAL = 0.5  # seconds between two looks at a job; MinIO writes its report every ten
# Seconds until a job has to show that it began.
BEGINS = 30.0
# What the job does to objects that it does not give the key.
_LEFT = {
    rules.S3: "under SSE-S3: that knows only the default key, which the job seals them with again",
    CUSTOMER: "encrypted with a key that only a client has",
    "": "not encrypted: the job passes them over",
}


def rewrap(
    wish: Wish, report: Reporter, bucket: str, *, key: str = "", prefix: str = "", create_key: bool = False
) -> Result:
    """Seal every SSE-KMS object of a bucket with `key`, by default that of its rule, which otherwise becomes the rule.

    create_key: make a `key` that is not there; UsageError otherwise, for it may be a typing error.
    Exit code 7 when some still have another key. ImageError in the sandbox, whose MinIO has no such jobs.
    """
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment, plainly(wish, deployment.spec, home):
        made = _missing(deployment, key, f"{bucket} {key}", create=create_key)
        rule = _ruled(deployment, wish, bucket, key)
    # Without the lock: this may take hours, and harms nobody.
    with opening.opened(wish, home, report, lock=False) as deployment, plainly(wish, deployment.spec, home):
        look = checking.Look(deployment.spec, home, services.minio(deployment.spec, home))
        before = _count(deployment, look, rule, prefix)
        after = _rotated(deployment, look, rule, prefix, before)
    result = _result(home.name, rule, before, after, report)
    return replace(result, data={**result.data, "key_created": made})


def _ruled(deployment: Deployment, wish: Wish, bucket: str, key: str) -> rules.Rule:
    """The bucket's rule, which names the key from now on."""
    if deployment.state.value.sandbox:
        raise ImageError(
            "the sandbox's MinIO has no batch jobs",
            because="it is kesdeploy's own stand-in",
            hint="try it with the real images: kesdeploy up -n OTHER --images release",
        )
    rule = rules.of(deployment.spec, services.minio(deployment.spec, deployment.home), bucket)
    if not key and rule.mode == rules.S3:
        hint = f"kesdeploy bucket rewrap {bucket} KEY -n {deployment.name}"
        raise UsageError(f"which key? The rule of {bucket!r} is SSE-S3, which has none of its own", hint=hint)
    wanted = key or rule.key
    if not wanted:
        raise UsageError(f"which key? {bucket!r} has no rule", hint=f"kesdeploy bucket rewrap {bucket} KEY")
    _refuse_lost(deployment, rule)
    if rule.mode == rules.KMS and rule.key == wanted:
        return rule
    named = "" if wanted == deployment.spec.key_name else wanted
    return setting.set_rule(deployment, wish, setting.bucket_of(deployment.spec, bucket, named, rules.KMS))


def _missing(deployment: Deployment, key: str, words: str, *, create: bool) -> bool:
    """Whether the key that was named has to be made. `words`: of the command."""
    if not key or deployment.state.value.sandbox:
        return False
    try:
        keys.find(services.kes(deployment.spec, deployment.home), names.new(deployment.spec, key))
    except ServiceError as error:
        if error.status != NOT_FOUND:
            raise
        keys.refuse_to_replace(deployment, key)
        if not create:
            again = f"kesdeploy bucket rewrap {words} --create-key -n {deployment.name}"
            hint = f"kesdeploy key list -n {deployment.name} shows those that are there; to make it: {again}"
            raise UsageError(f"there is no key {key!r}", because=error.because, hint=hint) from error
        return True
    return False


def _refuse_lost(deployment: Deployment, rule: rules.Rule) -> None:
    """Raises DataProtected for a key that objects of the bucket need, and that KES has no more: no job opens them."""
    kes = services.kes(deployment.spec, deployment.home)
    for key in dict.fromkeys((*deployment.home.guarded_keys(), *filter(None, [rule.key]))):
        try:
            keys.find(kes, key)
        except ServiceError as error:
            used = drives.usage(deployment.spec, deployment.home, key) if error.status == NOT_FOUND else None
            if used and rule.bucket in used.buckets:
                raise loss.of(deployment, key, error) from error


def _count(deployment: Deployment, look: checking.Look, rule: rules.Rule, prefix: str) -> checking.Tally:
    with deployment.report.step(f"count the objects of {rule.bucket}"):
        return checking.tally(look.at(rule.bucket, prefix), (rule.key,))


def _rotated(
    deployment: Deployment, look: checking.Look, rule: rules.Rule, prefix: str, found: checking.Tally
) -> checking.Tally:
    for _ in range(ROUNDS):
        if not _others(found, rule.key):
            break
        with deployment.report.step(f"seal {checking.counted(_others(found, rule.key))} with {rule.key}"):
            _run(deployment, look, rule, prefix, _others(found, rule.key))
        found = _count(deployment, look, rule, prefix)
    return found


def _others(found: checking.Tally, key: str) -> int:
    """Objects that the job can give the key, and that have another one."""
    return sum(count for (sse, has), count in found.keys.items() if sse == rules.KMS and has != key)


def _run(deployment: Deployment, look: checking.Look, rule: rules.Rule, prefix: str, total: int) -> None:
    jobs = Jobs(look.minio)
    versioned = look.minio.has_versions(rule.bucket)
    if versioned:
        _refuse_several_workers(deployment, rule)
    with _job(jobs, rule, prefix, versioned=versioned) as job:
        ended = _watched(deployment, jobs, job, total)
    if not ended:
        raise _dead(deployment, rule)


def _watched(deployment: Deployment, jobs: Jobs, job: str, total: int) -> bool:
    """Until it has ended; False for one that does not begin."""
    began, told = time.monotonic(), 0
    while not ((report := jobs.report(job)) and report.ended):
        if report is None and time.monotonic() - began > BEGINS:
            return False
        if report and report.objects > told:
            told = report.objects
            deployment.report.note(f"{told} of about {total} objects")
        time.sleep(INTERVAL)
    return True


def _refuse_several_workers(deployment: Deployment, rule: rules.Rule) -> None:
    """A MinIO that an earlier release started has several: they would turn versions around."""
    if {topology.MINIO, topology.MINIO_ENV} & alone.before(deployment).waiting:
        raise UsageError(
            "other changes have to be made first",
            because=f"{rule.bucket!r} has versions, and MinIO does not run with the environment that keeps their order",
            hint=f"kesdeploy up -n {deployment.name}",
        )


@contextmanager
def _job(jobs: Jobs, rule: rules.Rule, prefix: str, *, versioned: bool) -> Iterator[str]:
    """One that gives versions another key is never stopped: each gets the time of its change, the oldest first.

    Amid an object, the older one would stay its latest.
    """
    job, ended = jobs.rotate(rule.bucket, rule.key, prefix), False
    try:
        yield job
        ended = True
    except KeyboardInterrupt:
        goes_on = "MinIO ends it by itself, and the same command tells what is left" if versioned else ""
        hint = goes_on or "the same command goes on: each object has the old key or the new one, and both are there"
        raise Interrupted("interrupted", hint=hint) from None
    finally:
        if ended or not versioned:
            with suppress(ServiceError):  # or it would hide why this ends
                jobs.drop(job)


def _dead(deployment: Deployment, rule: rules.Rule) -> ServiceError:
    """MinIO says `unknown` of such a job for ever; why, it says in its log."""
    words = services.last_words(deployment, topology.container_name(deployment.name, "minio-server"), lines=40)
    said = [line for line in words.splitlines() if line.startswith("Error:")]
    return ServiceError(
        f"MinIO's job for {rule.bucket!r} did not begin within {BEGINS:.0f} seconds",
        because=said[-1] if said else "it waits behind other jobs, or ended without a word",
        hint=f"kesdeploy logs -n {deployment.name} minio",
    )


def _result(name: str, rule: rules.Rule, before: checking.Tally, after: checking.Tally, report: Reporter) -> Result:
    left, new, passed = _others(after, rule.key), _others(before, rule.key), list(_passed_over(after, rule))
    for sse, _, count in passed:
        report.warn(f"not changed: {checking.counted(count)}, {_LEFT[sse]}")
    if passed:
        report.note(checking.anew(rule.bucket, (rule.key,)))
    what = f"{checking.counted(left)} of {rule.bucket} still under another key"
    problems = (Problem("bucket", what, f"kesdeploy logs -n {name} minio"),) if left else ()
    data = {
        "deployment": name,
        "bucket": rule.bucket,
        "key": rule.key,
        "objects": after.objects,
        "rewrapped": max(new - left, 0),
        "left": left,
        "passed_over": [{"sse": sse, "key": key, "objects": count, "why": _LEFT[sse]} for sse, key, count in passed],
        "before": [key for (sse, key), _ in before.keys.most_common() if sse == rules.KMS and key != rule.key],
    }
    return Result("bucket rewrap", data, ok=not left, problems=problems, exit_code=7 if left else 0)


def _passed_over(found: checking.Tally, rule: rules.Rule) -> Iterator[tuple[str, str, int]]:
    """How, with which key and how many the job leaves, that are not under the key anyway."""
    for (sse, key), count in found.keys.most_common():
        if sse in _LEFT and (sse, key) != (rules.S3, rule.key):
            yield sse, key, count
