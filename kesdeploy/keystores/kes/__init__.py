"""A KES that others run: only MinIO is deployed, with an identity that has to be allowed there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, cast

from kesdeploy.keystores.kes import login
from kesdeploy.keystores.kes.fields import KesFields
from kesdeploy.keystores.outside import Credential, Outside
from kesdeploy.keystores.words import Contribution, Elsewhere, Habits, Question
from kesdeploy.resources import BroughtIdentity, File, Identity, Ref, Resource, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.keystores.words import Site, Work
    from kesdeploy.spec import KeystoreFields, Spec

AUTHORITY, IDENTITY, CA_FILE = "authority/ca", "identity/minio", "file/kes-ca"
MAKE, PUBLIC = "make", "public"
API_KEY_VARIABLE = "MINIO_KMS_KES_API_KEY"


class Kes(Outside):
    kind: ClassVar[str] = "kes"
    title: ClassVar[str] = "KES elsewhere"
    summary: ClassVar[str] = "a KES that you have already: only MinIO is deployed here, and has to be allowed there"
    habits: ClassVar[Habits] = Habits(
        "that KES deletes it for all who use it, in a keystore that nobody here knows",
        besides="the keys of everybody who uses that KES",
    )
    fields: ClassVar[type[KeystoreFields]] = KesFields

    def credentials(self, fields: KeystoreFields) -> tuple[Credential, ...]:  # noqa: ARG002
        """None that is asked for: without one, kesdeploy makes an identity."""
        return ()

    def context(self, spec: Spec) -> Mapping[str, Any]:  # noqa: ARG002
        return {}

    def elsewhere(self, spec: Spec) -> Elsewhere:
        fields = _fields(spec)
        return Elsewhere(
            fields.endpoints,
            ca=login.CA if fields.ca else "",
            certificate=bool(fields.certificate),
            secrets=tuple(secret.address for secret in _brought(fields)),
        )

    def policy(self, spec: Spec) -> str:
        from kesdeploy.render import render

        keys = dict.fromkeys(name for _, name in spec.key_names)
        context = {"name": spec.name, "endpoint": _fields(spec).endpoints[0], "keys": list(keys)}
        return render("kes/elsewhere-policy.yaml.j2", {**context, "identity": str(Ref("identity", "minio"))})

    def contribute(self, spec: Spec, site: Site) -> Contribution:  # noqa: ARG002
        fields = _fields(spec)
        secrets, ca = _brought(fields), _authority(fields)
        return Contribution(
            resources=(*secrets, _identity(fields, secrets), *ca),
            uses=(CA_FILE,) if ca else (),
            needs=(IDENTITY, *((CA_FILE,) if ca else ())),
        )

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:
        # The variables' own values would be secrets: where they are, is none.
        known = f"env:{API_KEY_VARIABLE}" if os.environ.get(API_KEY_VARIABLE) else ""
        login_given = getattr(fields, "certificate", None) or getattr(fields, "key", None)
        return (WHERE, CA, *(() if login_given else (_api_key(known),)))

    def preflight(self, work: Work) -> None:
        login.reach(work, _fields(work.spec))

    def prove(self, work: Work) -> None:
        login.use(work, _fields(work.spec))

    def state(self, work: Work) -> str:
        """One of ok, UNREACHABLE, DENIED, MISSING KEY."""
        found = super().state(work)
        return "MISSING KEY" if found == "WRONG" else found


WHERE = Question(
    "keystore.kes.endpoints",
    "Its address",
    "The KES that MinIO is to use, https://HOST:7373. Several servers of it with commas.",
    environment=("MINIO_KMS_KES_ENDPOINT", "KES_SERVER"),
)
CA = Question(
    "keystore.kes.ca",
    "PEM file of its authority",
    "Who signed its certificate: a file, or one of the public authorities.",
    skip=PUBLIC,
    environment=("MINIO_KMS_KES_CAPATH",),
)


def _api_key(default: str) -> Question:
    return Question(
        "keystore.kes.api_key",
        "MinIO's API key there",
        "Where it can be read, @FILE or env:NAME, if its operator gave you one. "
        f"'{MAKE}': kesdeploy makes an identity, and says what its operator has to allow.",
        default=default,
        skip=MAKE,
    )


def _fields(spec: Spec) -> KesFields:
    return cast("KesFields", spec.keystore)


def _brought(fields: KesFields) -> tuple[Resource, ...]:
    """The secrets that MinIO's identity is made of, where the user brought it."""
    certificate = f"@{fields.certificate}" if fields.certificate else None
    given = {login.API_KEY: fields.api_key, login.CERTIFICATE: certificate, login.KEY: fields.key}
    return tuple(Resource(f"secret/{name}", Secret(name, "given", source)) for name, source in given.items() if source)


def _identity(fields: KesFields, secrets: tuple[Resource, ...]) -> Resource:
    needs = (AUTHORITY, *(secret.address for secret in secrets))
    if fields.certificate:
        return Resource(IDENTITY, BroughtIdentity("minio", login.KEY, login.CERTIFICATE), needs)
    return Resource(IDENTITY, BroughtIdentity("minio", login.API_KEY) if secrets else Identity("minio"), needs)


def _authority(fields: KesFields) -> tuple[Resource, ...]:
    """Its CA, copied to where MinIO reads it: a mount of the user's folder would show MinIO what else is in it."""
    if not fields.ca:
        return ()
    copy = Resource(f"secret/{login.CA}", Secret(login.CA, "given", f"@{fields.ca}"))
    file = File(f"config/minio/{login.CA}", "text.j2", {}, {"text": Ref("secret", login.CA)}, mode=0o644)
    return (copy, Resource(CA_FILE, file, (copy.address,)))
