"""Fortanix DSM (SDKMS): keys are opaque security objects of an app's group.

Source of its requests: internal/keystore/fortanix/keystore.go of KES 2025-03-12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from kesdeploy.keystores.forms import Url, Uuid, before
from kesdeploy.keystores.login import Step, opened, take, token
from kesdeploy.keystores.outside import Credential, Outside
from kesdeploy.keystores.words import Habits, Question
from kesdeploy.sources import FilePath, SecretSource
from kesdeploy.spec import KeystoreFields, Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.keystores.words import Work
    from kesdeploy.spec import Spec

PRODUCT = "Fortanix DSM"
# KES asks for the first hundred names, again and again, while there is one: it never advances (keystore.go, 422).
ENDLESS = "/v1/key/list/*"


class ApiKey(Section):
    key: SecretSource | None = None
    """The app's API key. Asked for when left out."""


class FortanixFields(KeystoreFields):
    kind: ClassVar[str] = "fortanix"

    endpoint: Annotated[Url, before("/sys/v1", "/crypto/v1")]
    """The address of your DSM, or of your region of the service."""
    group_id: Uuid | None = None
    """The group that new keys belong to. Left out: the app's default group."""
    credentials: ApiKey = Field(default_factory=ApiKey)
    ca: FilePath | None = None
    """PEM file of the authority that signed its certificate; the public ones then count no more."""


class Fortanix(Outside):
    kind: ClassVar[str] = "fortanix"
    title: ClassVar[str] = "Fortanix DSM (SDKMS)"
    summary: ClassVar[str] = "keys are security objects of a group, in the service or in your own DSM"
    habits: ClassVar[Habits] = Habits(
        "DSM destroys the security object at once: nobody can recover it",
        rights=("an app that may create keys", "an app that may export keys", "an app that may delete keys"),
        unlisted="KES would ask DSM for the first hundred names again and again, for ever",
    )
    fields: ClassVar[type[KeystoreFields]] = FortanixFields
    kes_paths: ClassVar[Mapping[str, str]] = {
        "fortanix.sdkms.endpoint": "endpoint",
        "fortanix.sdkms.group_id": "group_id",
        "fortanix.sdkms.credentials.key": "credentials.key",
        "fortanix.sdkms.tls.ca": "ca",
    }

    def credentials(self, fields: KeystoreFields) -> tuple[Credential, ...]:  # noqa: ARG002
        explain = "The API key of KES's app, as DSM shows it under VIEW API KEY DETAILS: one long word."
        return (Credential("credentials.key", "API key", explain, environment=("FORTANIX_API_KEY",)),)

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:
        return (ENDPOINT, *self.asked(fields), *OPTIONAL)

    def context(self, spec: Spec) -> Mapping[str, Any]:
        fields = _fields(spec)
        return {"endpoint": fields.endpoint, "group_id": fields.group_id or "", "deny": [ENDLESS]}

    def policy(self, spec: Spec) -> str:
        fields = _fields(spec)
        group = f"the group {fields.group_id}" if fields.group_id else "a group of its own"
        return STEPS.format(endpoint=fields.endpoint, app=f"kes-{spec.name}", group=group)

    def prove(self, work: Work) -> None:
        """Ask for its health, open a session with the API key, and end it: so does KES at its start."""
        fields = _fields(work.spec)
        door = opened(work, PRODUCT, fields.endpoint, fields.ca)
        app = {"Authorization": f"Basic {self.secret(work, 'credentials.key')}"}
        take(door, HEALTH, headers=app)
        session = token(take(door, SESSION, headers=app), "access_token", SESSION)
        take(door, END, headers={"Authorization": f"Bearer {session}"})


def _fields(spec: Spec) -> FortanixFields:
    assert isinstance(spec.keystore, FortanixFields)
    return spec.keystore


_WHERE = "is keystore.fortanix.endpoint the address of DSM's REST API? As in https://sdkms.fortanix.com"
_KEY = (
    "copy the app's API key again (Apps, the app, VIEW API KEY DETAILS): the whole word, neither its UUID nor its "
    "secret alone; and the app has to be enabled"
)
_STATE = "DSM's own state page says more"
HEALTH = Step("/sys/v1/health", f"{PRODUCT} is not healthy", {0: _WHERE, 503: _STATE}, method="GET", expected=204)
SESSION = Step(
    "/sys/v1/session/auth",
    f"{PRODUCT} refuses the API key",
    {0: _WHERE, 400: _KEY, 401: _KEY, 403: _KEY, 503: _STATE},
)
END = Step("/sys/v1/session/terminate", f"{PRODUCT} does not end the session", {0: _STATE}, expected=204)

ENDPOINT = Question(
    "keystore.fortanix.endpoint",
    "DSM's address",
    "Your own DSM, or your region of the service: https://sdkms.fortanix.com, https://amer.smartkey.io, …",
    environment=("FORTANIX_API_ENDPOINT",),
)
OPTIONAL = (
    Question(
        "keystore.fortanix.group_id",
        "Group's UUID",
        "The group that new keys belong to, where it is not the app's default group.",
        skip="default",
    ),
    Question(
        "keystore.fortanix.ca",
        "PEM file of its authority",
        "Who signed DSM's certificate: a file, or one of the public authorities.",
        skip="public",
    ),
)
STEPS = """\
# {endpoint}: what KES's app needs. These are steps in DSM's web pages.
#
# 1. Groups: {group}.
# 2. Apps, a new app:
#      App name:              {app}
#      Interface:             REST API
#      Authentication method: API Key
#      Group:                 {group}; the first one is the app's default group
# 3. The app's permissions in that group: Manage (create and delete keys) and Export (read them). It needs no other.
# 4. VIEW API KEY DETAILS, and copy the API key: keystore.fortanix.credentials.key
"""
