"""What every section of a spec, and of a server's configuration, is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from kesdeploy.durations import duration


class Section(BaseModel):
    """A mapping: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Duration = Annotated[str, BeforeValidator(duration)]
