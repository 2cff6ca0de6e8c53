"""What there is and how it is: status, list. Reads only, and never locks."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kesdeploy import (
    brought,
    choosing,
    drives,
    explain,
    fingerprints,
    handover,
    observe,
    opening,
    parts,
    protection,
    services,
    topology,
    traffic,
    validity,
)
from kesdeploy.deploy import endpoints
from kesdeploy.errors import CertificateError, DataProtected, KesdeployError, Problem, ServiceError
from kesdeploy.home import Home
from kesdeploy.opening import Wish
from kesdeploy.plan import diff
from kesdeploy.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kesdeploy.deployment import Deployment
    from kesdeploy.report import Reporter
    from kesdeploy.resources import Resource

# KES's answers about its keystore alone; every other trouble with KES is told with its container, or MinIO's view.
KEYSTORE_LOST = (502, 504)
_AT_ONCE = 4


def status(wish: Wish, report: Reporter) -> Result:
    """Everything about one deployment; exit code 7 unless all of it is healthy."""
    home = opening.existing(wish)
    with opening.opened(wish, home, report, lock=False) as deployment:
        problems: list[Problem] = []
        rests = services.resting(deployment)
        rows = parts.rows(deployment, expected(deployment), problems)
        # Who is paused lets everybody wait.
        silent = rests or any(row["state"] == "paused" for row in rows)
        wanted = choosing.desired(deployment, choosing.foreseen(deployment))
        data = {
            "deployment": home.name,
            "state": "",
            "engine": _engine(deployment),
            "sandbox": bool(protection.sandbox(deployment)),
            "containers": rows,
            **(_unasked(deployment) if silent else _services(deployment, problems)),
            "auto_encryption": deployment.spec.minio.auto_encryption,
            "certificates": _certificates(deployment, problems),
            "endpoints": endpoints(deployment),
            "drift": [] if silent else _drift(deployment, wanted, problems),
        }
        if rests:
            # All else follows from it, but for certificates.
            problems = [rests, *(p for p in problems if p.code in ("warning", CertificateError.code))]
        if left := handover.unfinished(deployment):
            problems.append(Problem("warning", left, f"kesdeploy up -n {home.name}"))
        failed = any(problem.code != "warning" for problem in problems)
        data["state"] = rests.code if rests else "unhealthy" if failed else "healthy"
        return Result("status", data, ok=not failed, problems=tuple(problems), exit_code=7 if failed else 0)


def _services(deployment: Deployment, problems: list[Problem]) -> dict[str, Any]:
    """What KES and MinIO say of themselves. The clock is on this side: what a user waits for."""
    counted = _traffic(deployment)
    gone = protection.gone(deployment)
    problems.extend(_damaged(deployment))
    problems.extend(_full(deployment))
    keystore = _keystore(deployment, gone, problems)
    # What MinIO says of it follows from that.
    kms, took = _kms(deployment, [] if gone else problems)
    latency = {"keystore_ms": _latency(deployment), "kms_ms": took}
    return {"keystore": keystore, "kms": kms, "latency": latency, "traffic": counted}


def _damaged(deployment: Deployment) -> Iterator[Problem]:
    """Fingerprints that tell nothing any more: the next start of MinIO would be refused."""
    for key in deployment.home.guarded_keys():
        try:
            fingerprints.sealed(deployment.home, key)
        except DataProtected as error:
            yield Problem(error.code, error.what, error.hint)


def _full(deployment: Deployment) -> Iterator[Problem]:
    for drive in drives.full(deployment.spec, deployment.home):
        yield Problem("disk", f"the disk of {drive} is full: MinIO takes no more objects", f"df -h {drive}; free some")


def _unasked(deployment: Deployment) -> dict[str, Any]:
    """The same of what does not run."""
    return {
        "keystore": {"kind": deployment.spec.kms, "state": "not asked"},
        "kms": "not asked",
        "latency": {"keystore_ms": None, "kms_ms": None},
        "traffic": {"kes": None, "minio": None},
    }


def _latency(deployment: Deployment) -> int | None:
    """How long KES's own question to its keystore took, in milliseconds; None where it does not tell us."""
    try:
        found = services.kes(deployment.spec, deployment.home, timeout=5).status().get("keystore_latency")
    except KesdeployError:
        return None
    return int(found) if isinstance(found, int | float) else None


def _traffic(deployment: Deployment) -> dict[str, Any]:
    spec, home = deployment.spec, deployment.home
    kes = None if services.elsewhere(spec) else traffic.of_kes(services.kes(spec, home, timeout=5))
    return {"kes": traffic.told(kes), "minio": traffic.told(traffic.of_minio(services.minio(spec, home, timeout=5)))}


def _drift(deployment: Deployment, wanted: tuple[Resource, ...], problems: list[Problem]) -> list[str]:
    """What is not as the spec wants it: an edited spec or file, also where everything runs and seems well."""
    pending = diff(wanted, observe.observe(deployment, wanted)).pending
    # A certificate that ends soon waits to be renewed, and was told.
    up = f"kesdeploy up -n {deployment.name}"
    if pending and not any(problem.code != "warning" or problem.hint == up for problem in problems):
        what = ", ".join(change.address for change in pending)
        problems.append(Problem("drift", f"not as the spec wants it: {what}", f"kesdeploy plan -n {deployment.name}"))
    return [change.address for change in pending]


