"""Values that a tutorial wants its reader to replace: they are nobody's, and least of all secrets."""

from __future__ import annotations

import re

_MARKED = re.compile(r"<[^<>]+>|\{\{.*\}\}|\.\.\.|…")
_WORDS = "your|replace|change|insert|enter|example|placeholder|todo|dummy"
_SAID = re.compile(rf"({_WORDS})([-_ ]?(me|it|here|with|your))?\b|your[-_]\w+", re.IGNORECASE)
# As VAULTAPPID and AWS_SECRET_KEY; no random secret is only capitals and ends in such a word.
_CAPITALS = re.compile(r"(?=.*(ID|SECRET|KEY|TOKEN|PASSWORD|NAME|REGION|HOSTNAME|HOST)$)[A-Z][A-Z_-]*")
_FILLED = re.compile(r"(?=.*[xX*?])[xX0*?.-]{3,}")
# Of AWS's own documents: everybody has it.
_EXAMPLE_KEY = re.compile(r"\S*EXAMPLE(KEY)?")


def is_placeholder(value: str) -> bool:
    """Whether a reader was to put his own value here."""
    text = value.strip()
    if re.match(r"[a-z]+://", text):
        text = text.partition("://")[2]
        return bool(_MARKED.search(text) or _CAPITALS.fullmatch(re.split("[:/]", text)[0]))
    whole = (_CAPITALS, _FILLED, _EXAMPLE_KEY)
    return bool(_MARKED.search(text) or _SAID.match(text) or any(form.fullmatch(text) for form in whole))
