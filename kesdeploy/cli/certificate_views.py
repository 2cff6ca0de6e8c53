"""How certificates look to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kesdeploy.blocks import Block, Item, Lines, Table, Text
from kesdeploy.cli.views import proven
from kesdeploy.durations import WARN_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kesdeploy.terminal import Mark

KINDS = {"authority": "CA", "server": "server", "identity": "client", "trusted": "root"}
Data = dict[str, Any]


def listed(data: Data) -> Iterable[Block]:
    for each in data["certificates"]:
        yield Item(_mark(each), _headline(each), _below(each))


def _headline(each: Data) -> str:
    whose = "yours" if each["yours"] else "kesdeploy's"
    about = f"{each['name']} ({KINDS[each['kind']]}, {whose})"
    return f"{about}: {each['error']}" if each["error"] else f"{about}: {lasts(each['days_left'], each['not_after'])}"


def lasts(days: int, not_after: str) -> str:
    until = not_after[:10]
    return f"{days} days left, until {until}" if days >= 0 else f"EXPIRED on {until}"


def _mark(each: Data) -> Mark:
    if each["error"] or each["days_left"] < 0:
        return "failed"
    return "warn" if each["days_left"] < WARN_DAYS else "ok"


def _below(each: Data) -> list[str]:
    pairs = [] if each["error"] else list(_says(each))
    pairs += [("used by", ", ".join(each["used_by"])), ("trusted by", ", ".join(each["trusted_by"]))]
    pairs += [("copied from", each["source"])]
    return [f"{what + ':':<13} {text}" for what, text in pairs if text]


def _says(each: Data) -> Iterator[tuple[str, str]]:
    yield "subject", each["subject"]
    yield "names", ", ".join(each["names"])
    yield "serial", each["serial"]
    if each["more"]:
        yield "with", f"{each['more']} more in {each['file']}"


def shown(data: Data) -> Iterable[Block]:
    rows = [
        ("Name", data["name"]),
        ("Whose", "yours" if data["yours"] else "kesdeploy's"),
        ("Subject", data["subject"]),
        ("Issuer", data["issuer"]),
        ("Names", data["names"]),
        ("Serial", data["serial"]),
        ("SHA-256", data["sha256"]),
        ("From", f"{data['not_before']} UTC"),
        ("Until", f"{data['not_after']} UTC ({lasts(data['days_left'], data['not_after']).partition(',')[0]})"),
        ("For", data["usages"]),
        ("KES identity", data["identity"]),
        ("Used by", data["used_by"]),
        ("Trusted by", data["trusted_by"]),
        ("File", data["file"]),
        ("Copied from", data["source"]),
    ]
    yield Table((), [row for row in rows if row[1]])
    yield Lines(data["pem"].rstrip("\n").split("\n"))


def brought(data: Data) -> Iterable[Block]:
    yield from proven(data["checks"]) if data["taken_up"] else ()
    yield Table(
        (),
        (
            ("Serial", f"{data['serial']} (before: {data['before'] or 'none'})"),
            ("Valid for", data["names"]),
            ("Called", data["called"]),
            ("Until", f"{data['not_after']} ({data['days_left']} days left)"),
            ("Renewed by", f"you: put the next one into {data['source']}, then kesdeploy up -n {data['deployment']}"),
        ),
    )
    if data["taken_up"]:
        yield Item("ok", f"{data['part']} serves your certificate")
    else:
        yield Item("note", f"kept; {data['part']} takes it up when it starts: kesdeploy start -n {data['deployment']}")


def trusting(data: Data) -> Iterable[Block]:
    if data["out"]:
        yield Item("ok", f"wrote {data['out']}")
    yield Table((), (("CA", data["ca"]), ("SHA-256", data["sha256"]), ("For", data["for"])))
    if not data["out"]:
        yield Text("Programs of other users cannot read it there: --out FILE writes it where they can.")
    if not data["https"]:
        yield Text(
            "S3 speaks HTTP here, and needs no CA: what follows is for KES. --set minio.https=true changes that."
        )
    for way in data["ways"]:
        colon = ":" if way["lines"] else ""
        yield Text(way["client"] + (f" ({way['note']})" if way["note"] else "") + colon, style="bold")
        yield Lines([f"  {line}" for line in way["lines"]])