def _engine(deployment: Deployment) -> dict[str, Any]:
    info = deployment.engine.info()
    reason = deployment.state.value.engine_reason or info.reason
    return {"name": info.name, "version": info.version, "reason": reason, "rootless": info.rootless}


def expected(deployment: Deployment) -> list[str]:
    found = ["minio-server"] if services.elsewhere(deployment.spec) else ["kes-server", "minio-server"]
    if deployment.keystore.components(deployment.spec):
        found.insert(0, deployment.spec.kms)
    return [topology.container_name(deployment.name, part) for part in found]


def _keystore(deployment: Deployment, gone: DataProtected | None, problems: list[Problem]) -> dict[str, str]:
    """`gone`: what of it is there no more, whatever KES still answers out of its cache."""
    state = deployment.keystore.state(deployment.work)
    if gone:
        state = "LOST"
        problems.append(Problem("keystore", gone.what, gone.hint))
    elif state != "ok":
        problems.append(Problem("keystore", f"the keystore is {state}", f"kesdeploy up -n {deployment.name}"))
    elif lost := _lost(deployment):
        state = "LOST"
        again = f"kesdeploy stop -n {deployment.name} && kesdeploy start -n {deployment.name}"
        problems.append(Problem("keystore", f"the keystore answers, but not to KES: {lost}", again))
    return {"kind": deployment.spec.kms, "state": state}


def _lost(deployment: Deployment) -> str:
    """What KES says when it does not reach its keystore. As long as its cache lasts, everything else looks well."""
    if services.elsewhere(deployment.spec):
        return ""
    try:
        services.kes(deployment.spec, deployment.home, timeout=5).ready()
    except KesdeployError as error:
        return error.because if isinstance(error, ServiceError) and error.status in KEYSTORE_LOST else ""
    return ""


def _kms(deployment: Deployment, problems: list[Problem]) -> tuple[str, float | None]:
    """MinIO's own round trip with its key, the only answer that counts, and its time in milliseconds."""
    try:
        minio = services.minio(deployment.spec, deployment.home, timeout=5)
        minio.ready()
        began = time.monotonic()
        key = minio.key_status(deployment.spec.key_name)
        took = round((time.monotonic() - began) * 1000, 1)
    except KesdeployError as error:
        what = error.because or error.what
        _, hint = explain.clearer(what, f"kesdeploy logs -n {deployment.name}", deployment.name)
        problems.append(Problem("kms", f"{error.what}: {what}", hint))
        return f"UNREACHABLE ({what})", None
    if key.ok:
        return f"ok: {key.key} encrypts and decrypts", took
    refused = key.encryption_error or key.decryption_error
    _, hint = explain.clearer(refused, f"kesdeploy verify -n {deployment.name}", deployment.name)
    problems.append(Problem("kms", refused, hint))
    return "DENIED", None


def _certificates(deployment: Deployment, problems: list[Problem]) -> list[dict[str, Any]]:
    """The table of those that are needed. One that nobody can read is a problem, and no row."""
    ending = validity.problems(deployment.spec, deployment.home, deployment.now)
    if any(problem.code == CertificateError.code for problem in ending):
        # What follows from it is not told again.
        problems[:] = [p for p in problems if p.code != "kms" and "UNREACHABLE" not in p.message]
    else:
        problems += _unfit(deployment)
    problems[:0] = ending
    rows = []
    for each in validity.watched(deployment.spec, deployment.home):
        with suppress(CertificateError):
            info = each.info()
            until, days = f"{info.not_after:%Y-%m-%d}", info.days_left(deployment.now)
            rows.append(
                {"name": each.name, "days_left": days, "not_after": until, "serial": info.serial, "yours": each.yours}
            )
    return rows


def _unfit(deployment: Deployment) -> tuple[Problem, ...]:
    """A certificate of the user's that the next `up` would refuse, as half of a renewed pair."""
    try:
        brought.refuse_unfit(deployment)
    except CertificateError as error:
        return error.problems
    return ()


def all_deployments() -> Result:
    """Side by side: each waits for its own answer of the engine."""
    homes = Home.all()
    with ThreadPoolExecutor(min(len(homes), _AT_ONCE) or 1) as threads:
        return Result("list", {"deployments": list(threads.map(_entry, homes))})


def _entry(home: Home) -> dict[str, Any]:
    from kesdeploy.report import Silent

    if not (home.spec.exists() or home.state.exists()):
        waits = "prepared, not up yet"
        return {"name": home.name, "state": waits, "keystore": "", "engine": "", "s3": "", "folder": str(home.root)}
    entry = {"name": home.name, "state": "unknown", "keystore": "", "engine": "", "s3": "", "folder": str(home.root)}
    try:
        with opening.opened(Wish("list", home.name), home, Silent(), lock=False) as deployment:
            running = [c.running for c in deployment.engine.containers(deployment.labels)]
            state = "running" if running and all(running) else "stopped" if running else "down"
            state = "degraded" if any(running) and not all(running) else state
            state = "incomplete" if running and len(running) < len(expected(deployment)) else state
            s3 = topology.s3_url(deployment.spec)
            engine = deployment.state.value.engine
            return {**entry, "state": state, "keystore": deployment.spec.kms, "engine": engine, "s3": s3}
    except KesdeployError as error:
        return {**entry, "state": f"error: {error.what}"}
