"""`policy --prove`: whether KES may do what it has to, seen with a key that is thrown away.

A KES runs for it with the user's own settings, under a name, in a folder and on a port of its own: it does in the
keystore what a deployment's would do, and no MinIO is there. Whatever comes of it, only the key may stay, and is named.
"""

from __future__ import annotations

import re
import secrets
import socket
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING

from kesdeploy import (
    apply,
    choosing,
    gate,
    granting,
    images,
    kes_log,
    keystores,
    observe,
    opening,
    services,
    teardown,
    topology,
)
from kesdeploy.deployment import Deployment, clock
from kesdeploy.engines.choose import open_engine
from kesdeploy.engines.elsewhere import refuse_elsewhere
from kesdeploy.errors import ServiceError, UsageError
from kesdeploy.home import Home
from kesdeploy.keystores import Pick, Site
from kesdeploy.plan import diff
from kesdeploy.report import Silent
from kesdeploy.spec import Kes, Minio, Network
from kesdeploy.state import StateFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kesdeploy.clients.kes import Kes as KesClient
    from kesdeploy.engines import Engine
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter
    from kesdeploy.result import Result
    from kesdeploy.spec import Spec
    from kesdeploy.state import State

CONTEXT = b"kesdeploy-probe"
NOT_FOUND = 404
_PERMISSION = "the same command without --prove shows what KES has to be granted"


@dataclass(frozen=True)
class _Tried:
    """What became of the key. stays: why it could not be removed; empty when it is gone."""

    key: str
    stays: str = ""


def prove(wish: Wish, report: Reporter) -> Result:
    """The policy's document, and in it what became of the key.

    Raises UsageError where nothing of the kind can be proven; ServiceError for what is not allowed, in the keystore's
    own words.
    """
    shown = granting.policy(wish)
    home, spec = granting.meant(wish)
    _refuse_needless(spec, home)
    key = probe_name(spec)
    keystore = keystores.of(spec)
    report.note(f"a key is made in {keystore.title}, used, and removed again: {key}")
    report.note(f"of what is removed: {keystore.habits.deleting}")
    with _kes(wish, home, _alone(spec, key), report) as deployment:
        tried = _tried(deployment, key)
    if tried.stays:
        report.warn(f"{key} stays in {keystore.title}, for KES may not remove it; nothing needs it: {tried.stays}")
    proof = {"key": key, "removed": not tried.stays, "because": tried.stays}
    return replace(shown, data={**shown.data, "proof": proof})


def probe_name(spec: Spec) -> str:
    """Among the names that a policy for this deployment allows, as far as it allows more than one."""
    own = re.match(rf"minio-{spec.name}-(?=[0-9a-f]{{6}}$)", spec.key_name)
    return f"{spec.kes.key_prefix or (own[0] if own else '')}kesdeploy-probe-{secrets.token_hex(4)}"


def _refuse_needless(spec: Spec, home: Home) -> None:
    keystore = keystores.of(spec)
    if keystore.elsewhere(spec):
        raise UsageError(
            "no key is thrown away in a KES that others run",
            because="MinIO's identity should not be allowed to make any there",
            hint=f"kesdeploy up -n {spec.name} --kms {spec.kms}: it uses the key before it starts MinIO",
        )
    if not keystore.shared(spec.keystore):
        raise UsageError(
            f"nothing has to be granted to use {spec.kms!r}",
            because="that keystore is the deployment's own",
            hint=f"kesdeploy verify -n {spec.name}, once it is up",
        )
    if keystore.renews(spec) and not home.ours:
        raise UsageError(
            "there is no login of KES's yet that could be proven",
            because="kesdeploy up makes one, with your token",
            hint="name the one that you made: the spec's section of the keystore says how",
        )


def _alone(spec: Spec, key: str) -> Spec:
    """The same keystore for a KES of another name, with no port but its own."""
    return spec.model_copy(
        update={
            "name": f"probe-{secrets.token_hex(4)}",
            "keystore": keystores.of(spec).spelt_out(spec),
            "key_name": key,
            "network": Network(kes_port=_free_port()),
            "kes": Kes(key_prefix=spec.kes.key_prefix, proxy=spec.kes.proxy),
            "minio": Minio(),
        }
    )


