"""Azure Key Vault: KES keeps each key as a secret of a vault.

KES checks nothing of it when it starts (key-vault.go): a wrong vault, tenant or secret shows with the first key. So all
that can be asked beforehand is asked here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from kesdeploy.errors import UsageError
from kesdeploy.kes_versions import generation
from kesdeploy.keystores.azure import proof
from kesdeploy.keystores.azure.fields import PUBLIC, AzureFields, cloud
from kesdeploy.keystores.outside import Credential, Outside, at
from kesdeploy.keystores.words import Habits, Question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.keystores.words import Contribution, Site, Work
    from kesdeploy.spec import KeystoreFields, Spec

SECRET = Credential(
    "credentials.client_secret",
    "Client secret",
    "A secret of the app registration: its value, which Azure shows once, not its id.",
    ("AZURE_CLIENT_SECRET",),
)
_MACHINE = "machine"
_ENDPOINT = Question(
    "keystore.azure.endpoint",
    "Your Key Vault's address",
    "The vault that keeps the keys, as in https://NAME.vault.azure.net.",
    environment=("AZURE_KEYVAULT_URL", "AZURE_KEY_VAULT_URL", "AZURE_KEYVAULT_ENDPOINT", "AZURE_KEY_VAULT_ENDPOINT"),
)
_TENANT = Question(
    "keystore.azure.credentials.tenant_id",
    "Tenant id of the app registration",
    "KES logs in as an app registration, or as an identity that Azure gives to the machine that it runs on.",
    skip=_MACHINE,
    environment=("AZURE_TENANT_ID",),
)
_CLIENT = Question(
    "keystore.azure.credentials.client_id",
    "Client id of the app registration",
    "The application's (client's) id, as Azure shows it.",
    environment=("AZURE_CLIENT_ID",),
)
_IDENTITY = Question(
    "keystore.azure.managed_identity.client_id",
    "Client id of the managed identity",
    "A user-assigned identity of the machine, or the one that the machine has by itself.",
    skip="its-own",
)


class Azure(Outside):
    kind: ClassVar[str] = "azure"
    title: ClassVar[str] = "Azure Key Vault"
    summary: ClassVar[str] = "keys are secrets of a vault in Azure"
    habits: ClassVar[Habits] = Habits(
        "KES has Azure purge it at once: nobody can recover it, and with purge protection its name is lost for months",
        besides="every secret of the vault",
        rights=("secrets get, set", "secrets get, list", "secrets delete, purge"),
    )
    fields: ClassVar[type[KeystoreFields]] = AzureFields
    # Go reads it in place of the system's file; KES has no setting for it.
    ca_variables: ClassVar[tuple[str, ...]] = ("SSL_CERT_FILE",)
    kes_paths: ClassVar[Mapping[str, str]] = {
        "azure.keyvault.endpoint": "endpoint",
        "azure.keyvault.managed_identity.client_id": "managed_identity.client_id",
        **{
            f"azure.keyvault.credentials.{name}": f"credentials.{name}"
            for name in ("tenant_id", "client_id", "client_secret")
        },
    }

    def credentials(self, fields: KeystoreFields) -> tuple[Credential, ...]:
        return (SECRET,) if at(fields, "credentials") else ()

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:
        if at(fields, "credentials"):
            return (_ENDPOINT, replace(_TENANT, skip=""), _CLIENT, *self.asked(fields))
        return (_ENDPOINT, _TENANT, _IDENTITY)

    def context(self, spec: Spec) -> Mapping[str, Any]:
        found = of(spec)
        login, identity = found.credentials, found.managed_identity
        return {
            "endpoint": found.endpoint,
            "credentials": {"tenant_id": login.tenant_id, "client_id": login.client_id} if login else None,
            "managed_identity": {"client_id": identity.client_id} if identity else None,
        }

    def contribute(self, spec: Spec, site: Site) -> Contribution:
        found, version = of(spec), site.images["kes"].version
        if not (found.credentials or found.managed_identity or generation(version).finds_azure_credentials):
            raise UsageError(
                f"KES {version} does not log in to Azure as the machine that it runs on",
                because="it ends without credentials and managed_identity",
                hint="keystore.azure.managed_identity.client_id, or leave images.kes out of the spec",
            )
        return super().contribute(spec, site)

    def environment(self, spec: Spec) -> Mapping[str, str]:
        where = cloud(of(spec).endpoint)
        # KES logs in at the public cloud unless it is told otherwise (azidentity, setAuthorityHost).
        return {} if where == PUBLIC else {"AZURE_AUTHORITY_HOST": where.login}

    def policy(self, spec: Spec) -> str:
        from kesdeploy.render import render

        found = of(spec)
        return render(
            "azure/grants.sh.j2",
            {
                "vault": found.vault,
                "cloud": cloud(found.endpoint).name,
                "client_id": found.client_id or "CLIENT_ID",
                "known": bool(found.client_id),
            },
        )

    def restore(self, spec: Spec, key: str) -> str:
        return f"az keyvault secret recover --vault-name {of(spec).vault} --name {key}"

    def prove(self, work: Work) -> None:
        proof.prove(work, self._client_secret(work))

    def preflight(self, work: Work) -> None:
        """Besides: none of the keys may be one that KES would purge to make it anew. DataProtected when one is."""
        secret = self._client_secret(work)
        proof.prove(work, secret)
        proof.refuse_to_purge(work, secret)

    def _client_secret(self, work: Work) -> str:
        """Empty where KES logs in as what Azure makes of its machine."""
        return self.secret(work, SECRET.path) if of(work.spec).credentials else ""


def of(spec: Spec) -> AzureFields:
    assert isinstance(spec.keystore, AzureFields)
    return spec.keystore
