"""What the parts of a deployment are called, and the addresses under which they are reached."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from kesdeploy import keystores

if TYPE_CHECKING:
    from kesdeploy.keystores import Keystore
    from kesdeploy.spec import Spec

S3_PORT, CONSOLE_PORT, KES_PORT = 9000, 9001, 7373
CA, POD = "authority/ca", "pod/pod"
KES, MINIO = "container/kes-server", "container/minio-server"
KES_CONFIG, MINIO_ENV = "file/kes-config", "file/minio-env"
KES_LEAF, MINIO_LEAF, MINIO_TRUST = "certificate/kes-server", "certificate/minio-server", "trust/minio-server"
# MinIO's identity in KES, and kesdeploy's own.
CLIENT, OPERATOR = "identity/minio", "identity/operator"
# Nothing inside of a deployment goes through a proxy, whatever the host's environment says.
NO_PROXY = {"NO_PROXY": "*", "no_proxy": "*"}


def proxied(spec: Spec) -> dict[str, str]:
    """KES's environment: through a proxy only what the user wants there, and never what is inside."""
    if not spec.kes.proxy:
        return NO_PROXY
    inside = ",".join(("localhost", "127.0.0.1", "::1", *container_names(spec.name)))
    through = dict.fromkeys(("HTTPS_PROXY", "https_proxy"), spec.kes.proxy)
    return {**through, **dict.fromkeys(NO_PROXY, inside)}


def pod_name(name: str) -> str:
    return f"minio-kes-{name}"


def container_name(name: str, part: str) -> str:
    return f"{name}-{part}"


def container_names(name: str) -> tuple[str, ...]:
    """All that a deployment may have."""
    return tuple(container_name(name, part) for part in ("kes-server", "minio-server", "vault"))


def published(spec: Spec, keystore: Keystore) -> dict[str, int]:
    """The ports that a deployment publishes, by their names in the spec."""
    kes = () if keystore.elsewhere(spec) else ("kes_port",)
    vault = ("vault_port",) if keystore.components(spec) else ()
    return {name: getattr(spec.network, name) for name in ("s3_port", "console_port", *kes, *vault)}


def components(spec: Spec) -> tuple[str, ...]:
    """The images a deployment needs, by their names in the catalogue."""
    keystore = keystores.of(spec)
    kes = () if keystore.elsewhere(spec) else ("kes",)
    return (*kes, "minio", *keystore.components(spec))


def server_names(spec: Spec, part: str) -> tuple[str, ...]:
    """What a server certificate is valid for: every name and address it may be called by."""
    bind = () if ipaddress.ip_address(spec.network.bind).is_unspecified else (spec.network.bind,)
    names = (
        "localhost",
        "127.0.0.1",
        "::1",
        container_name(spec.name, part),
        pod_name(spec.name),
        "host.containers.internal",
        "host.docker.internal",
        *bind,
        *spec.network.extra_names,
    )
    return tuple(dict.fromkeys(names))


def public_host(spec: Spec) -> str:
    """The host name or address that a user's browser or client should use."""
    if not ipaddress.ip_address(spec.network.bind).is_unspecified:
        return spec.network.bind
    return spec.network.extra_names[0] if spec.network.extra_names else "localhost"


def s3_host(spec: Spec) -> str:
    """What S3 clients and browsers call MinIO: of a certificate that the user brings, what that is valid for."""
    given = spec.minio.certificate
    return (given and given.host) or public_host(spec)


def kes_host(spec: Spec) -> str:
    """What clients outside of the deployment call its KES."""
    given = spec.kes.certificate
    return (given and given.host) or public_host(spec)


def s3_url(spec: Spec) -> str:
    return f"{_scheme(spec)}://{_in_url(s3_host(spec))}:{spec.network.s3_port}"


def console_url(spec: Spec) -> str:
    return f"{_scheme(spec)}://{_in_url(s3_host(spec))}:{spec.network.console_port}"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def kes_url(spec: Spec) -> str:
    """Where KES is reached from this machine; of several endpoints, the first."""
    elsewhere = keystores.of(spec).elsewhere(spec)
    return elsewhere.endpoints[0] if elsewhere else f"https://{_in_url(kes_host(spec))}:{spec.network.kes_port}"


def _scheme(spec: Spec) -> str:
    return "https" if spec.https else "http"
