"""The doors to a deployment's services, as seen from this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.errors import KesdeployError, ServiceError

if TYPE_CHECKING:
    from kesdeploy.clients.kes import Kes
    from kesdeploy.clients.minio import Minio
    from kesdeploy.deployment import Deployment
    from kesdeploy.home import Home
    from kesdeploy.spec import Spec

REQUEST_TIMEOUT = 15.0


def reach(spec: Spec) -> str:
    """The address at which this machine itself reaches the published ports."""
    bind = spec.network.bind
    return "127.0.0.1" if bind == "0.0.0.0" else bind


def port(spec: Spec, part: str) -> int:
    """The port of this machine under which a part is published; a keystore of ours is the third."""
    network = spec.network
    return {"kes-server": network.kes_port, "minio-server": network.s3_port}.get(part, network.vault_port)


def kes(spec: Spec, home: Home, *, identity: str = "operator", timeout: float = REQUEST_TIMEOUT) -> Kes:
    """KES as one of our identities: `operator` (kesdeploy's own) or `minio`."""
    from kesdeploy.clients.kes import Kes

    certificate, key = home.identity(identity)
    return Kes(f"https://{reach(spec)}:{spec.network.kes_port}", home.ca_cert, certificate, key, timeout)


def root(spec: Spec, home: Home) -> tuple[str, str]:
    """MinIO's root user and password."""
    user = spec.minio.root_user or home.read_secret("root-user")
    password = home.read_secret("root-password")
    if not user or not password:
        raise KesdeployError("this deployment has no root credentials yet", hint="kesdeploy up")
    return user, password


def minio(spec: Spec, home: Home, *, timeout: float = REQUEST_TIMEOUT) -> Minio:
    from kesdeploy.clients.minio import Minio

    scheme = "https" if spec.https else "http"
    user, password = root(spec, home)
    ca = home.ca_cert if spec.https else None
    return Minio(f"{scheme}://{reach(spec)}:{spec.network.s3_port}", user, password, ca, timeout)


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
    words = last_words(deployment, container)
    part = container.removeprefix(f"{deployment.name}-").removesuffix("-server")
    return ServiceError(
        f"{container} does not stay up ({code})",
        because=words,
        hint=f"kesdeploy logs -n {deployment.name} {part}",
    )
