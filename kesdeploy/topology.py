"""Spec -> what a deployment consists of. Pure: no clock, no disk, no engine.

A keystore adds its own resources through its module; everything else of a deployment is here.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from kesdeploy import keystores
from kesdeploy.engines import Mount, Port
from kesdeploy.resources import (
    Authority,
    Bucket,
    Certificate,
    Container,
    File,
    Fingerprint,
    Identity,
    Key,
    Pod,
    Ref,
    Resource,
    Secret,
    Trust,
)

if TYPE_CHECKING:
    from kesdeploy.keystores import Contribution, Keystore, Site
    from kesdeploy.spec import Spec

S3_PORT, CONSOLE_PORT, KES_PORT = 9000, 9001, 7373
_PORTS = ("s3_port", "console_port", "kes_port")
CA, POD = "authority/ca", "pod/pod"
KES, MINIO = "container/kes-server", "container/minio-server"
KES_CONFIG, MINIO_ENV = "file/kes-config", "file/minio-env"
KES_LEAF, MINIO_LEAF, MINIO_TRUST = "certificate/kes-server", "certificate/minio-server", "trust/minio-server"
# Nothing inside of a deployment goes through a proxy, whatever the host's environment says.
NO_PROXY = {"NO_PROXY": "*", "no_proxy": "*"}


def pod_name(name: str) -> str:
    return f"minio-kes-{name}"


def container_name(name: str, part: str) -> str:
    return f"{name}-{part}"


def published(spec: Spec, keystore: Keystore) -> dict[str, int]:
    """The ports that a deployment publishes, by their names in the spec: a keystore that we run has one more."""
    names = (*_PORTS, "vault_port") if keystore.components(spec) else _PORTS
    return {name: getattr(spec.network, name) for name in names}


def components(spec: Spec) -> tuple[str, ...]:
    """The images a deployment needs, by their names in the catalogue."""
    return ("kes", "minio", *keystores.of(spec).components(spec))


def desired(spec: Spec, site: Site) -> tuple[Resource, ...]:
    """Every resource of the deployment, each after what it needs."""
    keystore = keystores.of(spec).contribute(spec, site)
    found = [
        *_trust(spec),
        *_secrets(spec),
        _pod(spec, keystore),
        *keystore.resources,
        *_kes(spec, site, keystore),
        *_keys(spec),
        *_minio(spec, site),
        *_buckets(spec),
    ]
    return in_order(tuple(found))


def in_order(resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """The same, each after what it needs; otherwise as given. KeyError for a need that nobody fulfils."""
    by_address = {resource.address: resource for resource in resources}
    done: dict[str, Resource] = {}

    def visit(address: str) -> None:
        if address not in done:
            for need in by_address[address].needs:
                visit(need)
            done[address] = by_address[address]

    for address in by_address:
        visit(address)
    return tuple(done.values())


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


def s3_url(spec: Spec) -> str:
    return f"{_scheme(spec)}://{public_host(spec)}:{spec.network.s3_port}"


def console_url(spec: Spec) -> str:
    return f"{_scheme(spec)}://{public_host(spec)}:{spec.network.console_port}"


def kes_url(spec: Spec) -> str:
    return f"https://{public_host(spec)}:{spec.network.kes_port}"


def _scheme(spec: Spec) -> str:
    return "https" if spec.https else "http"


def _trust(spec: Spec) -> list[Resource]:
    kes = Certificate("certs/kes-server", "kes-server", server_names(spec, "kes-server"), ca_file="ca.crt")
    minio = Certificate("certs/minio-server", "minio-server", server_names(spec, "minio-server"))
    return [
        Resource(CA, Authority(f"kesdeploy {spec.name}")),
        Resource("identity/minio", Identity("minio"), (CA,)),
        Resource("identity/operator", Identity("operator"), (CA,)),
        Resource(KES_LEAF, kes, (CA,)),
        *([Resource(MINIO_LEAF, minio, (CA,))] if spec.https else []),
        Resource(MINIO_TRUST, Trust("certs/minio-server/CAs/ca.crt"), (CA,)),
    ]


def _secrets(spec: Spec) -> list[Resource]:
    password = Secret(
        "root-password", "given" if spec.minio.root_password else "password", spec.minio.root_password or ""
    )
    found = [Resource("secret/root-password", password)]
    if spec.minio.root_user is None:
        found.append(Resource("secret/root-user", Secret("root-user", "user")))
    return found


def _pod(spec: Spec, keystore: Contribution) -> Resource:
    bind, network = spec.network.bind, spec.network
    ports = (
        Port(bind, network.s3_port, S3_PORT),
        Port(bind, network.console_port, CONSOLE_PORT),
        Port(bind, network.kes_port, KES_PORT),
        *keystore.ports,
    )
    parts = ("kes-server", "minio-server", *keystore.hosts)
    hosts = tuple((container_name(spec.name, part), "127.0.0.1") for part in parts)
    return Resource(POD, Pod(pod_name(spec.name), ports, hosts))


def _kes(spec: Spec, site: Site, keystore: Contribution) -> list[Resource]:
    config = File(
        path="config/kes/kes-config.yaml",
        template="kes/kes-config.yaml.j2",
        context={
            "keys": _key_names(spec),
            "cache": spec.kes.cache.model_dump(),
            "log": spec.kes.log.model_dump(),
            "keystore": {"kind": spec.kms, **keystore.context},
        },
        refs={
            "minio_identity": Ref("identity", "minio"),
            "operator_identity": Ref("identity", "operator"),
            **{f"keystore.{name}": ref for name, ref in keystore.refs.items()},
        },
    )
    uses = (KES_CONFIG, "certificate/kes-server", *keystore.uses)
    pick = site.images["kes"]
    container = Container(
        name=container_name(spec.name, "kes-server"),
        component="kes",
        image=pick.image,
        entrypoint=pick.entrypoint,
        command=("server", "--config", "/config/kes-config.yaml"),
        user=site.user,
        mounts=(
            Mount(site.path("certs/kes-server"), "/certs"),
            Mount(site.path("config/kes"), "/config"),
            *keystore.mounts,
        ),
        environment={**NO_PROXY, **keystore.environment},
        data=keystore.data,
        uses=uses,
        reloads=uses,
    )
    return [
        Resource(KES_CONFIG, config, ("identity/minio", "identity/operator", *keystore.needs)),
        Resource(KES, container, (POD, *uses, *keystore.needs)),
    ]


def _key_names(spec: Spec) -> list[str]:
    """The default key and those that buckets have of their own: kesdeploy makes them, and nobody else may."""
    return list(dict.fromkeys((spec.key_name, *(bucket.key for bucket in spec.minio.buckets if bucket.key))))


def _keys(spec: Spec) -> list[Resource]:
    return [
        resource
        for name in _key_names(spec)
        for resource in (
            Resource(f"key/{name}", Key(name), (KES,)),
            Resource(f"fingerprint/{name}", Fingerprint(name), (f"key/{name}",)),
        )
    ]


def _minio(spec: Spec, site: Site) -> list[Resource]:
    user = {"root_user": spec.minio.root_user} if spec.minio.root_user else {}
    refs = {"root_password": Ref("secret", "root-password"), "api_key": Ref("api-key", "minio")}
    needs = ["identity/minio", "secret/root-password"]
    if not user:
        refs["root_user"] = Ref("secret", "root-user")
        needs.append("secret/root-user")
    drives = spec.minio.drives
    environment = File(
        path="config/minio/minio",
        template="minio/minio.j2",
        context={
            **user,
            "volumes": "/data" if drives == 1 else f"/data/d{{1...{drives}}}",
            "console_url": console_url(spec),
            "kes_endpoint": f"https://{container_name(spec.name, 'kes-server')}:{KES_PORT}",
            "key_name": spec.key_name,
            "auto_encryption": spec.minio.auto_encryption,
        },
        refs=refs,
    )
    return [Resource(MINIO_ENV, environment, tuple(needs)), _minio_container(spec, site)]


def _minio_container(spec: Spec, site: Site) -> Resource:
    pick, drives = site.images["minio"], spec.minio.drives
    # Without HTTPS only the CA: a leaf that is left from before would make MinIO serve HTTPS.
    certs = Mount(site.path("certs/minio-server"), "/certs")
    leaf = (MINIO_LEAF,) if spec.https else ()
    if not spec.https:
        certs = Mount(site.path("certs/minio-server/CAs"), "/certs/CAs")
    container = Container(
        name=container_name(spec.name, "minio-server"),
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
        uses=(MINIO_ENV, MINIO_TRUST, *leaf),
        # Only its own leaf: the CA it reads at its start alone. In API-key mode without TLS, MinIO dies of a SIGHUP.
        reloads=leaf,
    )
    fingerprints = tuple(r.address for r in _keys(spec) if isinstance(r.body, Fingerprint))
    return Resource(MINIO, container, (POD, KES, MINIO_ENV, MINIO_TRUST, *leaf, *fingerprints))


def _buckets(spec: Spec) -> list[Resource]:
    return [
        Resource(f"bucket/{b.name}", Bucket(b.name, b.key or spec.key_name, b.mode), (MINIO,))
        for b in spec.minio.buckets
    ]
