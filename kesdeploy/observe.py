"""What is there: the engine first (labels), files second, `state.json` last. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy import ensure, filled, given, keys, pki, protection, services
from kesdeploy.deployment import ADDRESS, DIGEST, PARTS, Deployment
from kesdeploy.ensure import NOT_FOUND
from kesdeploy.errors import CertificateError, KesdeployError, ServiceError, StateError
from kesdeploy.plan import Seen
from kesdeploy.resources import (
    Authority,
    Bootstrap,
    BroughtIdentity,
    Bucket,
    Certificate,
    Container,
    File,
    Fingerprint,
    Identity,
    Key,
    Pod,
    Resource,
    Secret,
    Trust,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kesdeploy.engines import Container as EngineContainer
    from kesdeploy.resources import Brought


def observe(deployment: Deployment, desired: tuple[Resource, ...]) -> Mapping[str, Seen]:
    """What is there of what is wanted, and what of ours the engine holds besides."""
    found = _engine(deployment, desired)
    for resource in desired:
        if resource.address not in found and not isinstance(resource.body, (Container, Pod)):
            seen = _LOOK[type(resource.body)](deployment, resource, found)
            if seen:
                found[resource.address] = seen
    return found


def _engine(deployment: Deployment, desired: tuple[Resource, ...]) -> dict[str, Seen]:
    bodies = {r.address: r.body for r in desired if isinstance(r.body, Container)}
    found = {}
    for pod in deployment.engine.pods(deployment.labels):
        reason = "its network is gone" if pod.broken else "its processes are gone" if pod.lost else ""
        seen = Seen(pod.labels.get(DIGEST, "unknown"), reason, parts=_parts(pod.labels))
        found[pod.labels.get(ADDRESS, f"pod/{pod.name}")] = seen
    for container in deployment.engine.containers(deployment.labels):
        address = container.labels.get(ADDRESS, f"container/{container.name}")
        found[address] = _container(deployment, address, bodies.get(address), container)
    return found


def _container(deployment: Deployment, address: str, body: Container | None, seen: EngineContainer) -> Seen:
    state, digest = deployment.state.value, seen.labels.get(DIGEST, "unknown")
    if body is None:
        return Seen(digest, running=seen.running)
    now, sources = filled.mounted(body), {mount.source for mount in body.mounts}
    before = state.mounted.get(address, {})
    # A folder that was put back from a copy is another folder than the one that the container still has.
    moved = any(now.get(source) != folder for source, folder in before.items() if source in sources)
    reason = "a folder that it mounts is another one" if moved else ""
    reason = f"somebody calls it {seen.name}" if seen.name != body.name else reason
    return Seen(digest, reason, seen.running, state.stale(address, body.uses), parts=_parts(seen.labels))


def _parts(labels: Mapping[str, str]) -> dict[str, str]:
    """What containers.labels wrote; nothing on what an earlier release made."""
    pairs = (part.partition(":") for part in labels.get(PARTS, "").split())
    return {name: digest for name, _, digest in pairs}


def _running(found: Mapping[str, Seen], address: str) -> bool:
    seen = found.get(address)
    return bool(seen and seen.running)


def _secret(deployment: Deployment, resource: Resource, _: Mapping[str, Seen]) -> Seen | None:
    assert isinstance(resource.body, Secret)
    kept = deployment.home.read_secret(resource.body.name)
    if kept is None:
        return None
    if not kept.strip():
        path = deployment.home.secret(resource.body.name)
        raise StateError(
            f"{path} is empty",
            hint=f"put it back from your copy of secrets/; or, unless it is a Vault's: rm {path}, and it is made anew",
        )
    source = resource.body.source
    return Seen(reason="its source holds another value" if source and given.changed(source, kept) else "")


def _authority(deployment: Deployment, _: Resource, __: Mapping[str, Seen]) -> Seen | None:
    pair = ensure.authority_pair(deployment)
    return Seen(reason=pki.reason_to_replace(*pair, deployment.now) or "") if any(pair) else None


def _identity(deployment: Deployment, resource: Resource, _: Mapping[str, Seen]) -> Seen | None:
    assert isinstance(resource.body, Identity)
    certificate, key = deployment.home.identity(resource.body.name)
    return filled.leaf_seen(deployment, certificate, key, filled.identity_request(resource.body))


def _brought_identity(deployment: Deployment, resource: Resource, _: Mapping[str, Seen]) -> Seen | None:
    body = resource.body
    assert isinstance(body, BroughtIdentity)
    certificate, key = deployment.home.identity(body.name)
    try:
        there, brought = (certificate.read_bytes(), key.read_bytes()), filled.brought(deployment, body)
    except FileNotFoundError:
        return None
    if there[1] != brought.key:
        return Seen(reason="another one was brought")
    if brought.certificate:
        return Seen(reason="" if there[0] == brought.certificate else "another certificate was brought")
    return filled.leaf_seen(deployment, certificate, key, filled.identity_request(body))


def _certificate(deployment: Deployment, resource: Resource, _: Mapping[str, Seen]) -> Seen | None:
    body, home = resource.body, deployment.home
    assert isinstance(body, Certificate)
    folder = home.path(body.folder)
    if body.ca_file:
        trusted = home.read(f"{body.folder}/{body.ca_file}")
        if trusted is None:
            return None
        if trusted != home.read("ca/ca.crt"):
            return Seen(reason="the CA is another one")
    files = folder / "public.crt", folder / "private.key"
    if body.brought:
        return _brought_certificate(deployment, body.brought, files)
    return filled.leaf_seen(deployment, *files, filled.leaf_request(body))


def _brought_certificate(deployment: Deployment, brought: Brought, files: tuple[Path, Path]) -> Seen | None:
    """It is what the user brought, to the letter. Whether that is any good was asked before."""
    try:
        there = tuple(file.read_bytes() for file in files)
    except FileNotFoundError:
        return None
    try:
        wanted = filled.server_pair(deployment, brought)
    except FileNotFoundError:
        return Seen(reason="you brought one")
    except CertificateError as error:
        return Seen(reason=f"its copy is damaged: {error.what}")
    return Seen(reason="" if there == (wanted.cert_pem, wanted.key_pem) else "you brought another one")


def _trust(deployment: Deployment, resource: Resource, _: Mapping[str, Seen]) -> Seen | None:
    assert isinstance(resource.body, Trust)
    there = deployment.home.read(resource.body.path)
    if there is None:
        return None
    try:
        same = there == filled.trusted(deployment, resource.body)
    except FileNotFoundError:
        same = False
    return Seen(reason="" if same else "the CA is another one")


def _file(deployment: Deployment, resource: Resource, _: Mapping[str, Seen]) -> Seen | None:
    assert isinstance(resource.body, File)
    there = deployment.home.read(resource.body.path)
    if there is None:
        return None
    try:
        wanted = filled.text(deployment, resource.body).encode()
    except FileNotFoundError:
        return Seen(reason="what it is made from is missing")
    return Seen(reason="" if there == wanted else "its text differs")


def _bootstrap(deployment: Deployment, resource: Resource, found: Mapping[str, Seen]) -> Seen | None:
    services_of_it = [need for need in resource.needs if need.startswith("container/")]
    if not all(need in found for need in services_of_it):
        return None
    if stopped := [need for need in services_of_it if not _running(found, need)]:
        return Seen(unasked=stopped[0])
    return Seen(reason=deployment.keystore.unsettled(deployment.work) or "")


def _key(deployment: Deployment, resource: Resource, found: Mapping[str, Seen]) -> Seen | None:
    assert isinstance(resource.body, Key)
    if not all(_running(found, need) for need in resource.needs if need.startswith("container/")):
        known = deployment.home.fingerprint(resource.name).exists()
        return Seen(unasked="KES") if known else None
    return _asked("KES", lambda: keys.find(services.kes(deployment.spec, deployment.home), resource.name))


def _fingerprint(deployment: Deployment, resource: Resource, _: Mapping[str, Seen]) -> Seen | None:
    assert isinstance(resource.body, Fingerprint)
    path = deployment.home.fingerprint(resource.body.key)
    return Seen(reason=protection.outdated(deployment, path)) if path.exists() else None


def _bucket(deployment: Deployment, resource: Resource, found: Mapping[str, Seen]) -> Seen | None:
    body = resource.body
    assert isinstance(body, Bucket)
    if not _running(found, "container/minio-server"):
        return Seen(unasked="MinIO") if deployment.holds_data else None
    wanted = (body.mode, body.key if body.mode == "sse-kms" else None)

    def differs() -> str:
        there = services.minio(deployment.spec, deployment.home).bucket_encryption(body.name)
        return "" if there == wanted else "its encryption rule differs"

    return _asked("MinIO", differs)


def _asked(whom: str, question: Callable[[], object]) -> Seen | None:
    """None when the answer is that there is no such thing. No answer says nothing: the plan must not call it lost.

    A text that comes back is the reason why it has to be made again.
    """
    try:
        answer = question()
    except ServiceError as error:
        return None if error.status == NOT_FOUND else Seen(unasked=whom)
    except (KesdeployError, OSError):
        return Seen(unasked=whom)
    return Seen(reason=answer if isinstance(answer, str) else "")


_LOOK: dict[type, Callable[[Deployment, Resource, Mapping[str, Seen]], Seen | None]] = {
    Secret: _secret,
    Authority: _authority,
    Identity: _identity,
    BroughtIdentity: _brought_identity,
    Certificate: _certificate,
    Trust: _trust,
    File: _file,
    Bootstrap: _bootstrap,
    Key: _key,
    Fingerprint: _fingerprint,
    Bucket: _bucket,
}
