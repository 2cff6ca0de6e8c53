"""What may be said of a KES that others run: `keystore: {kes: {…}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kesdeploy.errors import Problem
from kesdeploy.keystores.forms import Url
from kesdeploy.sources import FilePath, SecretSource
from kesdeploy.spec import KeystoreFields

if TYPE_CHECKING:
    from kesdeploy.spec import Spec

PLAY = "play.min.io"


def _endpoint(value: str) -> str:
    url = urlsplit(value)
    if url.hostname == PLAY:
        raise ValueError(
            f"{PLAY} is gone; and everybody had its root key, so it never protected anything. "
            "Run a KES of your own: --kms fs, or --kms vault"
        )
    if "{" in value:
        raise ValueError("write each address by itself: [https://kes1:7373, https://kes2:7373]")
    if url.path or not url.port:
        raise ValueError("KES is at https://HOST:PORT, as in https://kes.example.org:7373, and at no path")
    return value


def _several(value: object) -> object:
    """One address, or several as MinIO writes them: with commas."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) < len(value):
        raise ValueError("the same address stands here twice")
    return value


Endpoint = Annotated[Url, AfterValidator(_endpoint)]
Endpoints = Annotated[tuple[Endpoint, ...], BeforeValidator(_several), Field(min_length=1), AfterValidator(_distinct)]


class KesFields(KeystoreFields):
    kind: ClassVar[str] = "kes"
    beyond: ClassVar[bool] = False

    endpoints: Endpoints
    """Its address, https://HOST:PORT. Several are servers with the same keys: MinIO takes one that answers."""
    ca: FilePath | None = None
    """PEM file of the authority that signed its certificate. Left out: the public ones."""
    api_key: SecretSource | None = None
    """MinIO's API key there. Without it and without `certificate`, kesdeploy makes an identity to be allowed there."""
    certificate: FilePath | None = None
    """PEM file of MinIO's client certificate there, instead of an API key."""
    key: SecretSource | None = None
    """Its private key, in PEM and not encrypted."""

    @model_validator(mode="before")
    @classmethod
    def _no_enclave(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "enclave" in data:
            raise ValueError("enclave: KES has none, and MinIO cannot name one to it; leave it out")
        return data

    @model_validator(mode="after")
    def _one_login(self) -> KesFields:
        if self.api_key and (self.certificate or self.key):
            raise ValueError("api_key: MinIO logs in with it, or with certificate and key, never with both")
        if bool(self.certificate) != bool(self.key):
            missing = "key" if self.certificate else "certificate"
            raise ValueError(f"{missing}: a client certificate needs its private key, and the reverse")
        return self

    def complaints(self, spec: Spec) -> tuple[Problem, ...]:
        """Our section `kes` is about a KES of ours."""
        if "kes" not in spec.model_fields_set or spec.kes == type(spec.kes)():
            return ()
        return (Problem("spec", "kes: this KES is configured by whoever runs it; leave the section out"),)
