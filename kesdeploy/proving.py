"""The proof as commands ask for it: what is waited for first, and what its failure makes of their result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kesdeploy import apply, containers, readiness, topology
from kesdeploy.errors import Problem, UsageError
from kesdeploy.plan import Plan, Seen, diff
from kesdeploy.resources import Container, Resource
from kesdeploy.verify import Check, NotEncrypted, proof, verify

if TYPE_CHECKING:
    from kesdeploy.deployment import Deployment
    from kesdeploy.result import Result


def wait_for_minio(deployment: Deployment, wanted: tuple[Resource, ...], plan: Plan) -> None:
    """A MinIO that went on while KES was made again needs a moment to find it; one that was just started, too."""
    pending = {change.address for change in plan.pending}
    if topology.MINIO in pending:
        return
    if topology.KES in pending:
        readiness.wait_ready(deployment, _minio(wanted))
    else:
        readiness.settle(deployment, _minio(wanted))


def _minio(wanted: tuple[Resource, ...]) -> Container:
    body = next(r.body for r in wanted if r.address == topology.MINIO)
    assert isinstance(body, Container)
    return body


def proved(deployment: Deployment, wanted: tuple[Resource, ...], plan: Plan) -> tuple[Check, ...]:
    """The proof. Where auto-encryption is silently off, MinIO is restarted once, and proved again."""

    def look() -> tuple[Check, ...]:
        return proof(deployment) if plan.empty else verify(deployment, wanted)

    with deployment.report.step("prove it: an object in, back, and ciphertext on disk"):
        checks = look()
        if any(c.code == NotEncrypted.code for c in checks):
            minio = next(r for r in wanted if r.address == topology.MINIO)
            deployment.report.note("MinIO started without auto-encryption; it is restarted once")
            again = diff(
                (minio,), {minio.address: Seen(minio.digest, running=True, stale=frozenset({topology.MINIO_ENV}))}
            )
            apply.apply(again, deployment)
            checks = look()
    return checks


def checked(result: Result, checks: tuple[Check, ...]) -> Result:
    failed = tuple(Problem("check", f"{c.name}: {c.evidence}", c.hint) for c in checks if not c.ok)
    return replace(result, ok=not failed, problems=failed, exit_code=7 if failed else 0)


def restart_kes(deployment: Deployment, wanted: tuple[Resource, ...]) -> None:
    kes = next((r.body for r in wanted if r.address == topology.KES), None)
    if kes is None:
        hint = f"kesdeploy verify -n {deployment.name}"
        raise UsageError("KES is not restarted", because="it is not ours: others run it", hint=hint)
    assert isinstance(kes, Container)
    with deployment.report.step("restart KES"):
        containers.restart(deployment, kes)
        # What does not find KES again is told by the checks.
        readiness.settle(deployment, _minio(wanted))
