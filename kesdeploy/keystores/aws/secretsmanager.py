"""One question to Secrets Manager, as KES asks it, and what AWS's refusals mean."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kesdeploy.clients import SUCCESS
from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

    from kesdeploy.clients import Answer

# A label that no version of a secret has: AWS checks who asks, and for what, and then has nothing to hand out.
_NO_VERSION = "kesdeploy-preflight"
_UNKNOWN = ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "AuthFailure", "InvalidToken")
_UNSIGNED = (
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "IncompleteSignatureException",
)
_EXPIRED = ("ExpiredTokenException", "ExpiredToken", "RequestExpired")
_FORBIDDEN = ("AccessDeniedException", "AccessDenied", "NotAuthorized", "OptInRequired")
_BUSY = ("ThrottlingException", "InternalServiceError", "InternalFailure", "ServiceUnavailable")
BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, UNAVAILABLE = 400, 401, 403, 503


@dataclass(frozen=True)
class Login:
    """Keys of an IAM user, or temporary ones with their token."""

    accesskey: str = field(repr=False)
    secretkey: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Place:
    """Where to ask. `ca`: the only trusted authority; None: the public ones. `timeout` is in seconds.

    proxy: the one that KES goes through.
    """

    host: str
    region: str
    ca: Path | None
    timeout: float
    proxy: str | None = None


@dataclass(frozen=True)
class Refusal:
    """What AWS said: its code, and its words up to where they repeat the request (with the session token in it)."""

    code: str
    words: str


def may_read(place: Place, login: Login, secret: str, grant: str) -> None:
    """Whether this login may read the secret of this name, be it there or not. Nothing of it is fetched.

    grant: the command that shows what has to be granted. Raises ServiceError with AWS's words: status 401 when the
    login is refused, 403 when it lacks the right, 0 when nobody answers.
    """
    from kesdeploy.clients import Door

    body = json.dumps({"SecretId": secret, "VersionStage": _NO_VERSION}).encode()
    door = Door(f"https://{place.host}", ca=place.ca, timeout=place.timeout, proxy=place.proxy)
    answer = door.ask("POST", "/", body=body, headers=signed(place, login, body))
    refusal = refused(answer)
    if answer.status not in SUCCESS and refusal.code != "ResourceNotFoundException":
        raise translated(refusal, place, secret, grant)


def signed(place: Place, login: Login, body: bytes) -> dict[str, str]:
    """The headers by which AWS knows the sender.

    Only the signature is the library's: its client would also take endpoints, proxies and profiles from the user's
    environment, of which KES's container has none.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import ReadOnlyCredentials

    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.GetSecretValue"}
    request = AWSRequest("POST", f"https://{place.host}/", headers=headers, data=body)
    who = ReadOnlyCredentials(login.accesskey, login.secretkey, login.token or None)
    SigV4Auth(who, "secretsmanager", place.region).add_auth(request)
    return dict(request.headers.items())


def refused(answer: Answer) -> Refusal:
    text = answer.body.decode(errors="replace")
    try:
        found = json.loads(text)
        code, words = found["__type"], found.get("message") or found.get("Message") or ""
    except (ValueError, KeyError, TypeError):
        # Some answer in XML whatever was asked, and what is no AWS in words of its own.
        inside = re.search(r"<Code>(.*?)</Code>.*?<Message>(.*?)</Message>", text, re.DOTALL)
        code, words = inside.groups() if inside else (f"HTTP {answer.status}", text)
    return Refusal(str(code).rpartition("#")[2], str(words).strip().partition("\n")[0][:400])


def translated(refusal: Refusal, place: Place, secret: str, grant: str) -> ServiceError:
    """What a refusal means, and what to do about it."""
    what, hint, status = _meaning(refusal, place, secret, grant)
    return ServiceError(what, because=f"{refusal.code}: {refusal.words}", hint=hint, status=status)


def _meaning(refusal: Refusal, place: Place, secret: str, grant: str) -> tuple[str, str, int]:
    if refusal.code in _UNSIGNED:
        return _unsigned(refusal.words, place)
    if re.search("(marked|scheduled) (for deletion|deleted)", refusal.words):
        hint = f"aws secretsmanager restore-secret --region {place.region} --secret-id {secret}"
        return f"the key {secret!r} is being deleted in AWS, and with it all that it encrypted", hint, BAD_REQUEST
    known = {
        _FORBIDDEN: (
            f"AWS does not allow KES to read its key {secret!r}",
            f"grant what this shows: {grant}",
            FORBIDDEN,
        ),
        _EXPIRED: (
            "the temporary AWS credentials have expired",
            "new ones, or better those of an IAM user, which do not end: keystore.aws.credentials",
            UNAUTHENTICATED,
        ),
        _UNKNOWN: (
            f"AWS does not know this access key in {place.region}",
            "keystore.aws.credentials.accesskey: is it AWS's, not MinIO's, and active? Temporary ones need .token",
            UNAUTHENTICATED,
        ),
        _BUSY: ("AWS Secrets Manager is too busy", "the same command again in a minute", UNAVAILABLE),
    }
    other = ("AWS Secrets Manager refuses", f"is {place.host} Secrets Manager, in {place.region}?", BAD_REQUEST)
    return next((meaning for codes, meaning in known.items() if refusal.code in codes), other)


def _unsigned(words: str, place: Place) -> tuple[str, str, int]:
    """A signature depends on the secret key, the region, the service and the time."""
    if "should be scoped to" in words:
        hint = "keystore.aws.region and keystore.aws.endpoint have to belong together"
        return f"{place.host} is not Secrets Manager of {place.region}", hint, BAD_REQUEST
    if words.startswith(("Signature expired", "Signature not yet current")):
        return "this machine's clock is not AWS's", "timedatectl set-ntp true", BAD_REQUEST
    hint = "keystore.aws.credentials.secretkey has to be the one that was shown together with the access key"
    return "AWS refuses the secret access key", hint, UNAUTHENTICATED
