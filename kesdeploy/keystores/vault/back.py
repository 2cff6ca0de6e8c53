"""A Vault that lost its keys: how that shows, and what brings them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.keystores.vault import door, names, opening

if TYPE_CHECKING:
    from kesdeploy.keystores.words import Work
    from kesdeploy.spec import Spec

STORAGE = "vault"


def lacks(work: Work) -> str:
    """The storage of a Vault of ours, where that is gone: an empty one in its place would only be in the way."""
    if not names.fields(work.spec).managed or not opening.holds_data(work):
        return ""
    folder = work.home.path(STORAGE)
    return "" if folder.is_dir() and any(folder.iterdir()) else f"{STORAGE}/"


def instance(work: Work) -> str:
    """The id that a Vault gets when it is initialised."""
    cluster = door.seen(work).cluster
    return f"cluster {cluster}" if cluster else ""


def restore(spec: Spec, key: str) -> str:
    fields = names.fields(spec)
    if fields.managed:
        return "put vault/ and secrets/ back, both from the same copy"
    where = names.under(names.prefix(spec), key)
    undelete = f"vault kv undelete{names.flag(names.namespace(spec))} -mount={fields.engine} -versions=1 {where}"
    return f"{undelete}, or a snapshot of Vault"
