"""How explanations look to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kesdeploy.blocks import Block, Item, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Data = dict[str, Any]
_HOW = 'kesdeploy explain "the text", kesdeploy explain NAME, or: podman logs CONTAINER 2>&1 | kesdeploy explain'
_LONGEST = 90


def explained(data: Data) -> Iterable[Block]:
    """Answers; or that there is none; or, without a text, all that is known."""
    if "known" in data:
        yield from _all(data["known"])
        return
    for answer in data["answers"]:
        yield from _answer(answer)
    if not data["answers"]:
        count = data["read"]
        yield Item("note", f"Nothing in {'this text' if count == 1 else f'these {count} lines'} is known to kesdeploy.")
        yield Table((), [("try", look["command"], look["what"]) for look in data["try"]])


def _answer(answer: Data) -> Iterator[Block]:
    often = f" ({answer['lines']} times)" if answer["lines"] > 1 else ""
    yield Item("warn", f"{answer['about']}: {answer['line']}{often}")
    rows = (
        ("means", answer["cause"]),
        ("to be sure", answer["sure"]),
        ("try", answer["next"]),
        ("source", f"{answer['source']} [{answer['id']}]"),
    )
    yield Table((), rows)


def _all(known: list[Data]) -> Iterator[Block]:
    rows = [(entry["id"], _short(entry["text"])) for entry in known]
    yield Table(("name", "text"), rows)
    yield Text(f"{len(known)} texts are known. {_HOW}")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
