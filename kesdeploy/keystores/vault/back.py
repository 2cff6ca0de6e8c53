"""A Vault that lost its keys: how that shows, and what brings them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.errors import StateError
from kesdeploy.keystores.vault import door, names, opening

if TYPE_CHECKING:
    from kesdeploy.keystores.words import Work
    from kesdeploy.spec import Spec

STORAGE = "vault"


def lacks(work: Work) -> str:
    """The storage of a Vault of ours, or what opens it, where that is gone: another one would only be in the way."""
    if not names.fields(work.spec).managed or not opening.holds_data(work):
        return ""
    folder = work.home.path(STORAGE)
    if not folder.is_dir() or not any(folder.iterdir()):
        return f"{STORAGE}/"
    return _closed(work)


def _closed(work: Work) -> str:
    """What the Vault is unsealed with, where that is gone. One that is open hides it until its next start."""
    if names.fields(work.spec).static:
        return "" if (work.home.read_secret(names.SEAL_KEY) or "").strip() else f"secrets/{names.SEAL_KEY}"
    try:
        return "" if opening.kept(work).get("keys") else f"secrets/{names.INIT}"
    except StateError:
        return f"secrets/{names.INIT}"


def instance(work: Work) -> str:
    """The id that a Vault gets when it is initialised."""
    cluster = door.seen(work).cluster
    return f"cluster {cluster}" if cluster else ""


def restore(spec: Spec, key: str) -> str:
    fields = names.fields(spec)
    if fields.managed and key == names.SEAL_KEY:
        return f"put secrets/{key} back from your copy, or from config/vault-seal/key, which is one"
    if fields.managed:
        return "put vault/ and secrets/ back, both from the same copy"
    where = names.under(names.prefix(spec), key)
    undelete = f"vault kv undelete{names.flag(names.namespace(spec))} -mount={fields.engine} -versions=1 {where}"
    return f"{undelete}, or a snapshot of Vault"
