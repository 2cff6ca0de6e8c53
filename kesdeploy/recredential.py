"""New credentials while everything runs: each is trusted beside the old one, taken up, and then the old one is refused.

What follows from a new credential is what `up` does about a changed file. So a run that is killed is finished by the
next one, or by `up`, and in between MinIO can always reach KES: what it reads is written once KES knows whom it names.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from kesdeploy import (
    apply,
    choosing,
    given,
    handover,
    identities,
    keystores,
    observe,
    opening,
    pki,
    protection,
    services,
    topology,
)
from kesdeploy.ensure import FORBIDDEN
from kesdeploy.errors import Problem, ServiceError, UsageError
from kesdeploy.home import new_password
from kesdeploy.plan import Verb, diff
from kesdeploy.result import Result
from kesdeploy.topology.kes import certificates
from kesdeploy.verify import Check, proof

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.deployment import Deployment
    from kesdeploy.opening import Wish
    from kesdeploy.plan import Change
    from kesdeploy.report import Reporter
    from kesdeploy.resources import Resource
    from kesdeploy.spec import Spec

ROOT, VAULT = "root-password", "vault"
_FILES = (topology.KES_CONFIG, topology.MINIO_ENV, "file/minio-client-crt", "file/minio-client-key")


@dataclass(frozen=True)
class Chosen:
    """Which credentials are to be new. `source`: where the root password is read; empty: generated, or piped."""

    identities: tuple[str, ...] = ()
    root: bool = False
    source: str = ""
    keystore: bool = False

    def restarts(self, spec: Spec) -> tuple[str, ...]:
        """What has to be restarted for it. MinIO reads its env file only when it starts."""
        changes = "minio" in self.identities
        if self.root or (changes and not certificates(spec)):
            return ("MinIO",)
        return ("KES",) if changes else ()


def everything(spec: Spec, besides: Chosen) -> Chosen:
    """All that kesdeploy can renew, and what is named `besides`. What the spec reads elsewhere is its user's."""
    own = () if services.elsewhere(spec) else identities.NAMES
    root = besides.root or not spec.minio.root_password
    return Chosen(own or besides.identities, root, besides.source, besides.keystore or keystores.of(spec).renews(spec))


def rotate_credentials(wish: Wish, report: Reporter, chosen: Chosen) -> Result:
    """New credentials, taken up and proven; the old ones refused.

    UsageError before anything changes where one cannot be renewed, ServiceError when a server does not follow: what was
    begun is finished by the same command, or by `up`.
    """
    home = opening.existing(wish)
    with opening.opened(wish, home, report) as deployment:
        _refuse(deployment, chosen)
        before, began = _identities(deployment), _began(deployment)
        old_root = services.root(deployment.spec, home)
        _renew(deployment, wish, chosen)
        wanted = _wanted(deployment)
        plan = diff(wanted, observe.observe(deployment, wanted))
        apply.apply(plan, deployment)
        refused = handover.finish(deployment, wanted, plan)
        checks = (*refused, *_root_refused(deployment, old_root, chosen), *proof(deployment))
        restarted = [name for name, since in _began(deployment).items() if began.get(name) != since]
        return _result(deployment, _told(deployment, chosen, before), restarted, checks)


def _wanted(deployment: Deployment) -> tuple[Resource, ...]:
    return choosing.desired(deployment, choosing.recorded(deployment))


def _renew(deployment: Deployment, wish: Wish, chosen: Chosen) -> None:
    """What can be refused comes first. Where a rotation was begun already, it goes on."""
    home = deployment.home
    password = _new_password(deployment, wish, chosen) if chosen.root else ""
    if chosen.keystore:
        deployment.keystore.renew(deployment.work)
    begun = identities.retiring(home)
    for name in chosen.identities:
        if name not in begun:
            identities.replace(home, name, deployment.now)
    if password:
        home.write_secret(ROOT, password)


def _new_password(deployment: Deployment, wish: Wish, chosen: Chosen) -> str:
    """Empty where the spec says where it is: what is there by now is taken as `up` does."""
    kept, named = deployment.home.read_secret(ROOT), deployment.spec.minio.root_password
    value = wish.secrets.get(ROOT) or (given.read(ROOT, chosen.source) if chosen.source else "")
    if named:
        if (value and chosen.source != named) or given.read(ROOT, named) == kept:
            raise UsageError(
                f"the spec reads the root password from {named}",
                because="there is the same one as before"
                if not value
                else "another one would be gone with the next up",
                hint="put the new one there, then: kesdeploy rotate-credentials --root-password",
            )
        return ""
    value = value or new_password()
    given.check(ROOT, value)
    if value == kept:
        raise UsageError("this is the root password already", hint="give another one")
    return value


