"""The proof: check by check, each with its evidence, and a hint when it fails. Health endpoints alone prove nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from kesdeploy import ensure, explain, gate, pki, protection, services, strangers, validity
from kesdeploy.clients import served_certificate
from kesdeploy.deployment import Deployment
from kesdeploy.errors import KesdeployError, ServiceError, in_words
from kesdeploy.home import PROOF_BUCKET
from kesdeploy.resources import Certificate, Container, Resource

if TYPE_CHECKING:
    from kesdeploy.clients.minio import Minio


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `evidence` is what was seen, `hint` the next command when it is not ok."""

    name: str
    ok: bool
    evidence: str
    hint: str = ""
    code: str = ""
    """Of the error, where there was one."""


Look = Callable[[Deployment], str]


def verify(deployment: Deployment, desired: tuple[Resource, ...], *, forget: bool = True) -> tuple[Check, ...]:
    """Every check. `forget`: KES is told to forget its cache before the object is read again (SIGHUP)."""
    return tuple(_checks(deployment, desired, forget=forget))


def proof(deployment: Deployment) -> tuple[Check, ...]:
    """The object's round trip alone, with MinIO's own view of the KMS: what a second `up` repeats. No signal."""
    looks: dict[str, Look] = {
        "keystore holds the key": _keystore,
        "MinIO uses the KMS": _minio_view,
        "object": lambda d: round_trip(d, forget=False),
    }
    return tuple(_look(deployment, name, look) for name, look in looks.items())


def _checks(deployment: Deployment, desired: tuple[Resource, ...], *, forget: bool) -> Iterator[Check]:
    containers = [resource for resource in desired if isinstance(resource.body, Container)]
    running = [_look(deployment, f"{r.name} runs as planned", partial(_runs, resource=r)) for r in containers]
    yield from running
    if any(check.code == NotRunning.code for check in running):
        return  # as with certificates: the rest follows, each after its own time-out
    if ended := validity.expired(deployment.spec, deployment.home, deployment.now):
        # Nobody answers over one of them: all that comes after would only say so again.
        yield from (Check("certificates last", ok=False, evidence=p.message, hint=p.hint, code=p.code) for p in ended)
        return
    looks = _looks(deployment, desired)
    # Side by side: who is silent lets each of them wait until its time is up.
    threads = ThreadPoolExecutor(len(looks))
    try:
        yield from threads.map(lambda each: _look(deployment, *each), looks.items())
    finally:
        threads.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for the silent
    # KES's cache may hold the last copy of a key that is gone.
    forget = forget and not protection.gone(deployment)
    yield _look(deployment, "object", lambda d: round_trip(d, forget=forget))


def _looks(deployment: Deployment, desired: tuple[Resource, ...]) -> dict[str, Look]:
    """What changes nothing, by name."""
    found: dict[str, Look] = {}
    for resource in desired:
        if isinstance(resource.body, Certificate):
            port = services.port(deployment.spec, resource.name)
            found[f"certificate of {resource.name}"] = partial(_served, resource=resource, port=port)
    found |= {"KES knows its client": _client, "KES refuses a stranger": strangers.refused}
    if deployment.spec.kes.key_prefix:
        found["KES keeps MinIO to its prefix"] = strangers.kept_to_its_prefix
    return {**found, "keystore holds the key": _keystore, "MinIO is ready": _ready, "MinIO uses the KMS": _minio_view}


def _look(deployment: Deployment, name: str, look: Look) -> Check:
    try:
        return Check(name, ok=True, evidence=look(deployment))
    except (KesdeployError, OSError) as error:
        what = error.what if isinstance(error, KesdeployError) else f"{error.filename or 'a file'}: {in_words(error)}"
        because = getattr(error, "because", "")
        next_look = "logs" if isinstance(error, ServiceError) else "plan"
        hint = getattr(error, "hint", "") or _advised(deployment, f"{what}\n{because}")
        hint = hint or f"kesdeploy {next_look} -n {deployment.name}"
        return Check(
            name,
            ok=False,
            evidence=f"{what}: {because}" if because else what,
            hint=hint,
            code=getattr(error, "code", ""),
        )


def _advised(deployment: Deployment, words: str) -> str:
    """What to do about an error that is known by its words; empty where it is not."""
    found = explain.advice(words, deployment.name)
    return found.next if found else ""


def _runs(deployment: Deployment, resource: Resource) -> str:
    from kesdeploy.deployment import DIGEST

    assert isinstance(resource.body, Container)
    found = deployment.engine.container(resource.body.name)
    if found is None or not found.running:
        state = found.state if found else "missing"
        raise NotRunning(f"{resource.body.name} is {state}", hint=f"kesdeploy up -n {deployment.name}")
    if found.labels.get(DIGEST) != resource.digest:
        raise ServiceError(
            f"{resource.body.name} is not what the spec wants", hint=f"kesdeploy up -n {deployment.name}"
        )
    return f"{deployment.image_of(found)}, since {found.started_at[:19]}"


