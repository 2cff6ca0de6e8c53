"""How logs and the audit look to people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kesdeploy.blocks import Block, Item, Painted, Table, Text
from kesdeploy.terminal import defused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kesdeploy.terminal import Style

Data = dict[str, Any]
_WHO: Final[dict[str, Style]] = {"kes": "cyan", "minio": "green", "vault": "yellow"}
_LEVELS: Final[tuple[tuple[re.Pattern[str], Style], ...]] = (
    (re.compile(r"level=ERROR|\bFATAL\b|^(?:mc: <ERROR>|Error:|panic:)|\[ERROR\]"), "red"),
    (re.compile(r"level=WARN|\bWARN(?:ING)?\b|access denied"), "yellow"),
)
# KES's own time stands before the line already, and its dumps of requests fill a screen.
_OWN_TIME: Final = re.compile(r"^time=\S+Z (?=level=)")
_DUMP: Final = re.compile(r'req="&\{Method:(\S+) URL:(\S+) .*?RemoteAddr:(\S+) .*\}"$')
_INDENT: Final = " " * 22
_HEADERS: Final = ("time", "who", "did", "key", "result", "from")


def log_line(line: Data) -> Painted:
    """`10:24:04.726 kes      text`, on one line whatever was said; of a request that KES dumps, what was asked."""
    text = _DUMP.sub(r"\1 \2 from \3", _OWN_TIME.sub("", defused(line["text"])))
    style: Style = next((style for level, style in _LEVELS if level.search(text)), "")
    who: Style = _WHO.get(line["container"], "")
    return Painted(((f"{_clock(line['time'])} ", "dim"), (f"{line['container']:<8} ", who), (text, style)))


def _clock(moment: str) -> str:
    """`10:24:04.726`; engines leave the last zeros away."""
    seconds, point, fraction = moment.partition(".")
    return f"{seconds[11:19]}{point}{fraction.rstrip('Z')[:3].ljust(3, '0') if point else '    '}"


def explained(answers: Iterable[Data]) -> Iterator[Block]:
    """What stands beneath a line that is known."""
    for answer in answers:
        yield Painted(((f"{_INDENT}means: {answer['cause']}", "dim"),))
        yield Painted(((f"{_INDENT}try: {answer['next']}", "dim"),))


def audited(data: Data) -> Iterable[Block]:
    """The events as a table, and what is known of those that were denied or failed."""
    if data["events"]:
        yield Table(_HEADERS, [_cells(event) for event in data["events"]])
    else:
        yield Text("No event that KES logged, since its container was made.")
    for answer in data["explained"]:
        yield Item("warn", answer["cause"], [f"try: {answer['next']}"])


def event_line(event: Data) -> str:
    """One event as it comes."""
    time, who, did, key, result, peer = _cells(event)
    return f"{time} {result:<7} {did:<9} {key or '-':<28} {who}, from {peer}"


def _cells(event: Data) -> Sequence[str]:
    moment = event["time"][:19].replace("T", " ")
    return (moment, event["who"], event["operation"], event["key"], event["result"], event["peer"])
