"""How `autostart` looks to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kesdeploy.blocks import Block, Item, Lines, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

Data = dict[str, Any]


def enabled(data: Data) -> Iterable[Block]:
    whose = "the system's" if data["scope"] == "system" else "your own"
    yield Item("ok", f"{data['deployment']} starts at boot: {data['unit']} ({whose} systemd)")


def foreseen(data: Data) -> Iterable[Block]:
    yield Text(f"{data['unit']}:")
    yield Lines(data["text"].rstrip("\n").split("\n"))
    yield Text("Then:")
    yield Lines(data["commands"])


def disabled(data: Data) -> Iterable[Block]:
    if data["removed"]:
        yield Item("ok", f"{data['deployment']} no longer starts at boot; removed {data['unit']}")
    else:
        yield Item("ok", f"{data['deployment']} does not start at boot: nothing to remove")


def told(data: Data) -> Iterable[Block]:
    if not data["enabled"]:
        name = data["deployment"]
        yield Item("note", f"{name} does not start at boot (kesdeploy autostart enable -n {name})")
        return
    active = f", {data['active']} now" if data["active"] else ""
    yield Item("ok", f"{data['deployment']} starts at boot: {data['unit']}{active}")
