"""MinIO's side of a deployment: its env file and its container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.engines import Mount
from kesdeploy.minio_rules import is_source
from kesdeploy.resources import Container, File, Ref, Resource, Secret
from kesdeploy.topology.names import (
    CONSOLE_PORT,
    MINIO,
    MINIO_ENV,
    MINIO_LEAF,
    MINIO_TRUST,
    NO_PROXY,
    POD,
    S3_PORT,
    console_url,
    container_name,
)

if TYPE_CHECKING:
    from kesdeploy.keystores import Site
    from kesdeploy.spec import Spec
    from kesdeploy.topology.kes import KesSide

PART = "minio-server"


def secrets(spec: Spec) -> list[Resource]:
    """Its root user and password, given or generated, and what else its env file holds."""
    password = Secret(
        "root-password", "given" if spec.minio.root_password else "password", spec.minio.root_password or ""
    )
    found = [Resource("secret/root-password", password)]
    if spec.minio.root_user is None:
        found.append(Resource("secret/root-user", Secret("root-user", "user")))
    return [*found, *(Resource(f"secret/{secret.name}", secret) for secret in variables(spec).values())]


def variables(spec: Spec) -> dict[str, Secret]:
    """The secrets among the variables of its own that the user gives it, by their names."""
    given = spec.minio.environment.items()
    return {name: Secret(f"minio-{name}", "given", value) for name, value in given if is_source(value)}


def environment(spec: Spec, kes: KesSide) -> Resource:
    user = {"root_user": spec.minio.root_user} if spec.minio.root_user else {}
    generated = {} if user else {"root_user": Ref("secret", "root-user")}
    drives, hidden = spec.minio.drives, variables(spec)
    file = File(
        path="config/minio/minio",
        template="minio/minio.j2",
        context={
            **user,
            "volumes": "/data" if drives == 1 else f"/data/d{{1...{drives}}}",
            "console_url": console_url(spec),
            "kes": {"endpoint": ",".join(kes.endpoints), "ca": kes.ca, "certificate": kes.certificate},
            "key_name": spec.key_name,
            "auto_encryption": spec.minio.auto_encryption,
            "environment": {n: value for n, value in spec.minio.environment.items() if n not in hidden},
        },
        refs={
            "root_password": Ref("secret", "root-password"),
            **kes.refs,
            **generated,
            **{f"environment.{name}": Ref("secret", secret.name) for name, secret in hidden.items()},
        },
    )
    return Resource(MINIO_ENV, file, (*kes.needs, *(resource.address for resource in secrets(spec))))


def container(spec: Spec, site: Site, kes: KesSide, fingerprints: tuple[str, ...]) -> Resource:
    """`fingerprints`: what has to be proven before it may start."""
    pick, drives = site.images["minio"], spec.minio.drives
    # Without HTTPS only the CA: a leaf that is left from before would make MinIO serve HTTPS.
    certs = Mount(site.path("certs/minio-server"), "/certs")
    leaf = (MINIO_LEAF,) if spec.https else ()
    if not spec.https:
        certs = Mount(site.path("certs/minio-server/CAs"), "/certs/CAs")
    uses = (MINIO_ENV, MINIO_TRUST, *leaf, *kes.uses)
    body = Container(
        name=container_name(spec.name, PART),
        component="minio",
        image=pick.image,
        entrypoint=pick.entrypoint,
        command=(
            "server",
            "--address",
            f":{S3_PORT}",
            "--console-address",
            f":{CONSOLE_PORT}",
            "--certs-dir",
            "/certs",
        ),
        user=site.user,
        mounts=(
            certs,
            Mount(site.path("config/minio"), "/config"),
            Mount(site.path("minio"), "/data", read_only=False, relabel=False),
        ),
        environment={**NO_PROXY, "MINIO_CONFIG_ENV_FILE": "/config/minio"},
        data=("minio",) if drives == 1 else tuple(f"minio/d{n}" for n in range(1, drives + 1)),
        uses=uses,
        serves=(S3_PORT, CONSOLE_PORT),
        # Certificates that have a key: the CA it reads at its start alone. Without any of them, it dies of a SIGHUP.
        reloads=(*leaf, *kes.reloads),
    )
    return Resource(MINIO, body, tuple(dict.fromkeys((POD, *kes.ready, *uses, *fingerprints))))
