"""What is asked of a user who has a Vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.keystores.outside import at
from kesdeploy.keystores.vault import names
from kesdeploy.keystores.words import Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kesdeploy.spec import KeystoreFields

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
CERT = Question(
    "keystore.vault.tls.cert",
    "PEM file of KES's certificate",
    "Your Vault asks for a client certificate, it seems; most do not.",
    skip="none",
    environment=("VAULT_CLIENT_CERT",),
)
KEY = Question(
    "keystore.vault.tls.key",
    "PEM file of its private key",
    "The key of that certificate, unencrypted. It is copied to secrets/.",
    environment=("VAULT_CLIENT_KEY",),
)
ROLE_ID = Question(
    "keystore.vault.approle.id",
    "Role id",
    "KES logs in to your Vault with an AppRole: `vault read auth/approle/role/ROLE/role-id`.",
    secret=True,
    store=names.ROLE_ID,
)
SECRET_ID = Question(
    "keystore.vault.approle.secret",
    "Secret id",
    "One that neither expires nor runs out: `vault write -f auth/approle/role/ROLE/secret-id`.",
    secret=True,
    store=names.SECRET_ID,
)
JWT = Question(
    "keystore.vault.kubernetes.jwt",
    "Token of the service account",
    "One that lasts: `kubectl create token SERVICE-ACCOUNT -n NAMESPACE --duration=8760h`.",
    secret=True,
    store=names.JWT,
)


def questions(fields: KeystoreFields, environment: Mapping[str, str]) -> tuple[Question, ...]:
    """Where it is, and what is lacking for the login. A token in the environment can make an AppRole: then nothing is.

    fields: may be incomplete, and sections of it plain data.
    """
    if not at(fields, "address"):
        return (WHOSE,)
    asked = (*WHERE, *_certificate(fields, environment), *_login(fields, environment))
    return tuple(question for question in asked if not at(fields, question.path.removeprefix("keystore.vault.")))


def _certificate(fields: KeystoreFields, environment: Mapping[str, str]) -> Iterator[Question]:
    """Few Vaults want one: asked only of who has one, as the Vault command knows it."""
    if environment.get("VAULT_CLIENT_CERT"):
        yield CERT
    if at(fields, "tls.cert"):
        yield KEY


def _login(fields: KeystoreFields, environment: Mapping[str, str]) -> Iterator[Question]:
    if at(fields, "kubernetes"):
        yield JWT
    elif not environment.get("VAULT_TOKEN"):
        yield ROLE_ID
        yield SECRET_ID
