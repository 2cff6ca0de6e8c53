"""How buckets look to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kesdeploy.blocks import Block, Item, Table, Text
from kesdeploy.terminal import defused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Data = dict[str, Any]
MODES: Final[Mapping[str, str]] = {
    "sse-kms": "SSE-KMS",
    "sse-s3": "SSE-S3",
    "sse-c": "SSE-C",
    "auto": "auto-encryption",
    "": "NONE",
}


def _rule(mode: str, key: str) -> str:
    return f"{MODES[mode]} with {key}" if key else "nothing encrypts new objects"


def created(data: Data) -> Iterable[Block]:
    what = "created the bucket" if data["created"] else "it was there already:"
    yield Item("ok", f"{what} {data['bucket']}: {_rule(data['mode'], data['key'])}")


def listed(data: Data) -> Iterable[Block]:
    if not data["buckets"]:
        yield Text("No bucket here. kesdeploy bucket create NAME makes one.")
        return
    rows = [
        (b["bucket"], MODES[b["mode"]], b["key"], "kesdeploy's own, for the proof" if b["ours"] else b["spec"])
        for b in data["buckets"]
    ]
    yield Table(("bucket", "new objects", "key", "note"), rows)


def ruled(data: Data) -> Iterable[Block]:
    changed = data["before"] != {"mode": data["mode"], "key": data["key"]}
    yield Item("ok", f"{data['bucket']}: {_rule(data['mode'], data['key'])}{'' if changed else '; nothing changed'}")
    if changed:
        before = _rule(**data["before"])
        yield Text(f"Before: {before}. Objects that are there stay as they are: kesdeploy bucket rewrap changes them.")


def shown(data: Data) -> Iterable[Block]:
    yield Table(
        (),
        (
            ("Bucket", data["bucket"]),
            ("New objects", MODES[data["mode"]]),
            ("Key", data["key"]),
            ("MinIO", data["key_error"] or ("encrypts and decrypts with it" if data["key"] else "")),
            ("Spec", data["spec"] or "says the same"),
        ),
    )


def rewrapped(data: Data) -> Iterable[Block]:
    if data["left"]:
        yield Item("failed", f"{data['left']} of {data['objects']} objects of {data['bucket']} have another key")
        return
    if data.get("key_created"):
        yield Item("ok", f"made the key {data['key']}")
    done = f"{data['rewrapped']} of {data['objects']} objects sealed anew" if data["rewrapped"] else "nothing to change"
    yield Item("ok", f"{data['bucket']}: {done}; no SSE-KMS object has another key than {data['key']}")
    if data["before"]:
        before = ", ".join(data["before"])
        looks = " and ".join(f"`kesdeploy key info {key} -n {data['deployment']}`" for key in data["before"])
        yield Text(f"Before: {before}. Whether anything else needs it: {looks}.")


def checked(data: Data) -> Iterable[Block]:
    for bucket in data["buckets"]:
        expected = ", ".join(bucket["expected"]) or "none"
        if bucket["wrong"]:
            yield Item("failed", f"{bucket['bucket']}: {bucket['wrong']} of {bucket['objects']} not under {expected}")
        elif bucket["objects"]:
            yield Item("ok", f"{bucket['bucket']}: all {bucket['objects']} under {expected}")
        else:
            yield Item("ok", f"{bucket['bucket']}: empty")
        yield from _keys(bucket)


def _keys(bucket: Data) -> Iterable[Block]:
    if len(bucket["keys"]) > 1 or bucket["wrong"]:
        yield Table(("how", "key", "objects"), [(MODES[k["sse"]], k["key"], k["objects"]) for k in bucket["keys"]])
    if bucket["exceptions"]:
        rows = [(defused(e["object"]), e["version"], e["why"]) for e in bucket["exceptions"]]
        yield Table(("object", "version", "why"), rows)
        if more := bucket["wrong"] - len(rows):
            yield Text(f"… and {more} more.")
