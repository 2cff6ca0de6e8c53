"""Entrust KeyControl: keys are secrets in a box of a PASM vault.

Source of its requests: internal/keystore/entrust/keycontrol.go of KES 2025-03-12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from kesdeploy.keystores.forms import OneLine, Url, Uuid, before
from kesdeploy.keystores.login import Step, opened, take, token
from kesdeploy.keystores.outside import Credential, Outside
from kesdeploy.keystores.words import Habits, Question
from kesdeploy.sources import FilePath, SecretSource
from kesdeploy.spec import KeystoreFields, Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.keystores.words import Work
    from kesdeploy.spec import Spec

PRODUCT = "Entrust KeyControl"
_RIGHTS = ("the Vault User Role on all secrets of the box",) * 3


class Login(Section):
    """KES ends in a panic without it (kesconf/config.go, 643)."""

    username: OneLine
    """The user of the vault that KES logs in as."""
    password: SecretSource | None = None
    """Asked for when left out."""


class EntrustFields(KeystoreFields):
    kind: ClassVar[str] = "entrust"

    endpoint: Annotated[Url, before("/vault/1.0")]
    """KeyControl's address."""
    vault_id: Uuid
    """The PASM vault's UUID: the last part of its Login URL."""
    box_id: OneLine
    """The box's name or id in that vault."""
    credentials: Login
    ca: FilePath | None = None
    """PEM file of the authority that signed KeyControl's certificate. Left out: the public ones."""


class Entrust(Outside):
    kind: ClassVar[str] = "entrust"
    title: ClassVar[str] = PRODUCT
    summary: ClassVar[str] = "keys are secrets in a box of a PASM vault that you have"
    habits: ClassVar[Habits] = Habits(
        "KeyControl removes it from the box at once: nobody can recover it",
        besides="every secret of the box",
        most=256,
        rights=_RIGHTS,
    )
    fields: ClassVar[type[KeystoreFields]] = EntrustFields
    kes_paths: ClassVar[Mapping[str, str]] = {
        "entrust.keycontrol.tls.ca": "ca",
        **{f"entrust.keycontrol.{name}": name for name in ("endpoint", "vault_id", "box_id")},
        **{f"entrust.keycontrol.credentials.{name}": f"credentials.{name}" for name in ("username", "password")},
    }

    def credentials(self, fields: KeystoreFields) -> tuple[Credential, ...]:  # noqa: ARG002
        return (Credential("credentials.password", "Password", "The password of that user."),)

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:
        return (*ASKED, *self.asked(fields), AUTHORITY)

    def context(self, spec: Spec) -> Mapping[str, Any]:
        fields = _fields(spec)
        username = {"username": fields.credentials.username}
        return {**fields.model_dump(include={"endpoint", "vault_id", "box_id"}), "credentials": username}

    def policy(self, spec: Spec) -> str:
        fields = _fields(spec)
        return STEPS.format(
            endpoint=fields.endpoint, vault=fields.vault_id, box=fields.box_id, user=fields.credentials.username
        )

    def prove(self, work: Work) -> None:
        """Log in, and look at the box: KES does both at its start, and the latter every ten seconds."""
        fields = _fields(work.spec)
        door = opened(work, PRODUCT, fields.endpoint, fields.ca)
        user, password = fields.credentials.username, self.secret(work, "credentials.password")
        login, box = _login(fields), _box(fields)
        answer = take(door, login, body={"username": user, "password": password})
        take(door, box, body={"box_id": fields.box_id}, headers={"X-Vault-Auth": token(answer, "access_token", login)})


def _fields(spec: Spec) -> EntrustFields:
    assert isinstance(spec.keystore, EntrustFields)
    return spec.keystore


def _login(fields: EntrustFields) -> Step:
    who = (
        f"is {fields.credentials.username!r} a user of this vault, with this password? "
        "A one-time password has to be changed in KeyControl first"
    )
    where = "keystore.entrust.vault_id has to be the UUID at the end of the vault's Login URL"
    other = "is keystore.entrust.endpoint KeyControl's address? Its own log says more"
    return Step(
        f"/vault/1.0/Login/{fields.vault_id}/",
        f"{PRODUCT} refuses the login of {fields.credentials.username!r} to the vault {fields.vault_id}",
        {0: other, 400: where, 401: who, 403: who, 404: where},
    )


def _box(fields: EntrustFields) -> Step:
    role = "the user needs the Vault User Role on this box: kesdeploy policy entrust"
    missing = f"keystore.entrust.box_id: is there a box {fields.box_id!r} in this vault? If so, {role}"
    return Step(
        "/vault/1.0/GetBox/",
        f"{PRODUCT} does not show the box {fields.box_id!r} to {fields.credentials.username!r}",
        {0: "KeyControl's own log says more", 400: missing, 401: role, 403: role, 404: missing},
    )


ASKED = (
    Question(
        "keystore.entrust.endpoint", "KeyControl's address", "Where your KeyControl is: https://keycontrol.example.org"
    ),
    Question(
        "keystore.entrust.vault_id",
        "The vault's UUID",
        "A vault of type PASM. Its UUID is the last part of its Login URL, as KeyControl shows it.",
        environment=("ENTRUST_VAULT_UUID",),
    ),
    Question("keystore.entrust.box_id", "The box", "Name or id of the box, in that vault, that the keys go into."),
    Question(
        "keystore.entrust.credentials.username", "User", "The user of that vault that KES logs in as; not its admin."
    ),
)
AUTHORITY = Question(
    "keystore.entrust.ca",
    "PEM file of its authority",
    "Who signed KeyControl's certificate: a file, or one of the public authorities.",
    skip="public",
)
STEPS = """\
# {endpoint}: what KES's user needs. KeyControl has no policy file: these are steps in its web pages.
#
# 1. The vault {vault}, of type PASM.
# 2. In it a box {box!r}, with these three left empty:
#      Secret Expiration, Secret Checkout Duration, Secret Rotation Duration
#    The keys are secrets in this box: one that expires or changes makes objects unreadable.
# 3. In it a user {user!r}, whose one-time password was changed.
# 4. In it a policy:
#      Name:    KES Service
#      Role:    Vault User Role
#      Users:   {user}
#      Box:     {box}
#      Secrets: All Secrets
"""
