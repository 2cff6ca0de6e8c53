"""Names for the shell to complete: from files alone, at once, whatever runs or is broken."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import typer  # noqa: TC002 - Typer reads what the arguments are

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kesdeploy.home import Home
    from kesdeploy.spec import Spec


def keys(context: typer.Context, incomplete: str) -> list[str]:
    """Keys that the spec or a fingerprint names, and those that lie here as files."""
    return _matching(context, incomplete, _keys)


def buckets(context: typer.Context, incomplete: str) -> list[str]:
    """Buckets of the spec, and those on drives that are here."""
    return _matching(context, incomplete, _buckets)


def _matching(context: typer.Context, incomplete: str, names: Callable[[Spec, Home], Iterator[str]]) -> list[str]:
    with suppress(Exception):  # a shell has no use for a reason
        from kesdeploy import opening
        from kesdeploy.opening import Wish

        wish = Wish("completion", str(context.params.get("name") or ""))
        home = opening.existing(wish)
        return sorted({name for name in names(opening.load(wish, home), home) if name.startswith(incomplete)})
    return []


def _keys(spec: Spec, home: Home) -> Iterator[str]:
    yield from (name for _, name in spec.key_names)
    yield from home.guarded_keys()
    if home.path("kes").is_dir():
        yield from (path.name for path in home.path("kes").iterdir())


def _buckets(spec: Spec, home: Home) -> Iterator[str]:
    from kesdeploy import drives
    from kesdeploy.home import PROOF_BUCKET

    yield from (bucket.name for bucket in spec.minio.buckets)
    yield from (name for name in drives.buckets(spec, home) if name != PROOF_BUCKET)
