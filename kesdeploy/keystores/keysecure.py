"""Thales CipherTrust Manager (once Gemalto KeySecure): keys are secrets of a domain.

Source of its requests: internal/keystore/gemalto/{client,key-secure}.go of KES 2025-03-12.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from kesdeploy.keystores.forms import OneLine, Url, before
from kesdeploy.keystores.login import Step, opened, take, token
from kesdeploy.keystores.outside import Credential, Outside
from kesdeploy.keystores.words import Habits, Question
from kesdeploy.sources import FilePath, SecretSource
from kesdeploy.spec import KeystoreFields, Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.keystores.words import Work
    from kesdeploy.spec import Spec

PRODUCT = "CipherTrust Manager"
# What KES's requests need; where a key may be seen by none of them, CipherTrust says 404, as if there were none.
ACTIONS = ("CreateKey", "ExportKey", "ReadKey", "DeleteKey")
SECRETS = "kylo:kylo:vault:secrets:*"


class RefreshToken(Section):
    token: SecretSource | None = None
    """A refresh token. Asked for when left out."""
    domain: OneLine | None = None
    """The domain that the token is for. Left out: the root domain."""


class KeySecureFields(KeystoreFields):
    kind: ClassVar[str] = "keysecure"

    endpoint: Annotated[Url, before("/api")]
    """CipherTrust Manager's address."""
    credentials: RefreshToken = Field(default_factory=RefreshToken)
    ca: FilePath | None = None
    """PEM file of the authority that signed its certificate; the public ones then count no more."""


class KeySecure(Outside):
    kind: ClassVar[str] = "keysecure"
    title: ClassVar[str] = "Thales CipherTrust Manager (Gemalto KeySecure)"
    summary: ClassVar[str] = "keys are secrets of a domain in the CipherTrust Manager that you have"
    habits: ClassVar[Habits] = Habits(
        "CipherTrust Manager removes it at once: nobody can recover it",
        besides="every secret of the domain",
        rights=("CreateKey", "ReadKey, ExportKey", "DeleteKey"),
    )
    fields: ClassVar[type[KeystoreFields]] = KeySecureFields
    kes_paths: ClassVar[Mapping[str, str]] = {
        "gemalto.keysecure.endpoint": "endpoint",
        "gemalto.keysecure.credentials.token": "credentials.token",
        "gemalto.keysecure.credentials.domain": "credentials.domain",
        "gemalto.keysecure.tls.ca": "ca",
    }

    def credentials(self, fields: KeystoreFields) -> tuple[Credential, ...]:  # noqa: ARG002
        explain = "As `ksctl tokens create --user USER --password … --issue-rt` prints it; not the short-lived JWT."
        return (Credential("credentials.token", "Refresh token", explain),)

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:
        return (ENDPOINT, *self.asked(fields), *OPTIONAL)

    def context(self, spec: Spec) -> Mapping[str, Any]:
        fields = _fields(spec)
        return {"endpoint": fields.endpoint, "credentials": {"domain": fields.credentials.domain or ""}}

    def policy(self, spec: Spec) -> str:
        fields, name = _fields(spec), f"kes-{spec.name}"
        domain = fields.credentials.domain
        policy = {"allow": True, "name": f"{name}-policy", "actions": list(ACTIONS), "resources": [SECRETS]}
        return COMMANDS.format(
            url=shlex.quote(fields.endpoint),
            domain=f"export KSCTL_DOMAIN={shlex.quote(domain)}\n" if domain else "",
            policy=json.dumps(policy, indent=2),
            attachment=json.dumps({"cust": {"groups": [name]}}),
            name=name,
        )

    def prove(self, work: Work) -> None:
        """Exchange the refresh token for a short-lived one, as KES does at its start and from then on."""
        fields = _fields(work.spec)
        door = opened(work, PRODUCT, fields.endpoint, fields.ca)
        body = {
            "grant_type": "refresh_token",
            "refresh_token": self.secret(work, "credentials.token"),
            "domain": fields.credentials.domain or "",
        }
        token(take(door, EXCHANGE, body=body), "jwt", EXCHANGE)


def _fields(spec: Spec) -> KeySecureFields:
    assert isinstance(spec.keystore, KeySecureFields)
    return spec.keystore


_REFRESH = (
    "a new refresh token: ksctl tokens create --user USER --password … --issue-rt; is it one of the domain in "
    "keystore.keysecure.credentials.domain?"
)
_WHERE = "is keystore.keysecure.endpoint CipherTrust Manager's address, without a path?"
EXCHANGE = Step(
    "/api/v1/auth/tokens",
    f"{PRODUCT} refuses the refresh token",
    {0: "its audit records say more", 200: _WHERE, 400: _REFRESH, 401: _REFRESH, 403: _REFRESH, 404: _WHERE},
)
ENDPOINT = Question(
    "keystore.keysecure.endpoint",
    "CipherTrust Manager's address",
    "Where your CipherTrust Manager or KeySecure is: https://ciphertrust.example.org",
    environment=("KSCTL_URL", "CIPHERTRUST_ADDRESS"),
)
OPTIONAL = (
    Question(
        "keystore.keysecure.credentials.domain",
        "Domain",
        "The domain that the refresh token is for.",
        skip="root",
        environment=("KSCTL_DOMAIN", "CIPHERTRUST_DOMAIN"),
    ),
    Question(
        "keystore.keysecure.ca",
        "PEM file of its authority",
        "Who signed its certificate: a file, or one of the public authorities.",
        skip="public",
        environment=("CIPHERTRUST_CA_CERT",),
    ),
)
COMMANDS = """\
# What KES's user needs, as commands for ksctl, logged in as an administrator of the domain.
export KSCTL_URL={url}
{domain}\
cat > {name}-policy.json <<'EOF'
{policy}
EOF
cat > {name}-attachment.json <<'EOF'
{attachment}
EOF
ksctl groups create --name {name}
ksctl users create --name {name} --pword 'CHOOSE-A-PASSWORD'
ksctl groups adduser --name {name} --userid 'USER-ID'    # "user_id", as printed by the line above
ksctl policy create --jsonfile {name}-policy.json
ksctl polattach create -p {name}-policy -g {name}-attachment.json
# This prints what keystore.keysecure.credentials.token is to have:
ksctl tokens create --user {name} --password 'CHOOSE-A-PASSWORD' --issue-rt | jq -r .refresh_token
# Without DeleteKey, KES cannot delete a key: it then says that it did, and the key stays.
"""
