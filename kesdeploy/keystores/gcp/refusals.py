"""What Google refused, in its own words, and what to do about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kesdeploy.errors import ServiceError
from kesdeploy.keystores.gcp.fields import GcpFields

if TYPE_CHECKING:
    from kesdeploy.clients import Answer
    from kesdeploy.keystores.gcp.keyfile import Account
    from kesdeploy.spec import Spec

UNAUTHORIZED = 401
_GRANT = "kesdeploy policy gcp prints the commands that grant it; it takes a minute until they count"
_SCOPES = "keystore.gcp.scopes: leave it out, or name https://www.googleapis.com/auth/cloud-platform"
_NEW_KEY = (
    "gcloud iam service-accounts keys list --iam-account {email} shows which keys there are; a new file: "
    "gcloud iam service-accounts keys create FILE --iam-account {email}"
)
# Reason in Google's error (google.rpc.ErrorInfo) or its status -> what it means, and the next step.
_KNOWN: dict[str, tuple[str, str]] = {
    "SERVICE_DISABLED": (
        "the Secret Manager API is not enabled in the project {project!r}",
        "gcloud services enable secretmanager.googleapis.com --project {project}; it takes some minutes",
    ),
    "CONSUMER_INVALID": (
        "there is no project {project!r}, or KES's service account is not let into it",
        "keystore.gcp.project_id: gcloud projects list; is it that of {email}?",
    ),
    "BILLING_DISABLED": (
        "the project {project!r} has no billing account",
        "gcloud billing projects link {project} --billing-account ACCOUNT",
    ),
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": ("the scopes of KES's logins do not cover secrets", _SCOPES),
    "IAM_PERMISSION_DENIED": ("KES's service account may not use its keys", _GRANT),
    "PERMISSION_DENIED": ("KES's service account may not use its keys", _GRANT),
    "UNAUTHENTICATED": ("KES's service account is refused", _NEW_KEY),
    "FAILED_PRECONDITION": (
        "version 1 of the key's secret cannot be read",
        "gcloud secrets versions enable 1 --secret {key} --project {project}; if it is destroyed, its key is lost",
    ),
}
# Words of a refused login (RFC 6749's error, and Google's description) -> what it means, and the next step.
_LOGINS: tuple[tuple[str, str, str], ...] = (
    ("Invalid JWT Signature", "the key in its file was deleted, or belongs to another account", _NEW_KEY),
    (
        "account not found",
        "there is no service account {email!r} any more",
        "gcloud iam service-accounts list --project {project}; kesdeploy policy gcp shows how to make one",
    ),
    ("short-lived", "this machine's clock is wrong, or too far off", "timedatectl: is the clock synchronised?"),
    ("invalid_scope", "Google does not know one of the scopes", _SCOPES),
)


def refusal(spec: Spec, account: Account, answer: Answer) -> ServiceError:
    """The error for an answer that is no success."""
    from kesdeploy.clients import message

    reason, status = _reason(answer)
    what, hint = _KNOWN.get(reason) or _KNOWN.get(status) or ("Secret Manager refuses", "gcloud secrets list tries it")
    return _error(spec, account, what, hint, because=message(answer), status=answer.status)


def no_token(spec: Spec, account: Account, error: Exception) -> ServiceError:
    """The error for a login that failed; status 0 when nobody answered."""
    from google.auth.exceptions import TransportError

    if isinstance(error, TransportError):
        what, hint = (
            "Google's login does not answer",
            "can this machine reach it? curl -v https://oauth2.googleapis.com",
        )
        return _error(spec, account, what, hint, because=_words(error), status=0)
    words = _words(error)
    found = (known[1:] for known in _LOGINS if known[0].lower() in words.lower())
    what, hint = next(found, ("the login is refused", _NEW_KEY))
    return _error(
        spec, account, f"Google refuses KES's service account: {what}", hint, because=words, status=UNAUTHORIZED
    )


def _error(spec: Spec, account: Account, what: str, hint: str, *, because: str, status: int) -> ServiceError:
    assert isinstance(spec.keystore, GcpFields)
    names = {"project": spec.keystore.project_id, "email": account.client_email, "key": spec.key_name}
    return ServiceError(what.format(**names), because=because, hint=hint.format(**names), status=status)


def _words(error: Exception) -> str:
    """The first of what the library hands on: Google's error and its description."""
    return str(error.args[0] if error.args else error).partition("\n")[0]


def _reason(answer: Answer) -> tuple[str, str]:
    try:
        error: Any = json.loads(answer.body)["error"]
        details = error.get("details") or []
        reason = next((detail["reason"] for detail in details if detail.get("reason")), "")
        return str(reason), str(error.get("status", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ""
