"""The gate before MinIO: its own identity can encrypt and decrypt, and the keystore holds the very keys.

MinIO starts "healthy" when KES denies it, and makes a new default key when the old one is gone; so it is started only
after this.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from kesdeploy import fingerprints, pki, proven, services
from kesdeploy.clients.waiting import wait_until
from kesdeploy.ensure import FINGERPRINT_CONTEXT, check_fingerprint
from kesdeploy.errors import CertificateError, DataProtected, EngineError, ServiceError
from kesdeploy.kes_log import explained

if TYPE_CHECKING:
    from kesdeploy.deployment import Deployment
    from kesdeploy.engines import LogLine

# KES's own words (cmd/kes/server.go), one of them for every SIGHUP.
RELOADED = "Reloading configuration after SIGHUP signal completed"
# Seconds until the signal is sent again: one that has just started may not have listened yet.
AGAIN = 5.0
# Lines of KES's log that are looked at: more than it writes between two looks, less than a log of weeks.
LATEST = 2000
# Seconds for a restart policy to do its work.
RESTARTS = 3.0
REFUSED = ("Failed to reload server config", "Failed to update server configuration")


def before_minio(deployment: Deployment) -> None:
    """Raises DataProtected when the keystore holds another key, ServiceError when MinIO's identity may not use it."""
    forget_keys(deployment)
    kes = services.kes(deployment.spec, deployment.home, identity="minio")
    with explained(deployment):
        _the_very_keys(deployment)
        data_key = kes.generate(deployment.spec.key_name, FINGERPRINT_CONTEXT)
        kes.decrypt(deployment.spec.key_name, data_key.ciphertext, FINGERPRINT_CONTEXT)
    _proven(deployment)


def _the_very_keys(deployment: Deployment) -> None:
    """That the keystore holds every key of the data. Ask a KES that has forgotten its cache."""
    for key in deployment.home.guarded_keys():
        check_fingerprint(deployment, key)
        fingerprints.follow(deployment, key)


def _proven(deployment: Deployment) -> None:
    if not services.elsewhere(deployment.spec) and proven.differs(deployment.home):
        proven.keep(deployment.home)


def still_the_keys(deployment: Deployment) -> None:
    """For a KES that read another configuration: MinIO may be running, and must not be left without its keys.

    Raises DataProtected when the keystore there holds them not; KES then goes on as it was proven last.
    """
    if not proven.differs(deployment.home):
        return
    try:
        with explained(deployment):
            _the_very_keys(deployment)
    except DataProtected:
        if proven.put_back(deployment.home):
            forget_keys(deployment)
        raise
    proven.keep(deployment.home)


def forget_keys(deployment: Deployment) -> bool:
    """Have KES read everything again, its keys too (SIGHUP empties its cache), and wait until it says so.

    One that was started again meanwhile has forgotten them. False when KES is not ours to signal: it may answer out of
    its cache then. Raises ServiceError with KES's words when it keeps the old configuration, or does not stay up.
    """
    if services.elsewhere(deployment.spec):
        return False
    name = f"{deployment.name}-kes-server"
    before, found = _answers(deployment, name), deployment.engine.container(name)
    _hang_up(deployment, name)
    looked = asked = time.monotonic()
    deadline = looked + deployment.timeout
    while not _is_new(answers := _answers(deployment, name), before):
        if time.monotonic() > looked + services.LOOK:
            looked = time.monotonic()
            if found and _started(deployment, name) != found.started_at:
                wait_until(services.kes(deployment.spec, deployment.home).ready, timeout=deployment.timeout)
                return True
        if looked > asked + AGAIN:
            asked = looked
            _hang_up(deployment, name)
        if time.monotonic() > deadline:
            raise ServiceError("KES does not react to SIGHUP", hint=f"kesdeploy logs -n {deployment.name} kes")
        time.sleep(0.01)
    _accepted(deployment, answers[-1].text)
    return True


def _hang_up(deployment: Deployment, container: str) -> None:
    """One that has ended just now is told elsewhere, or its restart policy mends it."""
    try:
        deployment.engine.signal(container, "SIGHUP")
    except EngineError:
        found = deployment.engine.container(container)
        if found and found.running:
            raise


def _accepted(deployment: Deployment, answer: str) -> None:
    if RELOADED not in answer:
        hint = f"kesdeploy logs -n {deployment.name} kes"
        raise ServiceError("KES refuses its new configuration, and goes on with the old one", because=answer, hint=hint)


def _started(deployment: Deployment, container: str) -> str:
    """Since when it runs. Its restart policy has a moment to see to that; then ServiceError with its last words."""

    def since() -> str:
        if dead := services.exited(deployment, container, sys.maxsize):
            raise dead
        found = deployment.engine.container(container)
        return found.started_at if found else ""

    return wait_until(since, timeout=RESTARTS, interval=services.LOOK)


def _answers(deployment: Deployment, container: str) -> list[LogLine]:
    lines = deployment.engine.logs(container, tail=LATEST)
    return [line for line in lines if any(word in line.text for word in (RELOADED, *REFUSED))]


def _is_new(answers: list[LogLine], before: list[LogLine]) -> bool:
    """By count, for two may be alike; and by the last one, for a log is cut off, and what was counted leaves it."""
    return len(answers) > len(before) or answers[-1:] not in ([], before[-1:])


def refresh_kes(deployment: Deployment) -> None:
    """Have KES take up its new configuration and certificate, and see that it did."""
    forget_keys(deployment)
    wait_served(deployment, "certificate/kes-server")
    kes = services.kes(deployment.spec, deployment.home)
    for name in ("minio", "operator"):
        kes.describe_identity(pki.identity(deployment.home.identity(name)[0].read_bytes()))
    still_the_keys(deployment)


def wait_served(deployment: Deployment, address: str) -> None:
    """Until the certificate that was issued is the one that is served: a signal is a request, not a proof.

    Raises CertificateError after the deployment's timeout; the old certificate then still serves. ServiceError with its
    last words where it does not run any more.
    """
    part = address.partition("/")[2]
    issued = pki.describe(deployment.home.path(f"certs/{part}/public.crt").read_bytes()).serial
    looked = time.monotonic()
    deadline = looked + deployment.timeout
    while (because := _not_served(deployment, part, issued)) is not None:
        if time.monotonic() > looked + services.LOOK:
            _started(deployment, f"{deployment.name}-{part}")
            looked = time.monotonic()
        if looked > deadline:
            hint = f"kesdeploy logs -n {deployment.name}"
            raise CertificateError(f"{part} still serves its old certificate", because=because, hint=hint)
        time.sleep(0.05)


def _not_served(deployment: Deployment, part: str, serial: str) -> str | None:
    """None once it serves the certificate of this serial; else why it cannot be asked, or nothing."""
    from kesdeploy.clients import served_certificate

    port, client = services.port(deployment.spec, part), deployment.home.identity("minio")
    try:
        there = served_certificate(services.reach(deployment.spec), port, timeout=5, client=client)
    except ServiceError as error:  # a busy machine: the next look may be answered
        return error.because
    return None if pki.describe(there).serial == serial else ""
