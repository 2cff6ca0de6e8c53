"""Google Secret Manager: KES keeps each key as a secret of a project.

Of what it is given, KES checks no more than that Google can be reached (secret-manager.go): a wrong project or account
shows with the first key. So all that can be asked beforehand is asked here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from kesdeploy import given
from kesdeploy.errors import UsageError
from kesdeploy.keystores.gcp import keyfile, proof
from kesdeploy.keystores.gcp.fields import GcpFields
from kesdeploy.keystores.outside import Credential, Outside
from kesdeploy.keystores.words import Habits, Question
from kesdeploy.resources import Ref, Resource, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.keystores.words import Contribution, Site, Work
    from kesdeploy.spec import KeystoreFields, Spec

_PROJECT = Question(
    "keystore.gcp.project_id",
    "Project's id",
    "The project in Google's cloud that keeps the keys: its id, not its name or number.",
    environment=("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"),
)
_CREDENTIALS = Question(
    "keystore.gcp.credentials",
    "Key file of the service account",
    "The JSON file that Google gave for KES's service account, or none where this machine runs in Google's cloud.",
    skip="machine",
    environment=("GOOGLE_APPLICATION_CREDENTIALS",),
)


class Gcp(Outside):
    kind: ClassVar[str] = "gcp"
    title: ClassVar[str] = "Google Secret Manager"
    summary: ClassVar[str] = "keys are secrets of a project in Google's cloud"
    habits: ClassVar[Habits] = Habits(
        "Google deletes the secret with all its versions at once: nobody can recover it",
        besides="every secret of the project",
        rights=(
            "secretmanager.secrets.create, secretmanager.versions.add",
            "secretmanager.versions.access",
            "secretmanager.secrets.delete",
        ),
    )
    fields: ClassVar[type[KeystoreFields]] = GcpFields
    # Go reads it in place of the system's file; KES has no setting for it.
    ca_variables: ClassVar[tuple[str, ...]] = ("SSL_CERT_FILE",)
    kes_paths: ClassVar[Mapping[str, str]] = {
        "gcp.secretmanager.project_id": "project_id",
        "gcp.secretmanager.scopes": "scopes",
    }

    def credentials(self, fields: KeystoreFields) -> tuple[Credential, ...]:  # noqa: ARG002
        """None that anybody types: they are parts of a file."""
        return ()

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:  # noqa: ARG002
        return (_PROJECT, _CREDENTIALS)

    def context(self, spec: Spec) -> Mapping[str, Any]:
        found = of(spec)
        return {
            "project_id": found.project_id,
            "scopes": list(found.scopes),
            "credentials": {} if found.credentials else None,
        }

    def contribute(self, spec: Spec, site: Site) -> Contribution:
        """Each part of the file is a secret of its own: a new file brings new parts, and KES takes them up."""
        base, source = super().contribute(spec, site), of(spec).credentials
        if not source:
            return base
        secrets = tuple(
            Resource(f"secret/{name}", Secret(name, "given", given.part(part, source)))
            for part in keyfile.PARTS
            if (name := keyfile.store(part))
        )
        return replace(
            base,
            resources=(*secrets, *base.resources),
            refs={f"credentials.{part}": Ref("secret", keyfile.store(part)) for part in keyfile.PARTS},
            needs=(*base.needs, *(secret.address for secret in secrets)),
        )

    def policy(self, spec: Spec) -> str:
        from kesdeploy.keystores.gcp.grants import grants

        return grants(spec.name, of(spec))

    def restore(self, spec: Spec, key: str) -> str:
        return f"gcloud secrets versions enable 1 --secret={key} --project={of(spec).project_id}"

    def prove(self, work: Work) -> None:
        source = of(work.spec).credentials
        if not source and work.home.read_secret("gcp-credentials"):
            raise UsageError(
                "the service account's key file cannot be piped",
                because="it has many lines",
                hint="--set keystore.gcp.credentials=@FILE",
            )
        proof.prove(work, keyfile.account(work.home, source) if source else None)


def of(spec: Spec) -> GcpFields:
    assert isinstance(spec.keystore, GcpFields)
    return spec.keystore
