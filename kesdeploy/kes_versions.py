"""What differs between releases of KES, as far as a deployment depends on it. One table; nothing else knows a release.

Source: KES's history; 2024-01-11 and 2025-03-12 were run, those between were read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kesdeploy.errors import UsageError

_DATED = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z")
_NUMBERED = re.compile(r"v?0\.\d+")


@dataclass(frozen=True)
class Generation:
    """Releases that behave alike, from `since` to the next one's."""

    since: str
    keys: int
    """The format of the keys and ciphertexts that it writes. It reads all up to this one, and no later one."""
    verifies_clients: bool
    """Whether `tls.auth: on` trusts the authority in `tls.ca`; before, it trusted public ones alone."""
    missing: tuple[str, ...] = ()
    """Paths of the API that it does not have."""
    finds_azure_credentials: bool = True
    """Whether Azure's keystore may stand without credentials (managed identity, workload identity, CLI)."""


GENERATIONS = (
    Generation("2024-01-11T13-09-29Z", 1, False, ("/v1/key/hmac/",), False),
    Generation("2024-02-29T08-12-28Z", 2, True, finds_azure_credentials=False),
    Generation("2024-06-17T15-47-05Z", 2, True),
)


def generation(version: str) -> Generation:
    """How a release behaves, by its tag. One that has no date (an image of your own, a stand-in) is taken for new.

    Raises UsageError for one that is older than the table.
    """
    date = _DATED.match(version)
    if (date and date[0] < GENERATIONS[0].since) or _NUMBERED.match(version):
        raise UsageError(
            f"KES {version} is too old for kesdeploy",
            because=f"it knows KES from {GENERATIONS[0].since} on",
            hint="leave images.kes out of the spec, or name a newer release",
        )
    fitting = [each for each in GENERATIONS if not date or each.since <= date[0]]
    return fitting[-1]


def reads(version: str, written_by: str) -> bool:
    """Whether a release reads keys and data that another one wrote."""
    return generation(version).keys >= generation(written_by).keys
