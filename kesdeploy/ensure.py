"""One `ensure_…` for each kind of resource: what makes it so. Each is safe to repeat; apply decides when they run."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from kesdeploy import filled, fingerprints, given, home, identities, loss, pki, protection, services
from kesdeploy.errors import (
    CertificateError,
    DataProtected,
    KesdeployError,
    Problem,
    ServiceError,
    SpecError,
    UsageError,
)
from kesdeploy.files import write_private
from kesdeploy.resources import (
    Authority,
    BroughtIdentity,
    Bucket,
    Certificate,
    File,
    Fingerprint,
    Identity,
    Resource,
    Secret,
    Trust,
)

if TYPE_CHECKING:
    from kesdeploy.clients.kes import Kes
    from kesdeploy.deployment import Deployment
    from kesdeploy.plan import Change

# HTTP statuses of KES.
BAD_REQUEST, FORBIDDEN, NOT_FOUND = 400, 403, 404
FINGERPRINT_CONTEXT = b"kesdeploy"


def ensure_secret(deployment: Deployment, resource: Resource, _: Change) -> None:
    body = resource.body
    assert isinstance(body, Secret)
    make = {"user": home.new_user, "password": home.new_password, "key32": _key32}
    if body.make == "given":
        deployment.home.write_secret(body.name, given.read(body.name, body.source))
    elif not deployment.home.secret(body.name).exists():
        deployment.home.write_secret(body.name, make[body.make]())


def refuse_missing(deployment: Deployment, wanted: tuple[Resource, ...]) -> None:
    """Raises UsageError while something that the spec points at is neither there nor kept: everything at once."""
    errors = []
    for body in (resource.body for resource in wanted):
        if isinstance(body, Secret) and body.make == "given" and deployment.home.read_secret(body.name) is None:
            try:
                given.read(body.name, body.source)
            except UsageError as error:
                errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        found = tuple(Problem("spec", f"{error.what}: {error.because}") for error in errors)
        raise SpecError(f"{len(errors)} secrets are not where the spec says", found=found, hint=errors[0].hint)


def _key32() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def authority_pair(deployment: Deployment) -> tuple[bytes | None, bytes | None]:
    """The CA's certificate and key, as far as they are there."""
    return deployment.home.read("ca/ca.crt"), deployment.home.read("ca/ca.key")


def ensure_authority(deployment: Deployment, resource: Resource, _: Change) -> None:
    if not pki.reason_to_replace(*authority_pair(deployment), deployment.now):
        return
    assert isinstance(resource.body, Authority)
    authority = pki.Authority.create(resource.body.name, deployment.now)
    # A kill between the two leaves a pair that does not match: the next run sees that, and makes another.
    deployment.home.write("ca/ca.key", authority.key_pem)
    deployment.home.write("ca/ca.crt", authority.cert_pem, 0o644)


def ensure_identity(deployment: Deployment, resource: Resource, _: Change) -> None:
    """A KES identity: its key is made once, and renewed never (a new key would be another identity)."""
    body = resource.body
    assert isinstance(body, Identity)
    leaf = _authority(deployment).issue(
        filled.identity_request(body), deployment.now, deployment.home.read(f"secrets/{body.name}.key")
    )
    deployment.home.write(f"secrets/{body.name}.key", leaf.key_pem)
    deployment.home.write(f"secrets/{body.name}.crt", leaf.cert_pem)


def ensure_brought_identity(deployment: Deployment, resource: Resource, _: Change) -> None:
    body = resource.body
    assert isinstance(body, BroughtIdentity)
    brought = filled.brought(deployment, body)
    identities.remember(deployment.home, body.name)
    certificate = brought.certificate
    if not certificate:
        request = filled.identity_request(body)
        certificate = _authority(deployment).issue(request, deployment.now, brought.key).cert_pem
    deployment.home.write(f"secrets/{body.name}.key", brought.key)
    deployment.home.write(f"secrets/{body.name}.crt", certificate)


def ensure_certificate(deployment: Deployment, resource: Resource, _: Change) -> None:
    """A server's leaf: one of ours, or the user's own."""
    body, folder = resource.body, deployment.home
    assert isinstance(body, Certificate)
    leaf = filled.server_pair(deployment, body.brought) if body.brought else _issued(deployment, body)
    deployment.state.written(resource.address)
    if body.ca_file:
        folder.write(f"{body.folder}/{body.ca_file}", folder.ca_cert.read_bytes(), 0o644)
    folder.write(f"{body.folder}/private.key", leaf.key_pem)
    folder.write(f"{body.folder}/public.crt", leaf.cert_pem, 0o644)


def _issued(deployment: Deployment, body: Certificate) -> pki.Leaf:
    """Over the key that is there unless new ones are wanted: the same key keeps every pin and identity."""
    authority, request = _authority(deployment), filled.leaf_request(body)
    # A key that came with a certificate of the user's is not ours to go on with.
    theirs = deployment.home.secret(f"{body.common_name}.key").exists()
    kept = None if deployment.new_keys or theirs else deployment.home.read(f"{body.folder}/private.key")
    try:
        return authority.issue(request, deployment.now, kept)
    except CertificateError:
        # A key that nobody can read serves nobody: unlike an identity's, it may be another one.
        return authority.issue(request, deployment.now)


