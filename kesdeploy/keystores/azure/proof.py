"""A login as KES will do it, and a look at the keys' names: with Azure's own client library, where it is installed."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from kesdeploy.errors import DataProtected, ServiceError
from kesdeploy.keystores.azure.fields import AzureFields, cloud
from kesdeploy.keystores.azure.refusals import refusal
from kesdeploy.keystores.extras import warn_unproven
from kesdeploy.keystores.reaching import answers, authority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.keyvault.secrets import SecretClient

    from kesdeploy.clients import Answer
    from kesdeploy.keystores.words import Work

# Seconds for connecting, and for each answer.
LONGEST = 15.0
# Of Key Vault's REST interface; KES's azsecrets speaks this one.
API = "7.5"


def prove(work: Work, client_secret: str) -> None:
    """Reach the vault, log in, and read what KES reads: the default key's secret, and the list of its versions.

    Raises CertificateError, or ServiceError with Azure's words: status 0 when nobody answers.
    """
    from kesdeploy.clients import Door

    fields = _fields(work)
    ca, timeout = authority(fields.ca, "keystore.azure.ca"), min(work.timeout, LONGEST)
    proxy = work.spec.kes.proxy
    answers(fields.endpoint, "your Key Vault", "keystore.azure.endpoint", ca=ca, timeout=timeout, proxy=proxy)
    door = Door(fields.endpoint, ca=ca, timeout=timeout, proxy=proxy)
    _check_tenant(fields, door.ask("GET", f"/secrets?api-version={API}"))
    if not fields.credentials:
        work.report.warn(
            "KES logs in as what Azure makes of the machine that it runs on: only its first key proves that this works"
        )
        return
    with _client(work, client_secret) as client:
        if client is None:
            warn_unproven(work, "azure")
            return
        name = work.spec.key_name
        with _or_none():
            client.get_secret(name)
        next(iter(client.list_properties_of_secret_versions(name)), None)


def _check_tenant(fields: AzureFields, answer: Answer) -> None:
    """KES asks for tokens of its own tenant alone (azidentity, resolveTenant), and a vault names the one it is in."""
    challenge = answer.headers.get("WWW-Authenticate", "")
    named = re.search(r'authorization(?:_uri)?="?https://[^/"]+/([^/",]+)', challenge)
    if not named:
        raise ServiceError(
            "what answers is no Key Vault",
            because=f"HTTP {answer.status}, without the challenge that tells where to log in",
            hint="keystore.azure.endpoint: az keyvault list --query [].properties.vaultUri",
            status=answer.status,
        )
    if fields.credentials and named[1].lower() != fields.credentials.tenant_id:
        raise ServiceError(
            "the vault is in another tenant than KES would log in to",
            because=f"it names the tenant {named[1]}",
            hint=f"keystore.azure.credentials.tenant_id: {named[1]}, with an app registration of that tenant",
            status=answer.status,
        )


def refuse_to_purge(work: Work, client_secret: str) -> None:
    """Raises DataProtected for a key that was deleted and can still be recovered.

    KES, asked to create a key of that name, purges it for ever (key-vault.go, Create).
    """
    if not client_secret:
        return
    with _client(work, client_secret) as client:
        if client is None:
            return
        for path, name in work.spec.key_names:
            with _or_none():
                client.get_deleted_secret(name)
                raise _recoverable(_fields(work).vault, path, name)


def _recoverable(vault: str, path: str, name: str) -> DataProtected:
    here = f"--vault-name {vault} --name {name}"
    return DataProtected(
        f"the key {name!r} was deleted in the vault {vault!r}, and can still be recovered",
        because="KES would purge it for ever, to make a new one of that name",
        hint=f"az keyvault secret recover {here}; or another name for {path}; "
        f"or, when nobody needs it any more: az keyvault secret purge {here}",
    )


@contextmanager
def _or_none() -> Iterator[None]:
    """What is not there raises nothing."""
    from azure.core.exceptions import ResourceNotFoundError

    with suppress(ResourceNotFoundError):
        yield


@contextmanager
def _client(work: Work, client_secret: str) -> Iterator[SecretClient | None]:
    """The vault, logged in; None without the library. What Azure refuses inside comes out as ServiceError."""
    try:
        from azure.core.exceptions import AzureError
        from azure.identity import ClientSecretCredential
        from azure.keyvault.secrets import SecretClient
    except ImportError:
        yield None
        return
    # It logs what it raises, to stderr where nobody else listens.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    fields = _fields(work)
    assert fields.credentials
    timeout = min(work.timeout, LONGEST)
    common = {
        "connection_verify": str(authority(fields.ca, "keystore.azure.ca") or "") or True,
        "connection_timeout": timeout,
        "read_timeout": timeout,
        "retry_total": 0,
        # As KES: through no proxy of the user's shell.
        "use_env_settings": False,
        **({"proxies": {"https": work.spec.kes.proxy}} if work.spec.kes.proxy else {}),
    }
    login = ClientSecretCredential(
        fields.credentials.tenant_id,
        fields.credentials.client_id,
        client_secret,
        authority=cloud(fields.endpoint).login,
        disable_instance_discovery=True,
        **common,
    )
    try:
        with login, SecretClient(fields.endpoint, login, **common) as client:
            yield client
    except (AzureError, ValueError) as error:
        raise refusal(fields, error) from error


def _fields(work: Work) -> AzureFields:
    assert isinstance(work.spec.keystore, AzureFields)
    return work.spec.keystore
