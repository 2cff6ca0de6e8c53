"""What the containers may use of this machine: the section `limits` of a spec."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from kesdeploy.section import Section
from kesdeploy.sizes import PATTERN, in_bytes

LEAST_MEMORY = 64 * 2**20


def enough_memory(value: object) -> object:
    """The same value, once it is a size that a container can live with."""
    if in_bytes(value) < LEAST_MEMORY:
        raise ValueError("none of these servers starts with less than 64MiB")
    return value


def processors(value: object) -> object:
    """The same value, unless it only counts as a number."""
    if isinstance(value, bool):
        raise ValueError("a number of processors is needed, as in 1.5")  # noqa: TRY004 - pydantic reports this one
    return value


class Limit(Section):
    """The most that a container may use."""

    memory: Annotated[str, BeforeValidator(enough_memory), Field(json_schema_extra={"pattern": PATTERN})] | None = None
    """As in 512MiB or 2GiB. A container that wants more is ended by the kernel, and started again."""
    cpus: Annotated[float, BeforeValidator(processors), Field(ge=0.01, le=1024)] | None = None
    """As in 1.5: a container that wants more is slowed down."""


class Limits(Section):
    """By container; without any, the machine's."""

    minio: Limit = Limit()
    kes: Limit = Limit()
    vault: Limit = Limit()
