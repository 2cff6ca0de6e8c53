"""What may be said of AWS in the spec: `keystore: {aws: {…}}`."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, model_validator

from kesdeploy.keystores.aws import places
from kesdeploy.sources import FilePath, SecretSource
from kesdeploy.spec import KeystoreFields, Section

KEYS = "keys"
"""What the wizard's answer is called: credentials that are kept in `secrets/`, so that the spec names no source."""
LAST_PORT = 65535
_ARN = rf"arn:aws[a-z-]*:kms:({places.REGION}):[0-9]{{12}}:(key/[0-9A-Za-z-]+|alias/[0-9A-Za-z/_-]+)"
_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}"


def _region(value: str) -> str:
    if re.fullmatch(places.REGION, value):
        return value
    if re.fullmatch(f"{places.REGION}[a-z]", value):
        raise ValueError(f"that is an availability zone; its region is {value[:-1]}")
    likely = re.search(places.REGION, value.lower())
    raise ValueError(f"a region is written as in {likely[0] if likely else 'eu-central-1'}")


def _endpoint(value: str) -> str:
    scheme, separator, rest = value.rpartition("://")
    if separator and scheme.lower() != "https":
        raise ValueError("HTTPS is needed: every key of KES would cross the network in the clear")
    host, _, port = rest.rstrip("/").partition(":")
    if not re.fullmatch(r"[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?", host) or not _is_port(port or "443"):
        raise ValueError("a host is needed, with a port perhaps, as in secretsmanager.eu-central-1.amazonaws.com")
    if places.of_aws(host) and "secretsmanager" not in host:
        raise ValueError("that is another service of AWS; KES keeps its keys in Secrets Manager")
    return f"{host}:{port}" if port else host


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 1 <= int(text) <= LAST_PORT


def _kms_key(value: str) -> str:
    if re.fullmatch(f"{_ARN}|{_ID}|alias/[0-9A-Za-z/_-]+", value):
        return value
    named = f"; an alias is written alias/{value}" if re.fullmatch(r"[A-Za-z][0-9A-Za-z_-]*", value) else ""
    raise ValueError(f"a key of KMS is its ARN, its id (a UUID, or mrk-…) or alias/NAME{named}")


def _credentials(value: Any) -> Any:
    return {} if value == KEYS else value


Region = Annotated[str, AfterValidator(_region)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
KmsKey = Annotated[str, AfterValidator(_kms_key)]


class Credentials(Section):
    """Those of an IAM user, or temporary ones."""

    accesskey: SecretSource | None = None
    """Access key id. Asked for when left out."""
    secretkey: SecretSource | None = None
    """Secret access key. Asked for when left out."""
    token: SecretSource | None = None
    """Session token of temporary keys. It ends after some hours, and KES finds no key any more."""


class AwsFields(KeystoreFields):
    """AWS Secrets Manager. What is in it, AWS encrypts with a key of its KMS."""

    kind: ClassVar[str] = "aws"

    region: Region
    """Where the keys are kept, as in eu-central-1."""
    endpoint: Endpoint | None = None
    """Host of Secrets Manager, for VPC endpoints and emulators. Left out: the region's own."""
    kmskey: KmsKey | None = None
    """ARN, id or alias of the KMS key that encrypts the secrets. Left out: aws/secretsmanager, the account's own."""
    credentials: Annotated[Credentials | None, BeforeValidator(_credentials)] = None
    """Left out: what KES finds by itself in its container, as the role of an EC2 instance."""
    ca: FilePath | None = None
    """PEM file of the authority that signed the endpoint's certificate. Left out: the public ones."""

    @model_validator(mode="after")
    def _one_region(self) -> AwsFields:
        key = re.fullmatch(_ARN, self.kmskey or "")
        if key and key[1] != self.region:
            raise ValueError(f"kmskey: it is in {key[1]}, and region is {self.region}; both have to be the same")
        there = places.region_of(self.endpoint) if self.endpoint and places.of_aws(self.endpoint) else ""
        if there and there != self.region:
            raise ValueError(f"endpoint: it is in {there}, and region is {self.region}; both have to be the same")
        return self

    @property
    def host(self) -> str:
        """Where Secrets Manager is: host, with a port perhaps."""
        return self.endpoint or places.endpoint(self.region)
