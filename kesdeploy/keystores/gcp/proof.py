"""A login as the service account, and a look at the default key.

Google's own library for the login (google-auth, a quarter of a megabyte), and plain HTTPS for the one question: its
client for Secret Manager would bring gRPC, which is twenty times that.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from kesdeploy.errors import ServiceError
from kesdeploy.keystores.extras import warn_unproven
from kesdeploy.keystores.gcp.fields import GcpFields
from kesdeploy.keystores.gcp.refusals import no_token, refusal
from kesdeploy.keystores.reaching import authority, unused_proxy

if TYPE_CHECKING:
    from kesdeploy.clients import Answer, Door
    from kesdeploy.keystores.gcp.keyfile import Account
    from kesdeploy.keystores.words import Work

SECRETS = "https://secretmanager.googleapis.com"
TOKEN = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# Seconds for connecting, and for each answer.
LONGEST = 15.0


def prove(work: Work, account: Account | None) -> None:
    """Reach Secret Manager, log in, and read what KES reads: version 1 of the default key's secret.

    Raises CertificateError, or ServiceError with Google's words: status 0 when nobody answers.
    """
    door = _door(work)
    if account is None:
        work.report.warn(
            "KES logs in as the service account of the machine that it runs on: only its first key proves that this "
            "works, and outside of Google's cloud it does not"
        )
        return
    token = _token(work, door, account)
    if token is None:
        warn_unproven(work, "gcp")
        return
    headers = {"Authorization": f"Bearer {token}"}
    secret = f"/v1/projects/{_fields(work).project_id}/secrets/{work.spec.key_name}"
    # Its name alone: the key itself is nobody's business here.
    answer = door.ask("GET", f"{secret}/versions/1:access?fields=name", headers=headers)
    if answer.status == HTTPStatus.NOT_FOUND:
        _refuse_half_made(work, door.ask("GET", f"{secret}?fields=name", headers=headers))
    elif answer.status != HTTPStatus.OK:
        raise refusal(work.spec, account, answer)


def _door(work: Work) -> Door:
    from kesdeploy.clients import Door

    ca, proxy = authority(_fields(work).ca, "keystore.gcp.ca"), work.spec.kes.proxy
    door = Door(SECRETS, ca=ca, timeout=min(work.timeout, LONGEST), proxy=proxy)
    try:
        door.ask("GET", "/")
    except ServiceError as error:
        behind = (
            "; where a proxy opens TLS, keystore.gcp.ca names its authority" if "certificate" in error.because else ""
        )
        hint = f"can this machine reach Google? curl -v {SECRETS}{behind}{unused_proxy(proxy)}"
        raise ServiceError("Google's Secret Manager cannot be reached", because=error.because, hint=hint) from error
    return door


def _token(work: Work, door: Door, account: Account) -> str | None:
    """What the service account may show; None without the library."""
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.urllib3 import Request
        from google.oauth2.service_account import Credentials
    except ImportError:
        return None
    info = {
        "client_email": account.client_email,
        "private_key": account.pem,
        "private_key_id": account.private_key_id,
        "token_uri": TOKEN,
    }
    scopes = _fields(work).scopes or (SCOPE,)
    try:
        login = Credentials.from_service_account_info(info, scopes=scopes)
        login.refresh(Request(door.pool))
    except (GoogleAuthError, ValueError) as error:
        raise no_token(work.spec, account, error) from error
    return str(login.token)


def _refuse_half_made(work: Work, answer: Answer) -> None:
    """KES makes a secret and its version in two steps. Killed between them, it can neither use nor make the key."""
    if answer.status != HTTPStatus.OK:
        return
    name, project = work.spec.key_name, _fields(work).project_id
    raise ServiceError(
        f"the secret {name!r} is in the project {project!r}, without the version 1 that KES reads",
        because="KES was stopped while it made the key, or somebody else made the secret",
        hint=f"gcloud secrets delete {name} --project {project}, when nobody needs it; or another key_name",
        status=answer.status,
    )


def _fields(work: Work) -> GcpFields:
    assert isinstance(work.spec.keystore, GcpFields)
    return work.spec.keystore
