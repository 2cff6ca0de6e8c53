"""How images look to people: what is here, what is wrong with it, where it went."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kesdeploy.blocks import Block, Item, Lines, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Data = dict[str, Any]
_SHORT = len("sha256:") + 12


def listed(data: Data) -> Iterable[Block]:
    rows = [_row(image) for image in data["images"]]
    yield Table(("component", "version", "image", "digest", "size", "asked for by"), rows)
    for image in data["images"]:
        yield from _advisories(image)
    told = [advisory for image in data["images"] if image["needed"] for advisory in image["advisories"]]
    if data["deployment"] and not all(advisory["acknowledged"] for advisory in told):
        yield Text(f"kesdeploy images acknowledge -n {data['deployment']} records that you know them.")
    yield from _missing([image for image in data["images"] if image["needed"] and not image["here"]])
    tried = "; ".join(f"KES {p['kes']} with MinIO {p['minio']} ({p['how']})" for p in data["pairs"])
    yield Text(f"Seen to work together: {tried}.", "dim")


def _row(image: Data) -> tuple[str, ...]:
    here = image["here"] or ("MISSING" if image["needed"] else "-")
    return (image["component"], image["version"], here, _digest(image), _size(image["size"]), image["asked_by"])


def _digest(image: Data) -> str:
    said = {True: "published", False: "not the published one", None: ""}[image["published"]]
    return " ".join(filter(None, (image["digest"][:_SHORT], said))) or "-"


def _size(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size else "-"


def _advisories(image: Data) -> Iterator[Block]:
    if not (image["needed"] and image["advisories"]):
        return
    known = all(advisory["acknowledged"] for advisory in image["advisories"])
    yield Text(f"Known against {image['component']} {image['version']}{' (acknowledged)' if known else ''}:", "bold")
    for advisory in image["advisories"]:
        yield Item("note" if advisory["acknowledged"] else "warn", _headline(advisory), (_cure(advisory),))


def _headline(advisory: Data) -> str:
    score = f", CVSS {advisory['cvss']}" if advisory["cvss"] else ""
    also = f" ({advisory['cve']}{score})" if advisory["cve"] else ""
    return f"{advisory['id']}{also}: {advisory['what']}"


def _cure(advisory: Data) -> str:
    fixed = f"fixed in {advisory['fixed_in']}" if advisory["fixed_in"] else "no release of the publisher has a fix"
    other = f" ({advisory['elsewhere']})" if advisory["elsewhere"] else ""
    return f"here: {advisory['here']}; {fixed}{other}"


def _missing(missing: list[Data]) -> Iterator[Block]:
    if not missing:
        return
    for image in missing:
        yield Item("failed", f"{image['component']} is not here", (f"{image['situation']}.",))
        if image["elsewhere"]:
            yield Table((), [(f"  {each['reference']}", each["note"]) for each in image["elsewhere"]])
    names = " ".join(image["component"] for image in missing)
    yield Lines(
        (
            f"kesdeploy images pull {names}",
            "kesdeploy images load FILE       what `kesdeploy images save FILE` wrote where they still are",
            f"kesdeploy up --set images.{missing[0]['component']}=REFERENCE",
        )
    )


def pulled(data: Data) -> Iterable[Block]:
    for image in data["images"]:
        yield Item("ok", f"{image['component']}: {image['image']}{'' if image['pulled'] else ', which was here'}")


def saved(data: Data) -> Iterable[Block]:
    yield Item("ok", f"{data['file']}: {', '.join(data['images'])}")
    yield Text("Take it to the other machine, and there: kesdeploy images load FILE; kesdeploy up --pull never.")


def loaded(data: Data) -> Iterable[Block]:
    checked = ", as it was saved" if data["checked"] else ""
    yield Item("ok", f"{data['file']}{checked}: {', '.join(data['images'])}")


def mirrored(data: Data) -> Iterable[Block]:
    for image in data["images"]:
        yield Item("ok", f"{image['to']} ({image['digest'][:_SHORT]})")
    yield Text("On machines that should use it, as ~/.config/kesdeploy/images.yaml:")
    yield Lines(tuple(line for image in data["images"] for line in _own(image)))


def _own(image: Data) -> Iterator[str]:
    """What `own_images` reads."""
    yield f"{image['component']}:"
    yield f"  - reference: {json.dumps(image['to'])}"
    yield f"    digest: {image['digest']}"
    if image["entrypoint"]:
        yield f"    entrypoint: {json.dumps(image['entrypoint'])}"


def acknowledged(data: Data) -> Iterable[Block]:
    ids = ", ".join(data["advisories"]) or "none is known"
    yield Item("ok", f"{data['deployment']}: acknowledged {len(data['advisories'])} advisories ({ids})")