def _served(deployment: Deployment, resource: Resource, port: int) -> str:
    assert isinstance(resource.body, Certificate)
    client = deployment.home.identity("minio")
    served = pki.describe(served_certificate(services.reach(deployment.spec), port, timeout=5, client=client))
    issued = pki.describe(deployment.home.path(f"{resource.body.folder}/public.crt").read_bytes())
    if served.serial != issued.serial:
        hint = f"kesdeploy up -n {deployment.name}"
        raise ServiceError("another certificate is served than the one that was issued", hint=hint)
    return f"served as issued, {served.days_left(deployment.now)} days left"


def _client(deployment: Deployment) -> str:
    kes = services.kes(deployment.spec, deployment.home)
    if not services.elsewhere(deployment.spec):
        kes.ready()  # MinIO's identity may seldom ask that of a KES that others run: there, the key tells
    version = kes.version()
    return f"KES {version}" if version else "KES answers"


def _keystore(deployment: Deployment) -> str:
    """KES's own status is green with wrong credentials: only a key tells. And it answers for one that is gone."""
    protection.refuse_gone(deployment)
    kes = services.kes(deployment.spec, deployment.home, identity="minio")
    key = deployment.spec.key_name
    data_key = kes.generate(key, b"kesdeploy")
    kes.decrypt(key, data_key.ciphertext, b"kesdeploy")
    _the_very_keys(deployment)
    return f"{deployment.keystore.title}: {key!r} encrypts and decrypts as MinIO's identity"


def _the_very_keys(deployment: Deployment) -> None:
    """A new key of the same name would do for everything else, and open nothing that is here."""
    for key in deployment.home.guarded_keys():
        ensure.check_fingerprint(deployment, key)


def _ready(deployment: Deployment) -> str:
    services.minio(deployment.spec, deployment.home).ready()
    return "ready and cluster answer 200"


def _minio_view(deployment: Deployment) -> str:
    status = services.minio(deployment.spec, deployment.home).key_status(deployment.spec.key_name)
    if not status.ok:
        raise ServiceError("MinIO cannot use its key", because=status.encryption_error or status.decryption_error)
    return f"encryption and decryption with {status.key!r} ok"


def round_trip(deployment: Deployment, *, forget: bool) -> str:
    """An object goes in, comes back, says `aws:kms` and the key, and is ciphertext on disk.

    `forget`: KES is told to forget its keys before it is read again.
    """
    minio, key = services.minio(deployment.spec, deployment.home), deployment.spec.key_name
    plain = b"kesdeploy proof " + os.urandom(16).hex().encode() + b" " + b"p" * 2000
    _ensure_proof_bucket(deployment, minio)
    name = f"proof-{time.time_ns()}"
    minio.put(PROOF_BUCKET, name, plain)
    try:
        head = minio.head(PROOF_BUCKET, name)
        if (head.sse, head.key) != ("aws:kms", key):
            raise NotEncrypted("the object was stored without encryption", because=f"HEAD says {head.sse or 'nothing'}")
        on_disk = _on_disk(deployment, name, plain)
        forgot = forget and gate.forget_keys(deployment)
        if forgot:
            _the_very_keys(deployment)
        if minio.get(PROOF_BUCKET, name) != plain:
            raise ServiceError("the object that came back is not the one that went in")
    finally:
        minio.remove(PROOF_BUCKET, name)
    rule = "" if deployment.spec.minio.auto_encryption else " by its bucket's own rule (auto-encryption is off)"
    again = " and read again after KES forgot its keys" if forgot else ""
    again = again or ("; KES is not ours, so it may have answered out of its cache" if forget else "")
    return f"stored as aws:kms with {key!r}{rule}, {on_disk}, came back equal{again}"


def _ensure_proof_bucket(deployment: Deployment, minio: Minio) -> None:
    """With auto-encryption on, it has no rule of its own: there it fails open, if it does."""
    wanted = None if deployment.spec.minio.auto_encryption else ("sse-kms", deployment.spec.key_name)
    minio.ensure_bucket(PROOF_BUCKET)
    if minio.bucket_encryption(PROOF_BUCKET) == wanted:
        return
    if wanted:
        minio.set_bucket_encryption(PROOF_BUCKET, *wanted)
    else:
        minio.clear_bucket_encryption(PROOF_BUCKET)


class NotRunning(ServiceError):
    code = "not-running"


class NotEncrypted(ServiceError):
    """MinIO stored the proof in the clear: auto-encryption was off when it started."""

    code = "not-encrypted"


def _on_disk(deployment: Deployment, name: str, plain: bytes) -> str:
    """That the plaintext is in no file of the object, and that there are files at all."""
    folders = [drive / PROOF_BUCKET / name for drive in deployment.home.drives()]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    if not files:
        because = f"no {PROOF_BUCKET}/{name} below {deployment.home.path('minio')}"
        raise ServiceError("the object is nowhere on disk", because=because)
    data = b"".join(file.read_bytes() for file in files)
    if plain[:40] in data or plain[-1000:] in data:
        raise NotEncrypted("the object lies on disk in the clear", because=str(files[0]))
    if b"X-Minio-Internal-Server-Side-Encryption-Kms-Sealed-Key" not in data:
        raise ServiceError("the object on disk carries no sealed key", because=str(files[0]))
    return f"ciphertext on disk ({sum(f.stat().st_size for f in files)} bytes)"
