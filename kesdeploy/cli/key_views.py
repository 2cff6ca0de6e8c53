"""How keys look to people."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kesdeploy.blocks import Block, Item, Lines, Table, Text
from kesdeploy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kesdeploy.result import Result

Data = dict[str, Any]
_SPLIT_SECOND = re.compile(r"\.\d+")
_MINIO = {"ok": "encrypts and decrypts with it", None: "does not answer"}


def created(data: Data) -> Iterable[Block]:
    for key in data["keys"]:
        if key["created"]:
            yield Item("ok", f"made the key {key['name']}")
        else:
            yield Item("note", f"the key {key['name']} is there already (made by {key['maker']}); it stays as it is")


def listed(*, long: bool) -> Callable[[Data], Iterable[Block]]:
    def view(data: Data) -> Iterable[Block]:
        if data["keys"]:
            headers = ("key", "made by", "made", "cipher", "for") if long else ("key", "for")
            yield Table(headers, [_row(key, long=long) for key in data["keys"]])
        count = len(data["keys"])
        besides = f"; {data['others']} other entries, which are no keys" if data["others"] else ""
        yield Text(f"{count} key{'' if count == 1 else 's'} in {data['keystore']}{besides}.")
        if data["besides"] and count and not long:
            yield Text(f"KES lists {data['besides']}: --long tells which it can use.")

    return view


def _row(key: Data, *, long: bool) -> tuple[Any, ...]:
    use = (["default key"] if key["default"] else []) + key["buckets"]
    if not long:
        return (key["name"], use)
    if key["error"]:
        return (key["name"], "", "", "", f"not usable: {key['error']}")
    return (key["name"], key["maker"], key["created_at"][:19], key["algorithm"], use)


def info(data: Data) -> Iterable[Block]:
    yield Table(
        (),
        (
            ("Key", data["key"]),
            ("In", data["keystore"]),
            ("Made by", f"{data['maker']} {_short(data['created_by'])}".strip()),
            ("Made", _SPLIT_SECOND.sub("", data["created_at"])),
            ("Cipher", data["algorithm"]),
            ("Default key", data["default"]),
            ("MinIO", _MINIO.get(data["minio"], data["minio"])),
            ("Buckets", "MinIO does not answer" if data["buckets"] is None else data["buckets"]),
            ("Objects", _objects(data)),
            ("Guarded", "MinIO is not started without this very key" if data["fingerprint"] else ""),
        ),
    )


def _short(identity: str) -> str:
    return f"({identity[:12]}…)" if identity else ""


def _objects(data: Data) -> str:
    if data["objects"] is None:
        return "not counted: MinIO's drives are not here"
    where = ", ".join(f"{count} in {bucket}" for bucket, count in data["objects_in"].items())
    least = "" if data["objects_whole"] else "at least "
    own = "; and MinIO's own configuration" if data["configuration"] else ""
    return f"{least}{data['objects']}{f' ({where})' if where else ''}{own}"


def brought(data: Data) -> Iterable[Block]:
    proven = ": the very one that was lost" if data["proven"] else ""
    yield Item("ok", f"imported the key {data['key']} ({data['cipher']}){proven}")


def ciphertext(data: Data) -> str:
    return str(data["ciphertext"])


def readable(result: Result, *, text: bool) -> Result:
    """The same; with `text`, UsageError for a plaintext that is none."""
    if text:
        try:
            return replace(result, data={**result.data, "text": base64.b64decode(result.data["plaintext"]).decode()})
        except UnicodeDecodeError:
            raise UsageError("this plaintext is no text", hint="--out FILE writes its bytes") from None
    return result


def plaintext(*, text: bool) -> Callable[[Data], str | Iterable[Block]]:
    def view(data: Data) -> str | Iterable[Block]:
        if "file" in data:
            return [Item("ok", f"wrote the plaintext to {data['file']}")]
        return str(data["text"] if text else data["plaintext"])

    return view


def data_key(data: Data) -> Iterable[Block]:
    if "file" in data:
        yield Item("ok", f"wrote the 32 bytes to {data['file']}")
    else:
        yield Lines((f"plaintext   {data['plaintext']}",))
    yield Lines((f"ciphertext  {data['ciphertext']}",))


def deleted(data: Data) -> Iterable[Block]:
    yield Item("ok", f"deleted the key {data['key']}; KES no longer knows it")
