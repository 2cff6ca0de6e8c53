"""Which images a deployment runs: what it runs already, else what the spec and the catalogue say. Never backwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kesdeploy import __version__, identities, own_images, protection, topology
from kesdeploy.catalogue import is_older
from kesdeploy.errors import DataProtected, ImageError
from kesdeploy.keystores import Pick, Site
from kesdeploy.state import Pinned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.deployment import Deployment
    from kesdeploy.images import Chosen, Mode
    from kesdeploy.own_images import Wanted
    from kesdeploy.resources import Resource
    from kesdeploy.spec import Spec


def overrides(deployment: Deployment) -> dict[str, str]:
    """The references that the user names, by component."""
    return named(deployment.spec)


def named(spec: Spec) -> dict[str, str]:
    """The references that a spec names, by component."""
    images = spec.images
    given = {"kes": images.kes, "minio": images.minio, "mc": images.mc, "openbao": images.vault, "vault": images.vault}
    return {component: reference for component, reference in given.items() if reference}


def choose(deployment: Deployment) -> Mapping[str, Pinned]:
    """The image of each component, in the local store afterwards, and recorded.

    Raises ImageError when one cannot be had or is another than before, DataProtected for a step back or a change
    between sandbox and real.
    """
    wanted = topology.components(deployment.spec)
    pinned = deployment.state.value.images
    if _settled(deployment, wanted):
        return pinned
    from kesdeploy import images

    mode = _mode(deployment)
    chosen = images.choose(
        deployment.engine,
        components=wanted,
        mode=mode,
        pull=deployment.spec.images.pull,
        overrides=overrides(deployment),
        report=deployment.report,
    )
    sandbox = any(pick.sandbox for pick in chosen.values())
    _refuse_mixing(deployment, sandbox=sandbox)
    for component, pick in chosen.items():
        if not sandbox:
            protection.refuse_older(deployment, component, pick.version)
            _refuse_changed(component, own_images.wanted(component, overrides(deployment)), pinned.get(component), pick)
    new = {c: Pinned(p.reference, p.id, p.digest, p.version, p.entrypoint) for c, p in chosen.items()}
    deployment.state.update(lambda s: replace(s, images=new, sandbox=sandbox, kesdeploy=__version__))
    return new


def _settled(deployment: Deployment, wanted: tuple[str, ...]) -> bool:
    """Whether what is recorded still answers the question: same wishes, same kesdeploy, images still here."""
    state, images = deployment.state.value, deployment.spec.images
    if set(state.images) != set(wanted) or state.kesdeploy != __version__ or images.pull == "always":
        return False
    if images.source != "auto" and state.sandbox is not (images.source == "sandbox"):
        return False
    named = overrides(deployment)
    if not state.sandbox and any(_moved(own_images.wanted(c, named), pinned) for c, pinned in state.images.items()):
        return False
    return all(deployment.engine.image(pinned.id) for pinned in state.images.values())


def _mode(deployment: Deployment) -> Mode:
    """`auto` decides once; the answer is recorded."""
    recorded, source = protection.sandbox(deployment), deployment.spec.images.source
    if source == "auto" and recorded is not None:
        return "sandbox" if recorded else "release"
    if recorded is not None:
        _refuse_mixing(deployment, sandbox=source == "sandbox")
    return source


def refuse(deployment: Deployment) -> None:
    """Raises DataProtected for what `choose` would refuse: sandbox images on real data, the reverse, a step back."""
    if _mode(deployment) != "sandbox":
        for component, pinned in foreseen(deployment).items():
            protection.refuse_older(deployment, component, pinned.version)


def _refuse_mixing(deployment: Deployment, *, sandbox: bool) -> None:
    recorded = protection.sandbox(deployment)
    if recorded is not None and recorded != sandbox and deployment.home.path("minio").exists():
        have, want = ("sandbox", "real") if recorded else ("real", "sandbox")
        raise DataProtected(
            f"this deployment holds {have} data, and {want} images must not touch it",
            hint=f"use another name (-n {deployment.name}2), or: kesdeploy destroy -n {deployment.name}",
        )


def _refuse_changed(component: str, ask: Wanted, old: Pinned | None, new: Chosen) -> None:
    """Raises ImageError where a registry gives other bytes than before under the same name and release.

    What has the digest that the catalogue knows, or that the user names, is that; what is called localhost/ was made
    here.
    """
    if old is None or old.version != new.version or new.reference.startswith("localhost/"):
        return
    if old.id == new.id or old.digest == new.digest or not new.digest:
        return
    if new.digest in {ask.digest(source) for source in ask.sources} or (ask.named and old.reference != new.reference):
        return
    key = "vault" if component == "openbao" else component
    raise ImageError(
        f"{new.reference} is not the image that this deployment ran",
        because=f"it was {old.digest or old.id}, and is {new.digest} now: the registry gave something else",
        hint=f"if you trust it: kesdeploy up --set images.{key}={new.reference}@{new.digest}",
    )


def site(deployment: Deployment, images: Mapping[str, Pinned]) -> Site:
    # A rootless engine maps its user to root inside; with a rootful one, files stay the folder's owner's.
    user = "0:0" if deployment.engine.info().rootless else deployment.home.owner()
    picks = {component: Pick(pin.id or pin.reference, pin.entrypoint, pin.version) for component, pin in images.items()}
    home = deployment.home
    return Site(str(home.root), user, picks, identities.retiring(home), home.guarded_keys())


def desired(deployment: Deployment, images: Mapping[str, Pinned]) -> tuple[Resource, ...]:
    return topology.desired(deployment.spec, site(deployment, images))


def foreseen(deployment: Deployment) -> Mapping[str, Pinned]:
    """The images that `up` would run, as far as they are known without asking anybody: for `plan` and `render`."""
    return {component: _foreseen(deployment, component) for component in topology.components(deployment.spec)}


def _foreseen(deployment: Deployment, component: str) -> Pinned:
    state, ask = deployment.state.value, own_images.wanted(component, overrides(deployment))
    old = state.images.get(component)
    keep = old and (state.sandbox or not _moves(deployment, ask, old))
    return old if old and keep else _known(deployment, ask)


def recorded(deployment: Deployment) -> Mapping[str, Pinned]:
    """The images that the last `up` chose, and what is foreseen of others: for `verify`."""
    pinned = deployment.state.value.images
    return {c: pinned.get(c) or _foreseen(deployment, c) for c in topology.components(deployment.spec)}


def _moves(deployment: Deployment, ask: Wanted, old: Pinned) -> bool:
    """Whether the next `up` would look for another image: one that the user names, or a newer kesdeploy's."""
    if ask.named:
        return _moved(ask, old)
    if deployment.state.value.kesdeploy == __version__:
        return False
    return is_older(ask.component.name, old.version, ask.version)


def _moved(ask: Wanted, old: Pinned) -> bool:
    return bool(ask.named) and not ask.names(old.reference, old.digest)


def _known(deployment: Deployment, ask: Wanted) -> Pinned:
    source = ask.sources[0]
    here = deployment.engine.image(source.reference)
    return Pinned(source.reference, here.id if here else "", "", ask.version, ask.entrypoint(source))
