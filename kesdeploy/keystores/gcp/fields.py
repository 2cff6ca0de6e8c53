"""What a project's Secret Manager needs to be known by."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kesdeploy.objections import SECRET
from kesdeploy.sources import FilePath, secret_source
from kesdeploy.spec import KeystoreFields

_SCOPES = "https://www.googleapis.com/auth/"


def _project(value: str) -> str:
    if value.isdecimal():
        raise ValueError("the project's id is needed, not its number: gcloud projects list")
    if not re.fullmatch(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", value):
        raise ValueError("a project's id is 6 to 30 of a-z, 0-9 and '-': gcloud projects list")
    return value


def _key_file(value: object) -> str:
    """Where the key file is. A path may stand alone, as in GOOGLE_APPLICATION_CREDENTIALS: it is no secret."""
    if not isinstance(value, str) or value.lstrip().startswith("{") or "PRIVATE KEY" in value:
        raise ValueError("name the service account's key file, as in @~/kes.json; its content does not belong here")
    if value.startswith(("/", "~")):
        return f"@{value}"
    if not value.startswith(("@", "env:")):
        raise ValueError("name the service account's key file by an absolute path, as in @~/kes.json")
    return secret_source(value)


def _scope(value: str) -> str:
    if not re.fullmatch(rf"{re.escape(_SCOPES)}[a-z.-]+", value):
        raise ValueError(f"a scope begins with {_SCOPES}, as {_SCOPES}cloud-platform does")
    return value


ProjectId = Annotated[str, AfterValidator(_project)]
KeyFile = Annotated[str, BeforeValidator(_key_file), Field(json_schema_extra=SECRET)]
Scope = Annotated[str, AfterValidator(_scope)]


class GcpFields(KeystoreFields):
    """Without `credentials`, KES takes the service account of the machine in Google's cloud that it runs on."""

    kind: ClassVar[str] = "gcp"

    project_id: ProjectId
    credentials: KeyFile | None = None
    """The service account's key file, JSON as Google gave it: @FILE, or env:NAME where that holds the JSON itself."""
    scopes: tuple[Scope, ...] = ()
    """OAuth scopes of KES's logins. Left out: cloud-platform."""
    ca: FilePath | None = None
    """PEM file of the authorities to trust, where a proxy opens TLS. Left out: the public ones."""

    @model_validator(mode="before")
    @classmethod
    def _no_endpoint(cls, given: Any) -> Any:
        if isinstance(given, dict) and "endpoint" in given:
            # secret-manager.go: a gRPC target for its calls, a URL for its status.
            raise ValueError("endpoint: leave it out; KES takes it for a target and for a URL, and nothing is both")
        return given
