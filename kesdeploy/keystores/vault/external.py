"""A Vault that somebody else runs: what a deployment needs to use it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.keystores.vault import names
from kesdeploy.keystores.vault.kes import ENVIRONMENT, context
from kesdeploy.keystores.words import Contribution, Question
from kesdeploy.resources import Bootstrap, File, Ref, Resource, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.keystores.vault.fields import AppRole
    from kesdeploy.spec import Spec

BOOTSTRAP, CA_FILE = "bootstrap/vault", "file/vault-ca"


WHOSE = Question(
    "keystore.vault.address",
    "Your Vault's address",
    "kesdeploy runs an OpenBao here, or uses the Vault that you have (https://HOST:8200).",
    skip="here",
    environment=("VAULT_ADDR",),
)
WHERE = (
    Question(
        "keystore.vault.ca",
        "PEM file of its authority",
        "Who signed your Vault's certificate: a file, or one of the public authorities.",
        skip="public",
        environment=("VAULT_CACERT",),
    ),
    Question(
        "keystore.vault.namespace",
        "Namespace",
        "Where in your Vault the keys are to be. Many have no namespaces.",
        skip="none",
        environment=("VAULT_NAMESPACE",),
    ),
)


def contribute(spec: Spec) -> Contribution:
    fields = names.fields(spec)
    ca = _ca(fields.ca)
    secrets = (*_ca_secret(fields.ca), *_login(fields.approle))
    refs = {"approle.id": Ref("secret", names.ROLE_ID), "approle.secret": Ref("secret", names.SECRET_ID)}
    if not fields.version:
        refs["version"] = Ref("secret", names.KV_VERSION)
    inside = "/config/vault-ca.crt" if ca else ""
    return Contribution(
        resources=(*secrets, _bootstrap(spec, secrets), *ca),
        context=context(spec, fields.address or "", version=fields.version or "", ca=inside),
        refs=refs,
        uses=(CA_FILE,) if ca else (),
        needs=(BOOTSTRAP,),
        environment=ENVIRONMENT,
    )


def _ca_secret(path: str | None) -> tuple[Resource, ...]:
    """The authority's file, copied: a mount of the user's folder would show KES what else is in it."""
    return (Resource(f"secret/{names.CA}", Secret(names.CA, "given", f"@{path}")),) if path else ()


def _ca(path: str | None) -> tuple[Resource, ...]:
    """The copy, where KES reads it. After the bootstrap, which takes over what changed in the original."""
    if not path:
        return ()
    file = File("config/kes/vault-ca.crt", "text.j2", {}, {"text": Ref("secret", names.CA)}, mode=0o644)
    return (Resource(CA_FILE, file, (f"secret/{names.CA}", BOOTSTRAP)),)


def _login(approle: AppRole) -> tuple[Resource, ...]:
    given = {names.ROLE_ID: approle.id, names.SECRET_ID: approle.secret}
    return tuple(Resource(f"secret/{name}", Secret(name, "given", source)) for name, source in given.items() if source)


def _bootstrap(spec: Spec, resources: tuple[Resource, ...]) -> Resource:
    fields = names.fields(spec)
    settings = {"address": fields.address, "engine": fields.engine, "prefix": names.prefix(spec)}
    return Resource(BOOTSTRAP, Bootstrap("vault", settings), tuple(resource.address for resource in resources))


def questions(approle: AppRole, environment: Mapping[str, str]) -> tuple[Question, ...]:
    """Where it is, and what is lacking for the login. A token in the environment can make that, so then nothing is."""
    if environment.get("VAULT_TOKEN"):
        return WHERE
    asked = (
        Question(
            "keystore.vault.approle.id",
            "Role id",
            "KES logs in to your Vault with an AppRole: `vault read auth/approle/role/ROLE/role-id`.",
            secret=True,
            store=names.ROLE_ID,
        ),
        Question(
            "keystore.vault.approle.secret",
            "Secret id",
            "One that neither expires nor runs out: `vault write -f auth/approle/role/ROLE/secret-id`.",
            secret=True,
            store=names.SECRET_ID,
        ),
    )
    given = (approle.id, approle.secret)
    return (*WHERE, *(question for question, source in zip(asked, given, strict=True) if not source))
