"""Spec -> what a deployment consists of. Pure: no clock, no disk, no engine.

A keystore adds its own resources through its module; everything else of a deployment is here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kesdeploy import keystores
from kesdeploy.engines import Port
from kesdeploy.resources import Authority, Bucket, Container, Fingerprint, Key, Pod, Resource, Trust
from kesdeploy.spec import RESTART
from kesdeploy.topology import kes as kes_side
from kesdeploy.topology import leaves, limits, minio
from kesdeploy.topology.kes import KesSide, key_names
from kesdeploy.topology.names import (
    CA,
    CONSOLE_PORT,
    KES,
    KES_CONFIG,
    KES_PORT,
    MINIO,
    MINIO_ENV,
    MINIO_TRUST,
    POD,
    S3_PORT,
    components,
    console_url,
    container_name,
    container_names,
    kes_host,
    kes_url,
    pod_name,
    public_host,
    published,
    s3_host,
    s3_url,
    server_names,
)

if TYPE_CHECKING:
    from kesdeploy.keystores import Contribution, Site
    from kesdeploy.spec import Spec

__all__ = [
    "CA",
    "KES",
    "KES_CONFIG",
    "KES_PORT",
    "MINIO",
    "MINIO_ENV",
    "POD",
    "S3_PORT",
    "components",
    "console_url",
    "container_name",
    "container_names",
    "desired",
    "in_order",
    "kes_alone",
    "kes_host",
    "kes_url",
    "key_names",
    "pod_name",
    "public_host",
    "published",
    "s3_host",
    "s3_url",
    "server_names",
]


def desired(spec: Spec, site: Site) -> tuple[Resource, ...]:
    """Every resource of the deployment, each after what it needs."""
    module = keystores.of(spec)
    added, elsewhere = module.contribute(spec, site), module.elsewhere(spec)
    kes = kes_side.theirs(elsewhere, added) if elsewhere else kes_side.ours(spec, site, added)
    keys = _keys(spec, kes)
    found = [
        Resource(CA, Authority(f"kesdeploy {spec.name}")),
        *kes.identities,
        *_trust(spec),
        *minio.secrets(spec),
        _pod(spec, kes, added),
        *added.resources,
        *kes.resources,
        *keys,
        minio.environment(spec, kes),
        minio.container(spec, site, kes, tuple(r.address for r in keys if isinstance(r.body, Fingerprint))),
        *_buckets(spec),
    ]
    return in_order(limits.limited(spec, tuple(_restarted(spec, resource) for resource in found)))


def _restarted(spec: Spec, resource: Resource) -> Resource:
    """With the restart policy that the user chose, whoever asks for the container."""
    if spec.restart == RESTART or not isinstance(resource.body, Container):
        return resource
    return replace(resource, body=replace(resource.body, restart=spec.restart))


def kes_alone(spec: Spec, site: Site) -> tuple[Resource, ...]:
    """Its KES with what that needs, and nothing else: to try a keystore out. Of a spec whose KES runs here."""
    added = keystores.of(spec).contribute(spec, site)
    kes = kes_side.ours(spec, site, added)
    hosts = tuple((container_name(spec.name, part), "127.0.0.1") for part in (*kes.hosts, *added.hosts))
    pod = Resource(POD, Pod(pod_name(spec.name), (*kes.ports, *added.ports), hosts))
    authority = Resource(CA, Authority(f"kesdeploy {spec.name}"))
    return in_order((authority, *kes.identities, pod, *added.resources, *kes.resources))


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


def _trust(spec: Spec) -> list[Resource]:
    """MinIO's leaf, and whom it trusts: our CA, and the root of a certificate that the user brings for KES."""
    roots = leaves.trusted(spec, kes_side.PART)
    also = roots[0].removeprefix("secret/") if roots else None
    return [
        *(leaves.leaf(spec, minio.PART) if spec.https else ()),
        Resource(MINIO_TRUST, Trust("certs/minio-server/CAs/ca.crt", also), (CA, *roots)),
    ]


def _pod(spec: Spec, kes: KesSide, keystore: Contribution) -> Resource:
    bind, network = spec.network.bind, spec.network
    ports = (
        Port(bind, network.s3_port, S3_PORT),
        Port(bind, network.console_port, CONSOLE_PORT),
        *kes.ports,
        *keystore.ports,
    )
    parts = (*kes.hosts, minio.PART, *keystore.hosts)
    hosts = tuple((container_name(spec.name, part), "127.0.0.1") for part in parts)
    return Resource(POD, Pod(pod_name(spec.name), ports, hosts))


def _keys(spec: Spec, kes: KesSide) -> list[Resource]:
    return [
        resource
        for name in key_names(spec)
        for resource in (
            Resource(f"key/{name}", Key(name), kes.ready),
            Resource(f"fingerprint/{name}", Fingerprint(name), (f"key/{name}",)),
        )
    ]


def _buckets(spec: Spec) -> list[Resource]:
    return [
        Resource(f"bucket/{b.name}", Bucket(b.name, b.key or spec.key_name, b.mode), (MINIO,))
        for b in spec.minio.buckets
    ]
