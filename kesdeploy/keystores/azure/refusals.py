"""What Azure refused, in its own words, and what to do about it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.core.exceptions import AzureError

    from kesdeploy.keystores.azure.fields import AzureFields

_AADSTS = re.compile(r"(AADSTS\d+): .*?(?=\s*(?:\\r|\\n|Trace ID:|[\r\n\"]|$))")
_RENEW = (
    "az ad app credential reset --id {client_id} --append, and put the password that it shows where {where} is read"
)
_TENANT = "keystore.azure.credentials.tenant_id: the id of the tenant that the vault is in: az account show"
_CLIENT = "keystore.azure.credentials.client_id: the application's (client's) id: az ad app list --show-mine"
_GRANT = "kesdeploy policy azure prints the commands that grant it; it takes some minutes until they count"
# Code of the login, or inner code of the vault -> what it means, and the next step.
_KNOWN: dict[str, tuple[str, str]] = {
    "AADSTS7000222": ("the client secret has expired", _RENEW),
    "AADSTS7000215": ("the client secret is wrong", f"its value is needed, not its id; a new one: {_RENEW}"),
    "AADSTS7000112": ("the application is disabled", "az ad sp update --id {client_id} --set accountEnabled=true"),
    "AADSTS90002": ("there is no such tenant", _TENANT),
    "AADSTS900023": ("there is no such tenant", _TENANT),
    "AADSTS700016": ("the tenant does not know this application", _CLIENT),
    "AADSTS50034": ("the tenant does not know this application", _CLIENT),
    "ForbiddenByPolicy": ("the vault's access policy does not let KES in", _GRANT),
    "ForbiddenByRbac": ("no role in the vault lets KES in", _GRANT),
    "ForbiddenByFirewall": (
        "the vault's firewall does not let this machine in",
        "az keyvault network-rule add --name {vault} --ip-address THIS-MACHINE'S-PUBLIC-ADDRESS",
    ),
}


def refusal(fields: AzureFields, error: AzureError | ValueError) -> ServiceError:
    """The error for the user; its status is HTTP's, 0 when nobody answered. ValueError: a challenge that is none."""
    code, words = _told(error)
    status = _status(error, code)
    what, hint = _KNOWN.get(code, ("", ""))
    if not what:
        what, hint = _by_status(status)
    where = (fields.credentials and fields.credentials.client_secret) or "the client secret"
    return ServiceError(
        f"Azure refuses KES's login: {what}" if code.startswith("AADSTS") else f"Azure: {what}",
        because=words,
        hint=hint.format(client_id=fields.client_id, vault=fields.vault, where=where),
        status=status,
    )


def _by_status(status: int) -> tuple[str, str]:
    if not status:
        return "its login service does not answer", "can this machine reach it? az login --service-principal tries it"
    if status == HTTPStatus.FORBIDDEN:
        return "the vault does not let KES in", _GRANT
    if status == HTTPStatus.UNAUTHORIZED:
        return "the login is refused", f"{_CLIENT}; {_TENANT}"
    return (
        "the vault does not answer as a vault",
        "keystore.azure.endpoint: az keyvault list --query [].properties.vaultUri",
    )


def _told(error: BaseException) -> tuple[str, str]:
    """The code that tells the most, and Azure's words for it."""
    texts = [str(getattr(one, "message", "") or one) for one in _chain(error)]
    for text in texts:
        if found := _AADSTS.search(text):
            return found[1], found[0].rstrip()
    told = getattr(error, "error", None)
    inner = getattr(told, "innererror", None) or {}
    code = inner.get("code", "") or getattr(told, "code", "")
    return code, (getattr(told, "message", "") or texts[0]).partition("\n")[0].rstrip()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from: the library repeats less than it was told."""
    found: BaseException | None = error
    while found:
        yield found
        found = found.__cause__ or found.__context__


def _status(error: BaseException, code: str) -> int:
    from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError, ServiceResponseError

    if isinstance(error, ClientAuthenticationError):
        # What could not be sent is called so as well.
        unsent = any(isinstance(one, (ServiceRequestError, ServiceResponseError)) for one in _chain(error))
        return 0 if unsent and not code else HTTPStatus.UNAUTHORIZED
    return int(getattr(error, "status_code", None) or (HTTPStatus.OK if isinstance(error, ValueError) else 0))
