"""The end of a rotation: once everybody uses the new credentials, the old ones are refused.

Until then both are good, so whoever is killed before leaves something that works; `up` comes by here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy import apply, choosing, containers, identities, observe, readiness, services, topology
from kesdeploy.clients.waiting import wait_until
from kesdeploy.errors import ServiceError
from kesdeploy.plan import Plan, Verb, diff
from kesdeploy.resources import Container
from kesdeploy.strangers import FORBIDDEN
from kesdeploy.topology import kes as kes_side
from kesdeploy.verify import Check

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.deployment import Deployment
    from kesdeploy.resources import Resource

# MinIO's words for KES's 403 and 404 (internal/kms/errors.go).
NOT_ALLOWED = "insufficient permissions to perform KMS operation"
NO_SUCH_KEY = "key with given key ID does not exist"


def unfinished(deployment: Deployment) -> str:
    """What a rotation left that was not finished; empty where there is nothing."""
    old = [f"the old identity {name}" for name in identities.retiring(deployment.home)]
    old += ["KES's old login to the keystore"] if deployment.keystore.renewed(deployment.work) else []
    return f"new credentials are in use, and the old ones still work: {', '.join(old)}" if old else ""


def finish(deployment: Deployment, wanted: tuple[Resource, ...], plan: Plan) -> tuple[Check, ...]:
    """Where a new credential was taken up, have the former one refused, and see that it is. `plan`: what was applied.

    Raises ServiceError while MinIO cannot be brought to use its new identity: both stay good then.
    """
    retiring = identities.retiring(deployment.home)
    if "minio" in retiring:
        _see_minio_change(deployment, wanted, restarted=plan.verb(topology.MINIO) not in (Verb.KEEP, Verb.RELOAD))
    if retiring:
        with deployment.report.step("KES trusts the new identity alone"):
            _trust_the_new_alone(deployment, retiring)
    checks = tuple(_refused(deployment, name, pair) for name, pair in identities.gone(deployment.home))
    if all(check.ok for check in checks):
        identities.forget(deployment.home)
    return (*checks, *_login_refused(deployment))


def _login_refused(deployment: Deployment) -> tuple[Check, ...]:
    if not deployment.keystore.renewed(deployment.work):
        return ()
    with deployment.report.step("the old login to the keystore is destroyed"):
        evidence = deployment.keystore.retire(deployment.work)
    return (Check("the keystore refuses KES's old login", ok=True, evidence=evidence),) if evidence else ()


def _see_minio_change(deployment: Deployment, wanted: tuple[Resource, ...], *, restarted: bool) -> None:
    """That MinIO asks KES as its new self: it never ends a connection, and on that, it stays who it was."""
    kes, minio = (_container(wanted, address) for address in (topology.KES, topology.MINIO))
    if kes_side.certificates(deployment.spec) and not restarted:
        with deployment.report.step("restart KES: MinIO connects anew, as its new identity"):
            containers.restart(deployment, kes)
            readiness.wait_ready(deployment, minio)
    wait_until(lambda: _asks_as_new(deployment), timeout=deployment.timeout)


def _asks_as_new(deployment: Deployment) -> None:
    """Of a key that is nowhere, KES says so to the new identity alone: its policy `minio-former` may not even ask."""
    minio, spec = services.minio(deployment.spec, deployment.home), deployment.spec
    said = minio.key_status(kes_side.nobodys_key(spec)).encryption_error
    if NOT_ALLOWED in said:
        raise ServiceError(
            "MinIO still asks KES as its old identity",
            because="KES trusts both, so nothing is lost",
            hint=f"kesdeploy stop -n {deployment.name} && kesdeploy start -n {deployment.name}",
        )
    # A keystore may refuse to say what it has not: then it is enough that MinIO reached KES.
    if NO_SUCH_KEY not in said and not minio.key_status(spec.key_name).ok:
        raise ServiceError("MinIO does not reach KES", because=said)


def _trust_the_new_alone(deployment: Deployment, retiring: tuple[str, ...]) -> None:
    for name in retiring:
        identities.retire(deployment.home, name)
    wanted = choosing.desired(deployment, choosing.recorded(deployment))
    plan = diff(wanted, observe.observe(deployment, wanted))
    kes = (topology.KES_CONFIG, topology.KES)
    apply.apply(Plan(tuple(change for change in plan.changes if change.address in kes)), deployment)


def _refused(deployment: Deployment, name: str, pair: tuple[Path, Path]) -> Check:
    """Whether KES sends the old one away."""
    what, spec = f"KES refuses the old identity {name}", deployment.spec
    try:
        services.kes_as(spec, deployment.home, pair).generate(spec.key_name)
    except ServiceError as error:
        refused = error.status == FORBIDDEN
        return Check(what, refused, error.because, "" if refused else f"kesdeploy up -n {deployment.name}")
    return Check(what, ok=False, evidence="it is let in", hint=f"kesdeploy up -n {deployment.name}")


def _container(wanted: tuple[Resource, ...], address: str) -> Container:
    body = next(resource.body for resource in wanted if resource.address == address)
    assert isinstance(body, Container)
    return body
