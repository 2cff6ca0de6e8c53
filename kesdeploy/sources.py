"""What a spec only points at: files of the user's, and where a secret is read from. Never a secret itself."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from kesdeploy.objections import SECRET


def absolute_path(value: str) -> str:
    if not value.startswith(("/", "~")):
        raise ValueError("an absolute path is needed: a spec is read from any folder")
    return value


def secret_source(value: str) -> str:
    """Where a secret is to be read from: `@FILE` or `env:NAME`, never the secret itself."""
    if not re.fullmatch(r"@.+|env:[A-Za-z_][A-Za-z0-9_]*", value):
        # The value itself may be the secret: it is not repeated here.
        raise ValueError("a secret does not belong in a spec; write @FILE or env:NAME, or use the prompt")
    return value


FilePath = Annotated[str, AfterValidator(absolute_path)]
SecretSource = Annotated[str, AfterValidator(secret_source), Field(json_schema_extra=SECRET)]
