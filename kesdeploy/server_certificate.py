"""A section of a spec: a server certificate that the user brings."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from kesdeploy.names import host_name
from kesdeploy.section import Section
from kesdeploy.sources import FilePath, SecretSource


def _no_wildcard(value: str) -> str:
    if "*" in value:
        raise ValueError("clients call a server by one name; write it out, as in s3.example.org")
    return host_name(value)


class ServerCertificate(Section):
    """Instead of one of the deployment's CA. It is copied; what ends, you renew."""

    cert: FilePath
    """PEM file: the certificate, and the intermediate ones behind it."""
    key: SecretSource
    """Its private key, in PEM and not encrypted."""
    ca: FilePath | None = None
    """PEM file of the root that clients have to trust. Left out: one of the public ones."""
    host: Annotated[str, AfterValidator(_no_wildcard)] | None = None
    """The name or address that clients use. Left out: as with a certificate of the deployment's CA."""
