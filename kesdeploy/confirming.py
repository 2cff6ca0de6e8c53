"""Where keys' names have to be typed before they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.asking import destroying
from kesdeploy.errors import DataProtected, UsageError
from kesdeploy.keyring import deleting, remote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kesdeploy.console import Console
    from kesdeploy.keyring.remote import Remote
    from kesdeploy.opening import Wish


def confirm_key(wish: Wish, name: str, console: Console, *, yes: bool) -> None:
    """Say what deleting means in this keystore, and have the name typed. DataProtected when nobody can be asked."""
    found = deleting.doomed(wish, console, name)
    if not yes and not console.interactive:
        hint = f"kesdeploy key delete {name} -n {found.deployment} --yes"
        raise DataProtected("key delete needs --yes", because=found.meaning, hint=hint)
    console.note(f"the key {name!r} (made by {found.maker}) in {found.keystore}: {found.meaning}")
    console.note("no bucket's rule and no object here needs it; what was encrypted with it elsewhere is lost with it")
    if not yes and console.ask(f"Type {name} to delete it") != name:
        raise DataProtected("another name was typed; nothing was deleted")


def confirm_remote_keys(
    wish: Wish, keys: Sequence[str], console: Console, *, wanted: bool, yes: bool, save: Path | None = None
) -> Sequence[str]:
    """The keys that `destroy` is to delete in a keystore that others can reach: named as arguments, or typed.

    UsageError when none is named and nobody can be asked; DataProtected for one that is not this deployment's.
    """
    if not wanted:
        if keys:
            raise UsageError(
                f"destroy takes no argument: {keys[0]!r}",
                because="the deployment is named by -n, keys to delete come with --delete-remote-keys",
                hint=f"kesdeploy destroy -n {keys[0]}",
            )
        return ()
    found = remote.doomed(wish, console, keys) if keys else remote.own(wish, console)
    if not keys and (yes or not console.interactive):
        raise UsageError(
            "which keys? --delete-remote-keys wants their names",
            because=f"of this deployment's own, {found.keystore} has {', '.join(found.keys) or 'none'}",
            hint=destroying(found.deployment, save, found.keys, remote=True),
        )
    console.note(f"{found.keystore}, for ever: {', '.join(found.keys) or 'no key'}. {found.meaning}")
    for key in found.gone:
        console.note(f"{key} is not there any more")
    return keys or _typed(found, console)


def _typed(found: Remote, console: Console) -> Sequence[str]:
    """Those of them whose names were typed. DataProtected for another name."""
    if not found.keys:
        return ()
    typed = console.ask("Type the names of those to delete, with spaces between them").split()
    if wrong := [name for name in typed if name not in found.keys]:
        raise DataProtected(f"{wrong[0]!r} is none of them; nothing was destroyed")
    return typed
