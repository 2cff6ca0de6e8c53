"""What a Key Vault needs to be known by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, model_validator

from kesdeploy.errors import Problem
from kesdeploy.keystores.forms import Uuid
from kesdeploy.sources import FilePath, SecretSource
from kesdeploy.spec import KeystoreFields, Section, Spec

# Azure's own rule for a secret's name.
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")


@dataclass(frozen=True)
class Cloud:
    """One of Azure's clouds: as `az cloud set` calls it, what its vaults' names end with, and where one logs in.

    Source: cloud/cloud.go of azcore, and its list of Key Vault's DNS suffixes.
    """

    name: str
    suffix: str
    login: str


PUBLIC = Cloud("AzureCloud", "vault.azure.net", "https://login.microsoftonline.com")
CLOUDS = (
    PUBLIC,
    Cloud("AzureChinaCloud", "vault.azure.cn", "https://login.chinacloudapi.cn"),
    Cloud("AzureUSGovernment", "vault.usgovcloudapi.net", "https://login.microsoftonline.us"),
)


def cloud(endpoint: str) -> Cloud:
    """The cloud that a vault is in. ValueError for none that is known."""
    host = urlsplit(endpoint).hostname or ""
    for known in CLOUDS:
        if re.fullmatch(rf"[0-9a-z-]{{3,24}}\.{re.escape(known.suffix)}", host):
            return known
    suffixes = ", ".join(f".{known.suffix}" for known in CLOUDS)
    raise ValueError(_instead(host) or f"a Key Vault's address is its name and one of {suffixes}")


def _instead(host: str) -> str:
    if "managedhsm" in host:
        return "a managed HSM holds keys, and KES keeps its own as secrets: that takes a Key Vault"
    if "privatelink" in host:
        return "name the vault itself, https://NAME.vault.azure.net: its certificate has no other name"
    return ""


def _vault(value: str) -> str:
    url = urlsplit(value)
    if url.scheme != "https" or not url.hostname:
        raise ValueError("an address begins with https://, as in https://NAME.vault.azure.net")
    if url.path.strip("/") or url.query or url.fragment or url.username or url.password:
        raise ValueError("the vault's address alone, as in https://NAME.vault.azure.net, with nothing behind it")
    if ":" in url.netloc:
        # azsecrets, challenge_policy.go: the host, with its port, has to end with what the vault's challenge names.
        raise ValueError("without a port: KES would take the vault for another one than it says it is")
    cloud(value)
    return value.rstrip("/")


def _tenant(value: str) -> str:
    if "." in value or value in ("common", "organizations", "consumers"):
        # azidentity, resolveTenant: it is compared with the id that the vault names, letter by letter.
        raise ValueError("the tenant's id is needed, a UUID: KES compares it with the one that the vault names")
    return value


def _lower(value: str) -> str:
    return value.lower()


VaultUrl = Annotated[str, AfterValidator(_vault)]
Tenant = Annotated[str, AfterValidator(_tenant), *Uuid.__metadata__, AfterValidator(_lower)]


class Credentials(Section):
    """An app registration's."""

    tenant_id: Tenant
    client_id: Uuid
    client_secret: SecretSource | None = None
    """Asked for when left out. Its value, not its id."""


class ManagedIdentity(Section):
    client_id: Uuid


class AzureFields(KeystoreFields):
    """Without `credentials` and `managed_identity`, KES takes what Azure gives to the machine that it runs on."""

    kind: ClassVar[str] = "azure"

    endpoint: VaultUrl
    credentials: Credentials | None = None
    managed_identity: ManagedIdentity | None = None
    ca: FilePath | None = None
    """PEM file of the authorities to trust, where a proxy opens TLS. Left out: the public ones."""

    @model_validator(mode="after")
    def _one_login(self) -> AzureFields:
        if self.credentials and self.managed_identity:
            raise ValueError("credentials and managed_identity: KES takes one of them, not both")
        return self

    @property
    def vault(self) -> str:
        """The vault's name."""
        return (urlsplit(self.endpoint).hostname or "").partition(".")[0]

    @property
    def client_id(self) -> str:
        """Who KES is to Azure, where that is known."""
        login = self.credentials or self.managed_identity
        return login.client_id if login else ""

    def complaints(self, spec: Spec) -> tuple[Problem, ...]:
        """Names that Azure would refuse as a secret's, or take for one another."""
        found, first = [], dict[str, str]()
        for path, name in spec.key_names:
            same = first.setdefault(name.lower(), name)
            if not _NAME.fullmatch(name):
                hint = name.replace("_", "-").strip("-")
                found.append(Problem("spec", f"{path}: Azure allows no '_' in a name (given: {name!r})", hint))
            elif same != name:
                found.append(Problem("spec", f"{path}: to Azure, {name!r} and {same!r} are one name"))
        return tuple(found)
