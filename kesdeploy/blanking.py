"""Texts of others, without the secrets in them: by the names before them, and by what keys and tokens look like."""

from __future__ import annotations

import re
from typing import Final

REDACTED: Final = "REDACTED"

_NAMED: Final = (
    r"[\w.-]*(?:passw(?:or)?d|secret(?:[_-]?(?:id|key|access[_-]?key))?|token|api[_-]?key|private[_-]?key|plaintext"
    r"|x-amz-signature)"
)
_PATTERNS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), put)
    for pattern, put in (
        # An end that was cut off is none.
        (r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", REDACTED),
        (r"(authorization\"?\s*[:=]\s*\[?\"?)[^\"\]\n]+", rf"\1{REDACTED}"),
        (r"kes:v1:[A-Za-z0-9+/=]{4,}", f"kes:v1:{REDACTED}"),
        (r"(?<![\w.])(?:hvs|hvb|hvr|s|b|r)\.[A-Za-z0-9_-]{20,}", REDACTED),
        (r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", REDACTED),
        (r"(://)[^/\s:@\"']*:[^/\s@\"']+@", rf"\1{REDACTED}@"),
        # 32 bytes in base64: a key of KES, an unseal key.
        (r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=(?!=)", REDACTED),
        (rf"(\b{_NAMED}[\"']?\s*(?:=|:(?!//))\s*)(\"[^\"\n]*\"|'[^'\n]*'|[^\s\"',;}}\]]+)", rf"\1{REDACTED}"),
        (r"(\bsecret_id(?:_accessor)?\s+)[0-9a-f-]{36}", rf"\1{REDACTED}"),
        (rf"(--{_NAMED}[ =])\S+", rf"\1{REDACTED}"),
    )
)


def blanked(text: str) -> str:
    """The text with REDACTED in the place of whatever looks like a secret. Safe to repeat."""
    for pattern, put in _PATTERNS:
        text = pattern.sub(put, text)
    return text
