"""The token of a Kubernetes service account, as far as one can tell without asking anybody."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kesdeploy.durations import WARN_DAYS
from kesdeploy.errors import UsageError

if TYPE_CHECKING:
    from kesdeploy.keystores.words import Work

PARTS = 3
HINT = "kubectl create token SERVICE-ACCOUNT -n NAMESPACE --duration=8760h > FILE; keystore.vault.kubernetes.jwt: @FILE"


def check(work: Work, jwt: str) -> None:
    """UsageError when it is none, or has expired; a warning when it ends soon. The token itself is not repeated."""
    ends = _claims(jwt).get("exp")
    if not isinstance(ends, int | float):
        return
    until = datetime.fromtimestamp(ends, UTC)
    if until <= work.now:
        raise UsageError(f"the service account's token expired on {until:%Y-%m-%d %H:%M} UTC", hint=HINT)
    if (until - work.now).days < WARN_DAYS:
        work.report.warn(
            f"the service account's token ends on {until:%Y-%m-%d %H:%M} UTC: KES cannot log in with it after that. "
            "Put a new one where keystore.vault.kubernetes.jwt points, then: kesdeploy up"
        )


def _claims(jwt: str) -> dict[str, Any]:
    parts = jwt.strip().split(".")
    try:
        if len(parts) == PARTS:
            claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
            if isinstance(claims, dict):
                return claims
    except ValueError:
        pass
    raise UsageError(
        "what is given as the service account's token is none",
        because="a JWT has three parts with dots between them, and claims in the second",
        hint=HINT,
    )