def _free_port() -> int:
    """Above those of the other services: Linux gives away no lower ones."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def _kes(wish: Wish, of: Home, spec: Spec, report: Reporter) -> Iterator[Deployment]:
    """A KES that runs while this lasts. Nothing of it is left here."""
    home, before = Home.of(spec.name), StateFile.open(of).value
    with closing(open_engine(spec.engine, before.engine or None)) as engine:
        refuse_elsewhere(engine.info())
        try:
            _prepare(home, of, wish.secrets, spec.kms)
            state, info = StateFile.open(home), engine.info()
            # Who removes it again must look there, too.
            state.update(lambda fresh: replace(fresh, engine=info.name, engine_id=info.identity))
            deployment = Deployment(spec, home, engine, state, report, wish.timeout, clock(), Event())
            # What it says needs no KES, and is clearer.
            deployment.keystore.preflight(deployment.work)
            wanted = topology.kes_alone(spec, _site(deployment, engine, before))
            with _in_our_words():
                apply.apply(diff(wanted, observe.observe(deployment, wanted)), deployment)
            yield deployment
        finally:
            if home.ours or home.hollow:
                teardown.remove(opening.Wish("destroy", spec.name), Silent(), data=True)


def _prepare(home: Home, of: Home, typed: Mapping[str, str], kms: str) -> None:
    """With the credentials that are kept for the deployment, and those that were typed."""
    home.prepare()
    kept = of.path("secrets")
    for path in kept.glob(f"{kms}-*") if kept.is_dir() else ():
        home.write(f"secrets/{path.name}", path.read_bytes())
    for name, value in typed.items():
        home.write_secret(name, value)


def _site(deployment: Deployment, engine: Engine, before: State) -> Site:
    """With the KES that the deployment runs, or would run."""
    pinned = None if before.sandbox else before.images.get("kes")
    named = choosing.overrides(deployment)
    chosen = images.choose(
        engine,
        components=("kes",),
        mode="sandbox" if before.sandbox else deployment.spec.images.source,
        pull=deployment.spec.images.pull,
        overrides={"kes": pinned.reference, **named} if pinned else named,
        report=deployment.report,
    )["kes"]
    user = "0:0" if engine.info().rootless else deployment.home.owner()
    return Site(str(deployment.home.root), user, {"kes": Pick(chosen.id, chosen.entrypoint, chosen.version)})


def _tried(deployment: Deployment, key: str) -> _Tried:
    kes = services.kes(deployment.spec, deployment.home)
    make, read, remove = keystores.of(deployment.spec).habits.rights
    with _step(deployment, "make a key", make):
        kes.create_key(key)
    try:
        with _step(deployment, "encrypt with it, and decrypt once KES has forgotten it", read):
            _use(deployment, kes, key)
    except BaseException as error:  # Ctrl-C too: nobody else would remove it
        if stays := _removed(deployment, kes, key, remove):
            deployment.report.warn(f"the key {key} stays: {stays}")
        raise error from None
    with deployment.report.step("remove it, as far as KES may"):
        return _Tried(key, _removed(deployment, kes, key, remove))


def _use(deployment: Deployment, kes: KesClient, key: str) -> None:
    made = kes.generate(key, CONTEXT)
    gate.forget_keys(deployment)
    if kes.decrypt(key, made.ciphertext, CONTEXT) != made.plaintext:
        raise ServiceError(f"KES does not decrypt what {key!r} encrypted")


def _removed(deployment: Deployment, kes: KesClient, key: str, right: str) -> str:
    """Why the key is still there, empty when it is gone. Some keystores deny that as if there were none to remove."""
    began = int(time.time())
    try:
        kes.delete_key(key)
    except ServiceError as error:
        refused = f"KES would need {right}: {kes_log.last_error(deployment, began) or error.because}"
    else:
        refused = "the keystore said that it did, and did not"
    try:
        gate.forget_keys(deployment)
        kes.describe_key(key)
    except ServiceError as error:
        return "" if error.status == NOT_FOUND else refused
    return refused


@contextmanager
def _step(deployment: Deployment, title: str, right: str) -> Iterator[None]:
    began = int(time.time())
    with deployment.report.step(title):
        try:
            yield
        except ServiceError as error:
            because = kes_log.last_error(deployment, began) if error.status in kes_log.FAILED else ""
            hint = f"KES needs {right}; {_PERMISSION}"
            raise ServiceError(error.what, because=because or error.because, hint=hint, status=error.status) from error


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Without the commands that look at a deployment: there is none."""
    try:
        yield
    except ServiceError as error:
        what = f"KES does not come up with these settings: {error.what}"
        raise ServiceError(what, because=error.because, hint=_PERMISSION, status=error.status) from error
