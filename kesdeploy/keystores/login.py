"""The login of a KMS that others run, request by request as KES does it: what is refused here, KES would be refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kesdeploy.errors import ServiceError
from kesdeploy.keystores.reaching import answers, authority

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.clients import Answer, Door
    from kesdeploy.keystores.words import Work

# Seconds. KES gives up a write after as many.
PATIENCE = 15


@dataclass(frozen=True)
class Step:
    """One request of a login.

    refused: what is said when it does not succeed.
    fixes: what to do about it, by HTTP status; 0 for any other.
    expected: the only status that KES takes for success.
    """

    path: str
    refused: str
    fixes: Mapping[int, str]
    method: str = "POST"
    expected: int = 200


def opened(work: Work, title: str, endpoint: str, ca: str | None) -> Door:
    """A door to the KMS, where something answers over TLS that holds.

    Raises UsageError, CertificateError, or ServiceError with status 0.
    """
    from kesdeploy.clients import Door

    section = f"keystore.{work.spec.kms}"
    file, timeout = authority(ca, f"{section}.ca"), min(work.timeout, PATIENCE)
    proxy = work.spec.kes.proxy
    answers(endpoint, title, f"{section}.endpoint", ca=file, timeout=timeout, proxy=proxy)
    return Door(endpoint, ca=file, timeout=timeout, proxy=proxy)


def take(door: Door, step: Step, *, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer of this step; ServiceError with the server's own words and the fix for every other."""
    data = json.dumps(body).encode() if body is not None else None
    sent = {**({"Content-Type": "application/json"} if data else {}), **(headers or {})}
    answer = door.ask(step.method, step.path, body=data, headers=sent)
    if answer.status != step.expected:
        hint = step.fixes.get(answer.status) or step.fixes[0]
        raise ServiceError(step.refused, because=_words(answer), hint=hint, status=answer.status)
    return answer


def token(answer: Answer, name: str, step: Step) -> str:
    """The text of this name in an answer; ServiceError when it is none that KES could use."""
    try:
        found = json.loads(answer.body)[name]
    except (ValueError, KeyError, TypeError):
        found = None
    if not found or not isinstance(found, str):
        because = f"{step.path} answers without {name}; it has to be JSON"
        raise ServiceError(step.refused, because=because, hint=step.fixes[0], status=answer.status)
    return found


def _words(answer: Answer) -> str:
    from kesdeploy.clients import message

    page = "html" in answer.headers.get("Content-Type", "").lower()
    words = "a web page" if page else message(answer)
    return words if words.startswith("HTTP ") else f"{words} (HTTP {answer.status})"
