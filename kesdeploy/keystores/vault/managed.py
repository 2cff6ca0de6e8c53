"""A Vault of the deployment's own: what runs because of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.engines import Mount, Port
from kesdeploy.keystores.vault import names
from kesdeploy.keystores.vault.kes import ENVIRONMENT, context
from kesdeploy.keystores.words import Contribution
from kesdeploy.resources import Bootstrap, Certificate, Container, File, Ref, Resource, Secret

if TYPE_CHECKING:
    from kesdeploy.keystores.words import Site
    from kesdeploy.spec import Spec

BOOTSTRAP, CONTAINER = "bootstrap/vault", "container/vault"
CERTIFICATE, CONFIG = "certificate/vault", "file/vault-config"
SEAL_KEY, SEAL_FILE = "secret/vault-seal-key", "file/vault-seal-key"
# Raft closes its files on SIGTERM; a kill in the middle costs a recovery at the next start.
STOP_TIMEOUT = 15
NO_PROXY = {"NO_PROXY": "*", "no_proxy": "*"}
# As seen in the container. The cluster's own port is for nobody: there is one node.
INSIDE = {
    "listen": f"0.0.0.0:{names.PORT}",
    "cluster": "127.0.0.1:8201",
    "certs": "/certs",
    "data": "/data",
    "seal_key": "/seal/key",
}


def contribute(spec: Spec, site: Site) -> Contribution:
    endpoint = f"https://{names.host(spec)}:{names.PORT}"
    return Contribution(
        resources=(*_seal(spec), *_files(spec), _container(spec, site), _bootstrap(spec)),
        context=context(spec, endpoint, version="v2", ca="/certs/ca.crt"),
        refs={"approle.id": Ref("secret", names.ROLE_ID), "approle.secret": Ref("secret", names.SECRET_ID)},
        needs=(BOOTSTRAP,),
        environment=ENVIRONMENT,
        ports=(Port(spec.network.bind, spec.network.vault_port, names.PORT),),
        hosts=("vault",),
    )


def _seal(spec: Spec) -> tuple[Resource, ...]:
    """The key that it unseals itself with: there before it is, so that no kill can lose it."""
    if not names.fields(spec).static:
        return ()
    # A folder of its own: the container sees this secret and no other.
    file = File("config/vault-seal/key", "text.j2", {}, {"text": Ref("secret", names.SEAL_KEY)})
    return Resource(SEAL_KEY, Secret(names.SEAL_KEY, "key32")), Resource(SEAL_FILE, file, (SEAL_KEY,))


def _files(spec: Spec) -> tuple[Resource, ...]:
    certificate = Certificate("certs/vault", "vault", names.certificate_names(spec), ca_file="ca.crt")
    return (
        Resource(CERTIFICATE, certificate, ("authority/ca",)),
        Resource(CONFIG, File("config/vault/vault.hcl", "vault/config.hcl.j2", config(spec))),
    )


def config(spec: Spec) -> dict[str, str | bool]:
    """The variables of `vault/config.hcl.j2`."""
    fields = names.fields(spec)
    api = f"https://{names.host(spec)}:{names.PORT}"
    return {**INSIDE, "product": fields.product, "static": fields.static, "name": spec.name, "api": api}


def _container(spec: Spec, site: Site) -> Resource:
    fields = names.fields(spec)
    pick = site.images[fields.product]
    seal = (Mount(site.path("config/vault-seal"), "/seal"),) if fields.static else ()
    uses = (CONFIG, CERTIFICATE, SEAL_FILE) if fields.static else (CONFIG, CERTIFICATE)
    container = Container(
        name=names.host(spec),
        component=fields.product,
        image=pick.image,
        entrypoint=pick.entrypoint,
        command=("server", "-config=/config/vault.hcl"),
        user=site.user,
        mounts=(
            Mount(site.path("certs/vault"), "/certs"),
            Mount(site.path("config/vault"), "/config"),
            *seal,
            Mount(site.path("vault"), "/data", read_only=False, relabel=False),
        ),
        environment=NO_PROXY,
        data=("vault",),
        uses=uses,
        serves=(names.PORT,),
        reloads=(CERTIFICATE,),
        stop_timeout=STOP_TIMEOUT,
    )
    return Resource(CONTAINER, container, ("pod/pod", *uses))


def _bootstrap(spec: Spec) -> Resource:
    fields = names.fields(spec)
    settings = {"engine": fields.engine, "prefix": names.prefix(spec), "role": names.role(spec)}
    return Resource(BOOTSTRAP, Bootstrap("vault", settings), (CONTAINER,))
