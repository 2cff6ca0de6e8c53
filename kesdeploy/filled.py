"""Bodies with their Refs filled in: what a file's text and a certificate's request are, on this machine, now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy import given, pki, render
from kesdeploy.errors import UsageError
from kesdeploy.pki import LeafRequest, Usage
from kesdeploy.plan import Seen
from kesdeploy.resources import Secret

if TYPE_CHECKING:
    from kesdeploy.deployment import Deployment
    from kesdeploy.pki import Leaf
    from kesdeploy.resources import Brought as BroughtLeaf
    from kesdeploy.resources import BroughtIdentity, Certificate, Container, File, Identity, Ref, Resource, Trust


def leaf_request(body: Certificate) -> LeafRequest:
    return LeafRequest(body.common_name, body.names, Usage.SERVER)


def identity_request(body: Identity | BroughtIdentity) -> LeafRequest:
    """KES reads only the public key; the name is for people."""
    return LeafRequest(body.name, (), Usage.CLIENT, key="ed25519")


@dataclass(frozen=True)
class Brought:
    """An identity as the user brought it, both in PEM. No certificate: we make one over the key."""

    key: bytes = field(repr=False)
    certificate: bytes = b""


def brought(deployment: Deployment, body: BroughtIdentity) -> Brought:
    """FileNotFoundError while its secrets are not there, CertificateError for an API key that is none."""
    key = deployment.home.secret(body.key).read_text()
    if not body.certificate:
        return Brought(pki.key_of(key.strip()))
    return Brought(key.encode(), deployment.home.secret(body.certificate).read_bytes())


def server_pair(deployment: Deployment, source: BroughtLeaf) -> Leaf:
    """A server certificate of the user's, as it is served. FileNotFoundError while it is not copied.

    CertificateError when the copies do not fit together.
    """
    read = (deployment.home.secret(name).read_bytes() for name in (source.certificate, source.key))
    return pki.server_pair(*read)


def trusted(deployment: Deployment, body: Trust) -> bytes:
    """Every root that is to be trusted. FileNotFoundError while one of them is not there."""
    # Secrets are kept without the line end that PEM ends with.
    also = deployment.home.secret(body.also).read_bytes() + b"\n" if body.also else b""
    return deployment.home.ca_cert.read_bytes() + also


def leaf_seen(deployment: Deployment, certificate: Path, key: Path, request: LeafRequest) -> Seen | None:
    """Whether a leaf on disk is what would be issued today; otherwise why not."""
    try:
        pair = certificate.read_bytes(), key.read_bytes()
    except FileNotFoundError:
        return None
    authority = deployment.home.read("ca/ca.crt") or b""
    return Seen(reason=pki.reason_to_reissue(*pair, authority, request, deployment.now) or "")


def text(deployment: Deployment, body: File) -> str:
    """A file's text with every secret in it. FileNotFoundError while one of them does not exist yet."""
    return _rendered(body, deployment.value)


def outline(body: File, known: Mapping[str, str] | None = None) -> str:
    """A file's text with placeholders where secrets and identities go: for plans, and to share.

    known: what may be shown all the same, by its name in `secrets/`.
    """

    def value(ref: Ref) -> str:
        if ref.kind == "secret" and ref.name in (known or {}):
            return (known or {})[ref.name]
        return "REDACTED" if ref.secret else str(ref)

    return _rendered(body, value)


def certificates(deployment: Deployment, wanted: Iterable[Resource]) -> dict[str, str]:
    """What lies in `secrets/`, or will, and is none: certificates, by name. The user's as kept, or where they are."""
    found = {}
    for body in (resource.body for resource in wanted):
        if isinstance(body, Secret) and body.name.endswith(".crt"):
            with suppress(UsageError):
                text = deployment.home.read_secret(body.name) or given.read(body.name, body.source)
                found[body.name] = "" if "PRIVATE KEY" in text else text
    return {name: text for name, text in found.items() if text}


def _rendered(body: File, value: Callable[[Ref], str]) -> str:
    context = _deep(body.context)
    for path, ref in body.refs.items():
        *parents, last = path.split(".")
        target = context
        for part in parents:
            target = target[part]
        target[last] = value(ref)
    return render.render(body.template, context)


def _deep(value: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _deep(v) if isinstance(v, Mapping) else v for k, v in value.items()}


def mounted(body: Container) -> dict[str, str]:
    """Which folders stand now where a container mounts them: device and inode."""
    found = {mount.source: Path(mount.source) for mount in body.mounts}
    return {source: f"{path.stat().st_dev}:{path.stat().st_ino}" for source, path in found.items() if path.exists()}
