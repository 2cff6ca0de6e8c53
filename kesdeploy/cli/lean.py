"""Only the commands that were asked for.

Typer makes every command of a program, with all of its options, before it looks at the command line: 40 ms of each run.
"""

from __future__ import annotations

import os
from copy import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import typer
    from typer.models import CommandInfo, TyperInfo

_HELP = ("-h", "--help")


def lean(app: typer.Typer, words: Sequence[str]) -> typer.Typer:
    """The same program, as far as these words of the command line can tell. `app` itself stays as it is."""
    first = words[0] if words else _HELP[0]
    if "_KESDEPLOY_COMPLETE" in os.environ:  # the words are elsewhere
        return app
    if first in _HELP:
        return _with(app, map(_listed, app.registered_commands), map(_listed_family, app.registered_groups))
    commands = [command for command in app.registered_commands if _name(command) == first]
    families = [family for family in app.registered_groups if family.name == first]
    return _with(app, commands, families) if commands or families else app


def _with(app: typer.Typer, commands: Iterable[CommandInfo], families: Iterable[TyperInfo]) -> typer.Typer:
    made = copy(app)
    made.registered_commands, made.registered_groups = list(commands), list(families)
    return made


def _name(command: CommandInfo) -> str:
    return command.name or (command.callback.__name__ if command.callback else "")


def _listed(command: CommandInfo) -> CommandInfo:
    """As the list of commands needs it: its name and its help."""
    made = copy(command)
    made.name, made.callback = _name(command), _nothing
    return made


def _listed_family(family: TyperInfo) -> TyperInfo:
    made = copy(family)
    assert family.typer_instance
    made.typer_instance = _with(family.typer_instance, (), ())
    return made


def _nothing() -> None:
    """Has no options."""
