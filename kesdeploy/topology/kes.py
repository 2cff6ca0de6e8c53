"""KES's side of a deployment: a container of ours, or a service that others run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kesdeploy import kes_versions
from kesdeploy.engines import Mount, Port
from kesdeploy.errors import UsageError
from kesdeploy.resources import Container, File, Identity, Ref, Resource
from kesdeploy.topology import leaves
from kesdeploy.topology.names import (
    CA,
    CLIENT,
    KES,
    KES_CONFIG,
    KES_LEAF,
    KES_PORT,
    OPERATOR,
    POD,
    container_name,
    proxied,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.keystores import Contribution, Elsewhere, Site
    from kesdeploy.spec import Spec

PART = "kes-server"


@dataclass(frozen=True)
class KesSide:
    """KES as the rest of a deployment sees it, whoever runs it.

    endpoints, ca: for MinIO, with the path as MinIO sees it; no path: the public roots alone.
    certificate: whether MinIO logs in with the files `client.crt` and `client.key` of its configuration's folder;
    otherwise with an API key, the one of `refs`.
    ready: what has to be there before KES is asked for a key.
    needs, uses: what MinIO's env file takes values from, and what MinIO itself reads besides.
    reloads: what of that it takes up on SIGHUP.
    """

    endpoints: tuple[str, ...]
    ca: str
    ready: tuple[str, ...]
    certificate: bool = False
    refs: Mapping[str, Ref] = field(default_factory=dict)
    needs: tuple[str, ...] = (CLIENT,)
    uses: tuple[str, ...] = ()
    reloads: tuple[str, ...] = ()
    identities: tuple[Resource, ...] = ()
    resources: tuple[Resource, ...] = ()
    ports: tuple[Port, ...] = ()
    hosts: tuple[str, ...] = ()


def theirs(elsewhere: Elsewhere, keystore: Contribution) -> KesSide:
    """A KES that others run: its keystore module brings MinIO's identity, and what MinIO reads because of it."""
    needs = (CLIENT, *elsewhere.secrets)
    pair = _client_pair(needs) if elsewhere.certificate else ()
    return KesSide(
        endpoints=elsewhere.endpoints,
        ca=f"/config/{elsewhere.ca}" if elsewhere.ca else "",
        ready=keystore.needs,
        certificate=elsewhere.certificate,
        refs=_api_key(pair),
        needs=needs,
        # A new certificate may be a new identity, and MinIO goes on with the old one until it is started again.
        uses=(*keystore.uses, *(file.address for file in pair)),
        resources=pair,
    )


def ours(spec: Spec, site: Site, keystore: Contribution) -> KesSide:
    """A KES that is deployed, with two identities: MinIO's, and kesdeploy's own."""
    _refuse_older_than(spec, site)
    # MinIO's side is written once KES knows whom it names: whenever one is killed, MinIO can start with what is there.
    needs = (KES, CLIENT)
    pair = _client_pair(needs) if certificates(spec) else ()
    files = tuple(file.address for file in pair)
    return KesSide(
        endpoints=(f"https://{container_name(spec.name, PART)}:{KES_PORT}",),
        ca="/certs/CAs",
        ready=(KES,),
        certificate=bool(pair),
        refs=_api_key(pair),
        needs=needs,
        uses=files,
        reloads=files,
        identities=(
            Resource(CLIENT, Identity("minio"), (CA,)),
            Resource(OPERATOR, Identity("operator"), (CA,)),
            *leaves.leaf(spec, PART, ca_file="ca.crt"),
        ),
        resources=(_configuration(spec, site, keystore), _container(spec, site, keystore), *pair),
        ports=(Port(spec.network.bind, spec.network.kes_port, KES_PORT),),
        hosts=(PART,),
    )


def _api_key(pair: tuple[Resource, ...]) -> dict[str, Ref]:
    """MinIO's login, where it has no certificate: it takes one or the other."""
    return {} if pair else {"kes.api_key": Ref("api-key", "minio")}


def _client_pair(needs: tuple[str, ...]) -> tuple[Resource, ...]:
    """MinIO's identity as the files that its env file names: a copy, for it may see nothing else of `secrets/`."""
    parts = {"crt": Ref("certificate", "minio"), "key": Ref("secret", "minio.key")}
    files = {part: File(f"config/minio/client.{part}", "text.j2", {}, {"text": ref}) for part, ref in parts.items()}
    return tuple(Resource(f"file/minio-client-{part}", file, needs) for part, file in files.items())


def certificates(spec: Spec) -> bool:
    """Whether KES takes only certificates of the deployment's CA."""
    return spec.kes.auth == "certificate"


def _refuse_older_than(spec: Spec, site: Site) -> None:
    """Raises UsageError where the chosen KES cannot do what the spec asks for."""
    version = site.images["kes"].version
    generation = kes_versions.generation(version)
    if certificates(spec) and not generation.verifies_clients:
        raise UsageError(
            f"KES {version} cannot do kes.auth: certificate",
            because="it would trust certificates of public authorities instead of the deployment's own",
            hint="--set kes.auth=api-key, or a newer KES: --set images.kes=REFERENCE",
        )
    missing = [path for path in spec.kes.api if path in generation.missing]
    if missing:
        raise UsageError(f"kes.api.{missing[0]}: KES {version} has no such path", hint="take it out of the spec")


def _configuration(spec: Spec, site: Site, keystore: Contribution) -> Resource:
    config = File(
        path="config/kes/kes-config.yaml",
        template="kes/kes-config.yaml.j2",
        context={
            "keys": sorted({*key_names(spec), *site.guarded}),
            "admin": spec.kes.admin,
            "ca": "/certs/ca.crt" if certificates(spec) else "",
            "prefix": spec.kes.key_prefix,
            "policies": {name: policy.model_dump(mode="json") for name, policy in spec.kes.policies.items()},
            "api": {path: route.model_dump() for path, route in spec.kes.api.items()},
            "cache": spec.kes.cache.model_dump(),
            "log": spec.kes.log.model_dump(),
            **({"former": {}, "nobodys_key": nobodys_key(spec)} if site.retiring else {}),
            "keystore": {"kind": spec.kms, **keystore.context},
        },
        refs={
            "minio_identity": Ref("identity", "minio"),
            "operator_identity": Ref("identity", "operator"),
            **{f"former.{name}": Ref("identity", f"{name}.old") for name in site.retiring},
            **{f"keystore.{name}": ref for name, ref in keystore.refs.items()},
        },
    )
    return Resource(KES_CONFIG, config, (CLIENT, OPERATOR, *keystore.needs))


def _container(spec: Spec, site: Site, keystore: Contribution) -> Resource:
    uses = (KES_CONFIG, KES_LEAF, *keystore.uses)
    pick = site.images["kes"]
    container = Container(
        name=container_name(spec.name, PART),
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
        environment={**proxied(spec), **keystore.environment},
        data=keystore.data,
        uses=uses,
        serves=(KES_PORT,),
        reloads=tuple(address for address in uses if address not in keystore.restarts),
    )
    return Resource(KES, container, (POD, *uses, *keystore.needs))


def nobodys_key(spec: Spec) -> str:
    """A name that MinIO may ask for, and no key has. While its identity changes, who it was may not: so it tells."""
    return f"{spec.kes.key_prefix}kesdeploy-who-asks"


def key_names(spec: Spec) -> list[str]:
    """The default key and those that buckets have of their own: kesdeploy makes them, and nobody else may."""
    return list(dict.fromkeys((spec.key_name, *(bucket.key for bucket in spec.minio.buckets if bucket.key))))
