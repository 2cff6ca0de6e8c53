"""A last net under secrets: whatever was told to it is replaced before anything is printed.

It catches what a server repeats in its own words. No code may rely on it: a secret does not belong in a message.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

REDACTED: Final = "REDACTED"
# Shorter ones would blank ordinary words.
_SHORTEST = 4


class Hidden:
    """The secrets that this run has seen."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._spellings: tuple[str, ...] = ()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Hide it from now on, also escaped (JSON, Go's %q) and percent-encoded; several lines line by line."""
        found = {spelling for line in secret.splitlines() for spelling in _spellings(line.strip())}
        # The longest first: a secret may be part of another.
        self._spellings = tuple(sorted(found.union(self._spellings), key=lambda word: (-len(word), word)))

    def text(self, text: str) -> str:
        for spelling in self._spellings:
            text = text.replace(spelling, REDACTED)
        return text

    def data(self, data: Any) -> Any:
        """The same for plain JSON data."""
        match data:
            case str():
                return self.text(data)
            case dict():
                return {self.data(key): self.data(value) for key, value in data.items()}
            case list() | tuple():
                return [self.data(item) for item in data]
            case _:
                return data


def _spellings(secret: str) -> set[str]:
    if len(secret) < _SHORTEST or secret.startswith("-----"):  # PEM's frame is no secret
        return set()
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="")}
