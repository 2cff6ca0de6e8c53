"""New certificates while everything runs: issued, signalled, and seen to be served.

Leaves follow the way of `up`: each is written, its container gets the signal that makes it read again, and the serial
that it then serves must be the one that was issued. What is interrupted is finished by the next run, or by `up`: a
container that has not read its present certificate is known by the state.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from kesdeploy import apply, choosing, filled, observe, opening, pki, protection, topology
from kesdeploy.deployment import ADDRESS
from kesdeploy.errors import CertificateError, Problem, UsageError
from kesdeploy.plan import Plan, Verb, diff
from kesdeploy.resources import Certificate, Trust
from kesdeploy.result import Result
from kesdeploy.verify import proof

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from kesdeploy.deployment import Deployment
    from kesdeploy.opening import Wish
    from kesdeploy.plan import Change
    from kesdeploy.report import Reporter
    from kesdeploy.resources import Resource


@dataclass(frozen=True)
class Served:
    """A server certificate before and after. `serial` is hexadecimal, `not_after` a date in UTC.

    yours: the user brought it, and renews it.
    """

    name: str
    serial: str
    not_after: str
    days_left: int
    yours: bool = False


def rotate_certs(wish: Wish, report: Reporter, *, within: timedelta | None = None) -> Result:
    """New server certificates, over the same keys unless `wish.new_keys`. `within`: only those that end so soon.

    No request fails: nothing is restarted. What the user brought stays. CertificateError when a server goes on serving
    its old one.
    """
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment:
        protection.refuse_gone(deployment)
        _refuse_expired_ca(deployment)
        wanted = choosing.desired(deployment, choosing.recorded(deployment))
        before = _served(deployment, wanted)
        chosen = {
            r.address
            for r in wanted
            if isinstance(r.body, Certificate) and not r.body.brought and _ends(deployment, r, within)
        }
        plan = Plan(
            tuple(c for c in _rotated(deployment, wanted, chosen).changes if c.address in chosen or _reloads(c))
        )
        apply.apply(plan, deployment)
        return _result(deployment, wanted, before)


def rotate_ca(wish: Wish, report: Reporter) -> Result:
    """A new authority: for a while both are trusted, everything is issued anew, and the old one goes.

    MinIO reads its roots only when it starts, so it is restarted, once, after everybody else has changed.
    """
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment:
        protection.refuse_gone(deployment)
        _refuse_expired_ca(deployment)
        wanted = choosing.desired(deployment, choosing.recorded(deployment))
        before = _served(deployment, wanted)
        there = home.read("ca/ca.crt")
        # Where this was begun before, the old one is the second.
        old = pki.fingerprint(pki.split(there)[-1]) if there else ""
        _trust_both(deployment, wanted)
        apply.apply(_rotated(deployment, wanted, set()), deployment)
        with report.step("the old CA is trusted no more"):
            _drop_the_old(deployment, wanted)
        result = _result(deployment, wanted, before)
        new = home.read("ca/ca.crt") or b""
        ca = {"file": str(home.ca_cert), "sha256": pki.fingerprint(new), "before": old}
        return replace(result, data={**result.data, "ca": ca})


def _refuse_expired_ca(deployment: Deployment) -> None:
    """Whatever it signs would have ended with it; and nobody trusts it for a while yet, beside another."""
    ca = deployment.home.read("ca/ca.crt")
    info = pki.describe(ca) if ca else None
    if info and info.days_left(deployment.now) < 0:
        raise CertificateError(
            f"the CA expired on {info.not_after:%Y-%m-%d}", hint=f"kesdeploy up -n {deployment.name} makes a new one"
        )


def _rotated(deployment: Deployment, wanted: tuple[Resource, ...], chosen: set[str]) -> Plan:
    """What follows when the chosen certificates are issued anew."""
    seen = dict(observe.observe(deployment, wanted))
    for address in chosen & seen.keys():
        seen[address] = replace(seen[address], reason=seen[address].reason or "a new one was asked for")
    return diff(wanted, seen)


def _reloads(change: Change) -> bool:
    """Whether a server reads again. One that stands still reads when it starts, and any other change is for `up`."""
    return change.verb is Verb.RELOAD


def _ends(deployment: Deployment, resource: Resource, within: timedelta | None) -> bool:
    info = _info(deployment, resource)
    return within is None or info is None or info.not_after - deployment.now < within


def _info(deployment: Deployment, resource: Resource) -> pki.CertificateInfo | None:
    assert isinstance(resource.body, Certificate)
    there = deployment.home.read(f"{resource.body.folder}/public.crt")
    return pki.describe(there) if there else None


def _served(deployment: Deployment, wanted: tuple[Resource, ...]) -> dict[str, Served]:
    found = {}
    for resource in wanted:
        if isinstance(resource.body, Certificate) and (info := _info(deployment, resource)):
            until = info.not_after.strftime("%Y-%m-%d")
            days, yours = info.days_left(deployment.now), bool(resource.body.brought)
            found[resource.name] = Served(resource.name, info.serial, until, days, yours)
    return found


def _trust_both(deployment: Deployment, wanted: tuple[Resource, ...]) -> None:
    """The new authority first, the old one below it. Where that was begun, it goes on."""
    home = deployment.home
    old, key = home.read("ca/ca.crt") or b"", home.read("ca/ca.key")
    if old and len(pki.split(old)) > 1:
        return
    begun = pki.reason_to_replace(old or None, key, deployment.now)
    if not begun and (waiting := _rotated(deployment, wanted, set()).pending):
        raise UsageError(
            "the CA is not changed while other changes wait",
            because=", ".join(f"{change.verb.value} {change.address}" for change in waiting),
            hint=f"kesdeploy up -n {deployment.name}, then the same command again",
        )
    new = pki.Authority.create(f"kesdeploy {deployment.name}", deployment.now)
    with deployment.report.step("a second CA, trusted beside the first"):
        # The key first: a pair that does not match says that this was begun, and nobody trusts the new one yet.
        home.write("ca/ca.key", new.key_pem)
        home.write("ca/ca.crt", new.cert_pem + old, 0o644)


def _drop_the_old(deployment: Deployment, wanted: tuple[Resource, ...]) -> None:
    """From the files alone: who runs has read both, and reads the new one alone when it starts again."""
    home = deployment.home
    new = pki.split(home.read("ca/ca.crt") or b"")[0]
    home.write("ca/ca.crt", new, 0o644)
    for resource in wanted:
        if isinstance(resource.body, Trust):
            home.write(resource.body.path, filled.trusted(deployment, resource.body), 0o644)
        elif isinstance(resource.body, Certificate) and resource.body.ca_file:
            home.write(f"{resource.body.folder}/{resource.body.ca_file}", new, 0o644)


def _result(deployment: Deployment, wanted: tuple[Resource, ...], before: Mapping[str, Served]) -> Result:
    """What changed; and the proof, when something did and MinIO runs."""
    after = _served(deployment, wanted)
    changed = {name: served for name, served in after.items() if before.get(name) != served}
    containers = deployment.engine.containers(deployment.labels)
    runs = any(c.running and c.labels.get(ADDRESS) == topology.MINIO for c in containers)
    checks = proof(deployment) if changed and runs else ()
    failed = tuple(Problem("check", f"{c.name}: {c.evidence}", c.hint) for c in checks if not c.ok)
    data = {
        "deployment": deployment.name,
        "rotated": [
            {**asdict(served), "before": before[name].serial if name in before else ""}
            for name, served in changed.items()
        ],
        "kept": [asdict(served) for name, served in after.items() if name not in changed],
        "stopped": [c.name for c in containers if not c.running],
        "runs": runs,
        "checks": [asdict(c) for c in checks],
    }
    return Result("rotate-certs", data, problems=failed, ok=not failed, exit_code=7 if failed else 0)