def _refuse(deployment: Deployment, chosen: Chosen) -> None:
    """Raises UsageError where something else would have to be done first, DataProtected where a key is gone."""
    protection.refuse_gone(deployment)
    if services.elsewhere(deployment.spec) and chosen.identities:
        raise UsageError(
            "MinIO's identity is known to a KES that others run: they have to let a new one in first",
            because=services.kes_addresses(deployment.spec)[0],
            hint="let them allow another API key; then: "
            f"kesdeploy up -n {deployment.name} --set keystore.kes.api_key=@FILE",
        )
    wanted = _wanted(deployment)
    _refuse_stopped(deployment)
    restarts = chosen.restarts(deployment.spec)
    pending = diff(wanted, observe.observe(deployment, wanted)).pending
    if waits := [change for change in pending if not _belongs(change, restarts)]:
        raise UsageError(
            "credentials are not changed while other changes wait",
            because=", ".join(f"{change.verb.value} {change.address}" for change in waits),
            hint=f"kesdeploy up -n {deployment.name}; then the same command again",
        )


def _refuse_stopped(deployment: Deployment) -> None:
    """One that does not run is started: a killed rotation may have left it so. A stopped deployment is not."""
    if not any(container.running for container in deployment.engine.containers(deployment.labels)):
        hint = f"kesdeploy start -n {deployment.name}; then the same command again"
        raise UsageError("credentials are changed while KES and MinIO run, and they do not", hint=hint)


def _belongs(change: Change, restarts: tuple[str, ...]) -> bool:
    """Whether a change may follow from a rotation that was begun: it is carried out with this one."""
    if change.address == topology.MINIO and change.verb is Verb.RESTART:
        return "MinIO" in restarts
    harmless = change.verb in (Verb.RELOAD, Verb.CHECK, Verb.START)
    return harmless or change.address in _FILES or change.address.startswith(("identity/", "secret/"))


def _root_refused(deployment: Deployment, old: tuple[str, str], chosen: Chosen) -> tuple[Check, ...]:
    """Whether MinIO sends the old root password away."""
    if not chosen.root:
        return ()
    what, hint = "MinIO refuses the old root password", f"kesdeploy up -n {deployment.name}"
    try:
        services.minio(deployment.spec, deployment.home, login=old).kms_status()
    except ServiceError as error:
        refused = error.status == FORBIDDEN
        return (Check(what, refused, error.because, "" if refused else hint),)
    return (Check(what, ok=False, evidence="it is let in", hint=hint),)


def _identities(deployment: Deployment) -> dict[str, str]:
    """Who everybody was before; of what was begun earlier, before that."""
    home, begun = deployment.home, identities.retiring(deployment.home)
    pairs = {name: home.identity(f"{name}.old" if name in begun else name) for name in identities.NAMES}
    return {name: pki.identity(pair[0].read_bytes()) for name, pair in pairs.items() if pair[0].exists()}


def _began(deployment: Deployment) -> dict[str, str]:
    return {c.name: c.started_at for c in deployment.engine.containers(deployment.labels)}


def _told(deployment: Deployment, chosen: Chosen, before: Mapping[str, str]) -> list[dict[str, str]]:
    """What is new now. An identity is no secret: it is the hash of a public key."""
    after = _identities(deployment)
    titles = {"minio": "kes", "operator": "operator"}
    found = [{"what": titles[name], "before": before[name], "after": after[name]} for name in chosen.identities]
    others = {ROOT: chosen.root, VAULT: chosen.keystore}
    return found + [{"what": what, "before": "", "after": ""} for what, new in others.items() if new]


def _result(
    deployment: Deployment, rotated: list[dict[str, str]], restarted: list[str], checks: tuple[Check, ...]
) -> Result:
    failed = tuple(Problem("check", f"{c.name}: {c.evidence}", c.hint) for c in checks if not c.ok)
    data = {
        "deployment": deployment.name,
        "rotated": rotated,
        "restarted": restarted,
        "password_file": str(deployment.home.secret(ROOT)),
        "checks": [asdict(check) for check in checks],
    }
    return Result("rotate-credentials", data, problems=failed, ok=not failed, exit_code=7 if failed else 0)
