"""The doors to a deployment's services, as seen from this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy import explain, keystores
from kesdeploy.errors import KesdeployError, Problem, ServiceError, StateError
from kesdeploy.topology import leaves

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.clients.kes import Kes
    from kesdeploy.clients.minio import Minio
    from kesdeploy.deployment import Deployment
    from kesdeploy.home import Home
    from kesdeploy.keystores import Elsewhere
    from kesdeploy.spec import Spec

REQUEST_TIMEOUT = 15.0
# Seconds between two looks at a container that does not answer yet: the engine's answer costs what its start needs.
LOOK = 0.15
# By itself, or by SIGKILL or SIGTERM.
_ENDED_AS_TOLD = (0, 137, 143)


def reach(spec: Spec) -> str:
    """The address at which this machine itself reaches the published ports."""
    bind = spec.network.bind
    return "127.0.0.1" if bind == "0.0.0.0" else bind


def port(spec: Spec, part: str) -> int:
    """The port of this machine under which a part is published; a keystore of ours is the third."""
    network = spec.network
    return {"kes-server": network.kes_port, "minio-server": network.s3_port}.get(part, network.vault_port)


def elsewhere(spec: Spec) -> Elsewhere | None:
    """The KES that others run; None where kesdeploy runs it."""
    return keystores.of(spec).elsewhere(spec)


def kes_addresses(spec: Spec) -> tuple[str, ...]:
    """Where this machine itself reaches KES."""
    theirs = elsewhere(spec)
    return theirs.endpoints if theirs else (f"https://{reach(spec)}:{spec.network.kes_port}",)


def kes_ca(spec: Spec, home: Home) -> Path | None:
    """The authority of KES's certificate; None for the public ones."""
    if theirs := elsewhere(spec):
        return home.path(f"config/minio/{theirs.ca}") if theirs.ca else None
    return _root(spec, home, "kes-server")


def s3_ca(spec: Spec, home: Home) -> Path | None:
    """The authority of S3's certificate; None for the public ones, and without HTTPS."""
    return _root(spec, home, "minio-server") if spec.https else None


def _root(spec: Spec, home: Home, part: str) -> Path | None:
    """Whom a client of a server of ours has to trust."""
    given = leaves.section(spec, part)
    if given is None:
        return home.ca_cert
    return home.secret(f"{part}-ca.crt") if given.ca else None


def called(spec: Spec, part: str) -> str:
    """The name that a server's certificate is asked for, where our own address of it may not be in it."""
    return leaves.called(spec, part)[0] if leaves.section(spec, part) else ""


def kes_identity(spec: Spec) -> str:
    """Whom kesdeploy asks KES as, for itself and for the user: a KES that others run knows nobody but MinIO."""
    return "minio" if elsewhere(spec) else "operator"


def kes(spec: Spec, home: Home, *, identity: str = "", timeout: float = REQUEST_TIMEOUT) -> Kes:
    """KES as `minio`; by default as `kes_identity` says."""
    return kes_as(spec, home, home.identity(identity or kes_identity(spec)), timeout=timeout)


def kes_as(spec: Spec, home: Home, pair: tuple[Path, Path], *, timeout: float = REQUEST_TIMEOUT) -> Kes:
    """KES as whoever this certificate and key belong to."""
    from kesdeploy.clients.kes import Kes

    address, *others = kes_addresses(spec)
    name = called(spec, "kes-server")
    return Kes(address, kes_ca(spec, home), *pair, timeout, others=tuple(others), called=name)


def root(spec: Spec, home: Home) -> tuple[str, str]:
    """MinIO's root user and password."""
    user = spec.minio.root_user or home.read_secret("root-user")
    password = home.read_secret("root-password")
    if not user or not password:
        raise StateError("this deployment has no root credentials", hint=f"kesdeploy up -n {home.name}")
    return user, password


def minio(spec: Spec, home: Home, *, timeout: float = REQUEST_TIMEOUT, login: tuple[str, str] | None = None) -> Minio:
    """MinIO as its root, or with another user and password."""
    from kesdeploy.clients.minio import Minio

    scheme = "https" if spec.https else "http"
    user, password = login or root(spec, home)
    address = f"{scheme}://{reach(spec)}:{spec.network.s3_port}"
    return Minio(address, user, password, s3_ca(spec, home), timeout, called(spec, "minio-server"))


def resting(deployment: Deployment) -> Problem | None:
    """That nothing of it runs, and the one command that changes it; None while something does."""
    there = deployment.engine.containers(deployment.labels)
    if any(container.running for container in there):
        return None
    if not there:
        return Problem("down", f"{deployment.name} is down: it has no containers", f"kesdeploy up -n {deployment.name}")
    failed = [f"{c.name} ended with exit code {c.exit_code}" for c in there if c.exit_code not in _ENDED_AS_TOLD]
    words = f"{deployment.name} is stopped" + (f": {', '.join(failed)}" if failed else "")
    return Problem("stopped", words, f"kesdeploy start -n {deployment.name}")


def last_words(deployment: Deployment, container: str, lines: int = 5) -> str:
    """The last lines of a container, for an error's cause."""
    try:
        return "\n".join(line.text for line in deployment.engine.logs(container, tail=lines))
    except KesdeployError:
        return ""


def exited(deployment: Deployment, container: str, restarts: int) -> ServiceError | None:
    """Why a container does not stay up, in its own last words.

    None while it runs and was restarted no oftener than `restarts` times.
    """
    found = deployment.engine.container(container)
    if found and found.running and found.restarts <= restarts:
        return None
    code = f"exit code {found.exit_code}" if found else "it is gone"
    part = container.removeprefix(f"{deployment.name}-").removesuffix("-server")
    logs = f"kesdeploy logs -n {deployment.name} {part}"
    because, hint = explain.clearer(last_words(deployment, container), logs, deployment.name)
    return ServiceError(f"{container} does not stay up ({code})", because=because, hint=hint)
