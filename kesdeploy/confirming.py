"""Where a key's name has to be typed before it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.errors import DataProtected
from kesdeploy.keyring import deleting

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.opening import Wish


def confirm_key(wish: Wish, name: str, console: Console, *, yes: bool) -> None:
    """Say what deleting means in this keystore, and have the name typed. DataProtected when nobody can be asked."""
    found = deleting.doomed(wish, console, name)
    if not yes and not console.interactive:
        hint = f"kesdeploy key delete {name} -n {found.deployment} --yes"
        raise DataProtected(f"key delete needs --yes: {found.meaning}", hint=hint)
    console.note(f"the key {name!r} (made by {found.maker}) in {found.keystore}: {found.meaning}")
    console.note("no bucket's rule and no object here needs it; what was encrypted with it elsewhere is lost with it")
    if not yes and console.ask(f"Type {name} to delete it") != name:
        raise DataProtected("another name was typed; nothing was deleted")
