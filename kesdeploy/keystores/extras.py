"""Client libraries that are installed only where they are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kesdeploy.keystores.words import Work


def warn_unproven(work: Work, extra: str) -> None:
    """Say that nobody logged in, since the libraries for that are not here. extra: their name in kesdeploy[…]."""
    work.report.warn(
        "the credentials are proven only by KES's first key, once everything runs; to have them proven before that: "
        f"pip install 'kesdeploy[{extra}]'"
    )
