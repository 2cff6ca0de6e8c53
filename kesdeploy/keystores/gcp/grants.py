"""What a project has to allow KES, as commands."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from kesdeploy import given
from kesdeploy.errors import UsageError
from kesdeploy.keystores.gcp import keyfile

if TYPE_CHECKING:
    from kesdeploy.keystores.gcp.fields import GcpFields

# Of a service account's id.
_LONGEST = 30
# Each is one call of secret-manager.go; `secrets.get` is kesdeploy's own, to tell a key that was only half made.
PERMISSIONS = (
    "secretmanager.secrets.create",
    "secretmanager.secrets.delete",
    "secretmanager.secrets.get",
    "secretmanager.secrets.list",
    "secretmanager.versions.access",
    "secretmanager.versions.add",
)


def grants(name: str, fields: GcpFields) -> str:
    """The commands; where there is no key file yet, those that make the service account and its file go first."""
    from kesdeploy.render import render

    email, account = _email(fields.credentials), f"minio-kes-{name}"[:_LONGEST].rstrip("-")
    file = fields.credentials.removeprefix("@") if fields.credentials and fields.credentials[0] == "@" else "kes.json"
    return render(
        "gcp/grants.sh.j2",
        {
            "project": fields.project_id,
            "permissions": ",".join(PERMISSIONS),
            "account": account,
            "email": email or f"{account}@{_domain(fields.project_id)}",
            "made": bool(email),
            "machine": not fields.credentials,
            "file": file if file.startswith("~") else shlex.quote(file),
        },
    )


def _email(source: str | None) -> str:
    """Whose file it is; empty while there is none that can be read."""
    if not source:
        return ""
    try:
        return keyfile.parsed(given.read("service account", source), source).client_email
    except UsageError:
        return ""


def _domain(project: str) -> str:
    """Older projects are called `example.com:NAME`."""
    return ".".join((*reversed(project.split(":")), "iam.gserviceaccount.com"))
