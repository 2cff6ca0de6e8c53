"""What the `keystore` of a kes-config.yaml may say: a class for each backend, as KES 2025-03-12 reads it.

Source: kesconf/config.go.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from kesdeploy.objections import SECRET
from kesdeploy.spec import Duration, Section


def _endpoint(value: str) -> str:
    if not re.fullmatch(r"https://[^\s/@]+(/\S*)?", value):
        raise ValueError("an address is https://, host, port and path, no more")
    return value


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("an absolute path is needed: KES's working folder is not ours to know")
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[^\s/@:]+(:[0-9]+)?", value):
        raise ValueError("a host name is needed, with a port perhaps; KES puts https:// before it")
    return value


Text = Annotated[str, Field(min_length=1)]
Hidden = Annotated[str, Field(min_length=1, json_schema_extra=SECRET)]
Path = Annotated[str, AfterValidator(_path)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Host = Annotated[str, AfterValidator(_host)]


class Fs(Section):
    path: Path


class AppRole(Section):
    engine: Text = "approle"
    namespace: Text | None = None
    id: Hidden
    secret: Hidden


class Kubernetes(Section):
    engine: Text = "kubernetes"
    namespace: Text | None = None
    role: Text
    jwt: Hidden
    """The token, or the file that holds it: with a '/' in it, it is a file."""


class Transit(Section):
    engine: Text = "transit"
    key: Text


class ClientTls(Section):
    key: Path | None = None
    cert: Path | None = None
    ca: Path | None = None

    @model_validator(mode="after")
    def _pair(self) -> ClientTls:
        if bool(self.key) != bool(self.cert):
            raise ValueError("key and cert belong together")
        return self


class Status(Section):
    ping: Duration = "15s"


class Vault(Section):
    endpoint: Endpoint
    engine: Text = "kv"
    version: Literal["v1", "v2"]
    namespace: Text | None = None
    prefix: str = ""
    approle: AppRole | None = None
    kubernetes: Kubernetes | None = None
    transit: Transit | None = None
    tls: ClientTls | None = None
    status: Status | None = None

    @model_validator(mode="after")
    def _one_login(self) -> Vault:
        _exactly_one(self, ("approle", "kubernetes"))
        return self


class AwsCredentials(Section):
    accesskey: Hidden
    secretkey: Hidden
    token: Hidden | None = None


class SecretsManager(Section):
    endpoint: Host
    region: Text
    kmskey: Text | None = None
    credentials: AwsCredentials | None = None
    """Left out: what the AWS SDK finds by itself, as on EC2."""


class Aws(Section):
    secretsmanager: SecretsManager


class AzureCredentials(Section):
    tenant_id: Text
    client_id: Text
    client_secret: Hidden


class ManagedIdentity(Section):
    client_id: Text


class KeyVault(Section):
    endpoint: Endpoint
    credentials: AzureCredentials | None = None
    managed_identity: ManagedIdentity | None = None

    @model_validator(mode="after")
    def _one_login(self) -> KeyVault:
        if self.credentials and self.managed_identity:
            raise ValueError("credentials and managed_identity: KES takes one of them, not both")
        return self


class Azure(Section):
    keyvault: KeyVault


class GcpCredentials(Section):
    client_email: Text
    client_id: Text
    private_key_id: Text
    private_key: Hidden


class SecretManager(Section):
    """No `endpoint`: KES uses it as a gRPC target and as a URL, and no value serves as both."""

    project_id: Text
    scopes: list[Text] = Field(default_factory=list)
    credentials: GcpCredentials | None = None


class Gcp(Section):
    secretmanager: SecretManager


class ServerTls(Section):
    ca: Path


class KeyControlCredentials(Section):
    username: Text
    password: Hidden


class KeyControl(Section):
    endpoint: Endpoint
    vault_id: Text
    box_id: Text
    credentials: KeyControlCredentials
    """KES ends in a panic without this section."""
    tls: ServerTls | None = None


class Entrust(Section):
    keycontrol: KeyControl


class SdkmsCredentials(Section):
    key: Hidden


class Sdkms(Section):
    endpoint: Endpoint
    group_id: Text | None = None
    credentials: SdkmsCredentials
    tls: ServerTls | None = None


class Fortanix(Section):
    sdkms: Sdkms


class KeySecureCredentials(Section):
    token: Hidden
    domain: Text | None = None


class KeySecure(Section):
    endpoint: Endpoint
    credentials: KeySecureCredentials
    tls: ServerTls | None = None


class Gemalto(Section):
    keysecure: KeySecure


class Keystore(Section):
    fs: Fs | None = None
    vault: Vault | None = None
    aws: Aws | None = None
    azure: Azure | None = None
    gcp: Gcp | None = None
    entrust: Entrust | None = None
    fortanix: Fortanix | None = None
    gemalto: Gemalto | None = None

    @model_validator(mode="after")
    def _one(self) -> Keystore:
        _exactly_one(self, tuple(type(self).model_fields))
        return self


def _exactly_one(section: Section, names: tuple[str, ...]) -> None:
    given = [name for name in names if getattr(section, name) is not None]
    if len(given) != 1:
        raise ValueError(f"exactly one of {', '.join(names)} is needed ({', '.join(given) or 'none'} given)")
