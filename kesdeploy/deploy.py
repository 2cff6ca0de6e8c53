"""What the commands do: each picks a desired state, hands it to apply, and gives back what came of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from kesdeploy import (
    apply,
    brought,
    choosing,
    clash,
    containers,
    ensure,
    flaws,
    handover,
    observe,
    opening,
    protection,
    proving,
    services,
    topology,
    validity,
    yamledit,
)
from kesdeploy.cautions import cautions
from kesdeploy.deployment import ADDRESS, Deployment
from kesdeploy.errors import DataProtected, Unhealthy, UsageError
from kesdeploy.home import SPEC_FILE, Home
from kesdeploy.minio_rules import has_console
from kesdeploy.plan import Plan, Verb, diff
from kesdeploy.resources import File, Resource
from kesdeploy.result import Result
from kesdeploy.verify import Check, verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kesdeploy.engines import EngineInfo
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter

STOP_TIMEOUT = 10


def up(wish: Wish, report: Reporter) -> Result:
    """Create or repair the deployment until it equals its spec, then prove it. A second one changes nothing."""
    home = opening.to_create(wish)
    with opening.opened(wish, home, report) as deployment:
        _guard(deployment)
        for remark in brought.refuse_unfit(deployment):
            report.warn(remark)
        with _nothing_left(home):
            home.prepare()
            opening.keep_secrets(wish, home)
            wanted = choosing.desired(deployment, choosing.choose(deployment))
            plan = _plan(deployment, wanted)
            clash.refuse_taken_ports(deployment, plan, wish.typed)
            containers.refuse_limits(deployment, plan)
            _preflight(deployment, plan)
        before = home.read(SPEC_FILE)
        record(deployment, wish.config)
        if wish.config:
            report.note(f"the spec is kept in {home.spec}: from now on, that is the one to edit")
        if not deployment.spec.network.loopback:
            ports = topology.published(deployment.spec, deployment.keystore)
            reached = ", ".join(name.removesuffix("_port") for name in ports)
            report.warn(f"published on {deployment.spec.network.bind}: other machines can reach {reached}")
        _caution(deployment)
        with _kept_unless_refused(home, before):
            apply.apply(plan, deployment)
        proving.wait_for_minio(deployment, wanted, plan)
        brought.forget(deployment, wanted)
        for problem in validity.problems(deployment.spec, home, deployment.now):
            report.warn(f"{problem.message}: {problem.hint}")
        finished = handover.finish(deployment, wanted, plan)
        checks = (*finished, *proving.proved(deployment, wanted, plan))
        if wish.acknowledge:
            flaws.acknowledge(deployment)
        flaws.tell(deployment)
        return _up_result(deployment, plan, checks)


def plan(wish: Wish, report: Reporter) -> Result:
    """What `up` would change, and why; nothing is touched."""
    home = opening.to_create(wish)
    with opening.opened(wish, home, report, lock=False) as deployment:
        _guard(deployment)
        brought.refuse_unfit(deployment)
        choosing.refuse(deployment)
        wanted = choosing.desired(deployment, choosing.foreseen(deployment))
        _caution(deployment)
        if left := handover.unfinished(deployment):
            report.warn(f"{left}; kesdeploy up -n {home.name} ends that")
        return Result("plan", {"deployment": home.name, **_plan_data(_plan(deployment, wanted))})


def start(wish: Wish, report: Reporter) -> Result:
    """Containers that exist, in order: keystore, KES, then MinIO behind the gate. What is missing is made."""
    opening.existing(wish)
    return replace(up(wish, report), command="start")


def keep(wish: Wish, report: Reporter) -> Result:
    """Only keep what the flags say, for the next `up` or `start`."""
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment:
        record(deployment)
        return Result(wish.command, {"deployment": home.name})


def stop(wish: Wish, report: Reporter) -> Result:
    """Containers only: MinIO, then KES, then the keystore."""
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment:
        there = deployment.engine.containers(deployment.labels)
        running = [c for c in there if c.alive]
        running.sort(key=lambda c: _stop_order(c.labels.get(ADDRESS, "")))
        for container in running:
            with report.step(f"stop {container.name}"):
                deployment.engine.stop(container.name, timeout=STOP_TIMEOUT)
        return Result("stop", {"deployment": home.name, "stopped": [c.name for c in running]})


def _stop_order(address: str) -> int:
    return {topology.MINIO: 0, topology.KES: 1}.get(address, 2)


def down(wish: Wish, report: Reporter) -> Result:
    """Remove containers and pod; data, keys and certificates stay, and `up` brings all back."""
    from kesdeploy.teardown import remove

    return Result("down", remove(wish, report, data=False))


def destroy(wish: Wish, report: Reporter) -> Result:
    """Remove data and keys too: what was encrypted is unreadable for ever."""
    from kesdeploy.teardown import remove

    return Result("destroy", remove(wish, report, data=True))


def check(wish: Wish, report: Reporter, *, restart: bool = False) -> Result:
    """The proof, check by check. `restart` restarts KES before the object is read again."""
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment:
        if rests := services.resting(deployment):
            raise Unhealthy(rests.message, hint=rests.hint)
        wanted = choosing.desired(deployment, choosing.recorded(deployment))
        if restart:
            proving.restart_kes(deployment, wanted)
        checks = verify(deployment, wanted)
        return proving.checked(
            Result("verify", {"deployment": home.name, "checks": [asdict(c) for c in checks]}), checks
        )


def render(wish: Wish, report: Reporter, *, secrets: bool) -> Result:
    """The files that would be written, with REDACTED where secrets go unless they are asked for."""
    from kesdeploy import filled

    home = opening.to_create(wish)
    with opening.opened(wish, home, report, lock=False) as deployment:
        wanted = choosing.desired(deployment, choosing.foreseen(deployment))
        public = filled.certificates(deployment, wanted)
        try:
            files = {
                r.body.path: filled.text(deployment, r.body) if secrets else filled.outline(r.body, public)
                for r in wanted
                if isinstance(r.body, File)
            }
        except FileNotFoundError as error:
            raise UsageError("this deployment has no secrets yet", hint=f"kesdeploy up -n {home.name}") from error
        return Result("render", {"deployment": home.name, "files": files})


# --- the parts


@contextmanager
def _nothing_left(home: Home) -> Iterator[None]:
    """What fails before anything was started leaves no folder behind that was not there."""
    fresh = not home.ours
    try:
        yield
    except BaseException:
        if fresh:
            home.remove()
        raise


def _caution(deployment: Deployment) -> None:
    for text in (*cautions(deployment.spec), *topology.limits.idle(deployment.spec)):
        deployment.report.warn(text)


def _guard(deployment: Deployment) -> None:
    opening.refuse_foreign_folder(deployment.home)
    opening.refuse_foreign_names(deployment)
    protection.refuse(deployment)


def record(deployment: Deployment, source: Path | None = None) -> None:
    """The spec and what was chosen, written only where it differs. `source`: where its text is, if not here."""
    home = deployment.home
    there = home.read(SPEC_FILE)
    before = opening.text(source) if source else (there or b"").decode(errors="replace")
    text = yamledit.edited(before, deployment.spec.document()).encode()
    if there != text:
        home.write_spec(text)
    engine, kms, state = deployment.engine.info(), deployment.spec.kms, deployment.state.value
    chosen = replace(
        state,
        engine=engine.name,
        engine_id=engine.identity,
        engine_reason=state.engine_reason or _why(deployment, engine),
        runtime=engine.runtime,
        keystore=kms,
    )
    if chosen != state:
        deployment.state.update(lambda _: chosen)


def _why(deployment: Deployment, engine: EngineInfo) -> str:
    asked = deployment.spec.engine == engine.name
    return f"asked for; {engine.reason}" if asked else engine.reason


@contextmanager
def _kept_unless_refused(home: Home, before: bytes | None) -> Iterator[None]:
    """A spec that would lose data does not stay: the next command goes on with the one before."""
    try:
        yield
    except DataProtected:
        if before is not None:
            home.write_spec(before)
        raise


def _plan(deployment: Deployment, wanted: tuple[Resource, ...]) -> Plan:
    ensure.refuse_missing(deployment, wanted)
    plan = diff(wanted, observe.observe(deployment, wanted))
    _warn_of_a_new_ca(deployment, plan)
    return plan


def _warn_of_a_new_ca(deployment: Deployment, plan: Plan) -> None:
    """Everything inside follows by itself; who was given the old one outside does not."""
    home, change = deployment.home, plan.change(topology.CA)
    if change.verb is not Verb.KEEP and home.identity("minio")[0].exists():
        instead = "" if "expired" in change.reason else ", unless you put ca/ back from your copy"
        deployment.report.warn(
            f"a new CA replaces the old one ({change.reason}): clients that trust the old one "
            f"need the new {home.ca_cert}{instead}"
        )


def _preflight(deployment: Deployment, plan: Plan) -> None:
    if not plan.empty:
        deployment.keystore.preflight(deployment.work)


def _up_result(deployment: Deployment, plan: Plan, checks: tuple[Check, ...]) -> Result:
    spec, home = deployment.spec, deployment.home
    data = {
        "deployment": home.name,
        "folder": str(home.root),
        "sandbox": bool(deployment.state.value.sandbox),
        "keystore": spec.kms,
        "key": spec.key_name,
        "endpoints": endpoints(deployment),
        "user": spec.minio.root_user or home.read_secret("root-user"),
        "password_file": str(home.secret("root-password")),
        "keep": [f"{folder}/" for folder in ("secrets", "ca", "kes", "vault") if home.path(folder).is_dir()],
        "advisories": {name: [advisory.id for advisory in there] for name, there in flaws.found(deployment).items()},
        "checks": [asdict(check) for check in checks],
        **_plan_data(plan),
    }
    return proving.checked(Result("up", data), checks)


def endpoints(deployment: Deployment) -> dict[str, str]:
    """Addresses; an empty one for a console that the spec turns off."""
    spec = deployment.spec
    console = topology.console_url(spec) if has_console(spec.minio.environment) else ""
    return {"s3": topology.s3_url(spec), "console": console, "kes": topology.kes_url(spec)}


def _plan_data(plan: Plan) -> dict[str, Any]:
    changes = [{"verb": c.verb.value, "address": c.address, "reason": c.reason} for c in plan.pending]
    return {"changes": changes, "unchanged": len(plan.changes) - len(changes)}