def ensure_trust(deployment: Deployment, resource: Resource, _: Change) -> None:
    assert isinstance(resource.body, Trust)
    deployment.state.written(resource.address)
    deployment.home.write(resource.body.path, filled.trusted(deployment, resource.body), 0o644)


def ensure_file(deployment: Deployment, resource: Resource, _: Change) -> None:
    body = resource.body
    assert isinstance(body, File)
    text = filled.text(deployment, body)
    if body.path == "config/kes/kes-config.yaml":
        from kesdeploy import kes_config

        # KES ignores what it does not know: what it would ignore, we refuse.
        kes_config.check(text)
    if deployment.home.read(body.path) == text.encode():
        return
    deployment.state.written(resource.address)
    deployment.home.write(body.path, text.encode(), body.mode)


def ensure_fingerprint(deployment: Deployment, resource: Resource, _: Change) -> None:
    """A data key that only this key opens, asked for as MinIO's own identity: the gate before MinIO's first start."""
    assert isinstance(resource.body, Fingerprint)
    kes = services.kes(deployment.spec, deployment.home, identity="minio")
    if deployment.home.fingerprint(resource.body.key).exists():
        check_fingerprint(deployment, resource.body.key)
    elif resource.body.key == deployment.spec.key_name and deployment.holds_data:
        _check_by_configuration(deployment, kes)
    elif deployment.keystore.shared(deployment.spec.keystore) and not deployment.adopt_key:
        _refuse_strange_key(deployment, kes, resource.body.key)
    key = kes.generate(resource.body.key, FINGERPRINT_CONTEXT)
    if kes.decrypt(resource.body.key, key.ciphertext, FINGERPRINT_CONTEXT) != key.plaintext:
        raise ServiceError(f"KES does not decrypt what {resource.body.key!r} encrypted")
    document = {
        "key": resource.body.key,
        "keystore": deployment.spec.kms,
        "sandbox": bool(deployment.state.value.sandbox),
        "kes": _release(deployment),
        "ciphertext": base64.b64encode(key.ciphertext).decode(),
        "sha256": hashlib.sha256(key.plaintext).hexdigest(),
        "made": deployment.now.isoformat(timespec="seconds"),
        "origin": asdict(fingerprints.now(deployment, resource.body.key)),
    }
    path = deployment.home.fingerprint(resource.body.key)
    write_private(path, json.dumps(document, indent=1).encode())


def _release(deployment: Deployment) -> str:
    pinned = deployment.state.value.images.get("kes")
    return pinned.version if pinned else ""


def _refuse_strange_key(deployment: Deployment, kes: Kes, key: str) -> None:
    """Another's key must not become ours by chance: who deletes it makes the data of both unreadable."""
    maker = _maker(kes, key)
    if maker not in identities.ours(deployment.home):
        raise DataProtected(
            f"the key {key!r} is in the keystore already, and this deployment did not make it",
            because=f"created by {maker or 'nobody that KES tells'}",
            hint="--key-name OTHER; or, when you know whose it is and want to share it: --adopt-key",
        )


def _maker(kes: Kes, key: str) -> str:
    """The identity that created the key; empty where KES does not tell us."""
    try:
        return str(kes.describe_key(key).get("created_by", ""))
    except ServiceError as error:
        if error.status != FORBIDDEN:
            raise
        return ""


def _check_by_configuration(deployment: Deployment, kes: Kes) -> None:
    """The fingerprint is lost, the data is there: MinIO's own configuration tells whether this is the key."""
    key = deployment.spec.key_name
    if (sealed := protection.sealed_configuration(deployment.home)) is None:
        raise DataProtected(
            f"the fingerprint of the key {key!r} is missing, so nobody can tell whether it is the right key",
            because="MinIO's own configuration is not encrypted with it either",
            hint=f"put {deployment.home.fingerprint(key).name} back from your copy of secrets/",
        )
    name, ciphertext = sealed
    try:
        kes.decrypt(name, base64.b64decode(ciphertext), protection.CONFIG_CONTEXT)
    except ServiceError as error:
        if error.status in (BAD_REQUEST, NOT_FOUND):
            raise loss.of(deployment, name, error) from error
        raise


def check_fingerprint(deployment: Deployment, key: str) -> None:
    """Whether the keystore still holds the very key. Ask with an emptied KES cache, or the answer is worthless.

    Raises DataProtected when it does not, ServiceError when KES cannot say.
    """
    ciphertext, digest = fingerprints.sealed(deployment.home, key)
    kes = services.kes(deployment.spec, deployment.home, identity="minio")
    try:
        plaintext = kes.decrypt(key, ciphertext, FINGERPRINT_CONTEXT)
    except ServiceError as error:
        if error.status in (BAD_REQUEST, NOT_FOUND):
            raise loss.of(deployment, key, error) from error
        raise
    if hashlib.sha256(plaintext).hexdigest() != digest:
        raise loss.of(deployment, key, KesdeployError("it opens the fingerprint to something else"))


def ensure_bucket(deployment: Deployment, resource: Resource, _: Change) -> None:
    body = resource.body
    assert isinstance(body, Bucket)
    minio = services.minio(deployment.spec, deployment.home)
    minio.ensure_bucket(body.name)
    minio.set_bucket_encryption(body.name, body.mode, body.key if body.mode == "sse-kms" else None)


def _authority(deployment: Deployment) -> pki.Authority:
    return pki.Authority(deployment.home.ca_cert.read_bytes(), deployment.home.ca_key.read_bytes())
