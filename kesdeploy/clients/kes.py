"""KES's HTTP API (2025-03-12; `state.go` and `internal/api` of its source)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kesdeploy.clients import Door, message
from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kesdeploy.clients import Answer

# A listing ends after this many names, and cannot be followed further.
PAGE = 1024


@dataclass(frozen=True)
class DataKey:
    """32 bytes to encrypt with, and what only the key that made it turns back into them."""

    plaintext: bytes = field(repr=False)
    ciphertext: bytes


class Kes:
    """KES at an https address, as one identity. Every refusal is a ServiceError with KES's message and status.

    ca: the authority of its certificate, None for the public ones. others: further servers with the same keys, which
    are asked while the one before does not answer. called: as for a Door.
    """

    def __init__(  # noqa: PLR0913
        self,
        address: str,
        ca: Path | None,
        certificate: Path,
        key: Path,
        timeout: float,
        others: tuple[str, ...] = (),
        *,
        called: str = "",
    ) -> None:
        pair = (certificate, key)
        doors = [Door(each, ca=ca, pair=pair, timeout=timeout, called=called) for each in (address, *others)]
        self._door = _FirstOf(doors) if others else doors[0]

    def version(self) -> str:
        """Empty for a KES that was built without one: it says `<unknown>`."""
        told = str(self._door.demand("GET", "/version", "KES does not tell its version").json()["version"])
        return "" if told.startswith("<") else told

    def ready(self) -> None:
        """Whether KES answers and reaches its keystore (that it may *use* it, only a key can tell)."""
        self._door.demand("GET", "/v1/ready", "KES is not ready")

    def status(self) -> dict[str, Any]:
        """keystore_latency (milliseconds, rounded up to one), or keystore_unreachable; uptime, version and more."""
        return dict(self._door.demand("GET", "/v1/status", "KES does not tell how it is").json())

    def metrics(self) -> str:
        """Its counters, in Prometheus's text format."""
        return self._door.demand("GET", "/v1/metrics", "KES does not tell its counters").body.decode(errors="replace")

    def create_key(self, name: str) -> bool:
        """Whether the key is new. One that exists already is left as it is.

        An answer that gets lost leaves it undetermined: the key is then looked for, and True if it is there.
        """
        try:
            answer = self._door.ask("PUT", f"/v1/key/create/{_part(name)}")
        except ServiceError as lost:
            try:
                self.describe_key(name)
            except ServiceError:
                raise lost from None
            return True
        if answer.status == HTTPStatus.BAD_REQUEST and "already exists" in message(answer):
            return False
        if answer.status != HTTPStatus.OK:
            raise ServiceError(f"KES does not create the key {name!r}", because=message(answer), status=answer.status)
        return True

    def describe_key(self, name: str) -> dict[str, Any]:
        """name, algorithm, created_at, created_by (an identity). ServiceError 404 when there is none."""
        what = f"KES does not know the key {name!r}"
        return dict(self._door.demand("GET", f"/v1/key/describe/{_part(name)}", what).json())

    def delete_key(self, name: str) -> None:
        self._door.demand("DELETE", f"/v1/key/delete/{_part(name)}", f"KES does not delete the key {name!r}")

    def import_key(self, name: str, key: bytes, cipher: str = "AES256") -> None:
        body = {"key": _b64(key), "cipher": cipher}
        self._door.demand("PUT", f"/v1/key/import/{_part(name)}", f"KES does not import the key {name!r}", body=body)

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        """Names with this prefix. KES ends a listing after one page, so what is longer is asked by longer prefixes.

        Past a page, names with three dashes in a row are not found.
        """
        yield from self._names(prefix)

    def _names(self, prefix: str, after: str = "") -> Iterator[str]:
        """`after`: a name up to which all are known already."""
        names = self._page(prefix) if _listable(prefix) else []
        yield from (name for name in names if name > after)
        if len(names) >= PAGE or not _listable(prefix):
            # A page is in order of bytes: what comes before its last name was all in it.
            last = names[-1] if names else after
            for deeper in _deeper(prefix):
                if deeper >= last[: len(deeper)]:
                    yield from self._names(deeper, last)

    def _page(self, prefix: str) -> list[str]:
        answer = self._door.demand("GET", f"/v1/key/list/{_part(prefix)}", "KES does not list its keys")
        # Of Entrust's, KES gives every key of the box, and as many empty names.
        return [name for name in answer.json().get("names") or [] if name and name.startswith(prefix)]

    def generate(self, name: str, context: bytes = b"") -> DataKey:
        what = f"KES does not make a data key with {name!r}"
        body = self._door.demand("PUT", f"/v1/key/generate/{_part(name)}", what, body={"context": _b64(context)}).json()
        return DataKey(base64.b64decode(body["plaintext"]), base64.b64decode(body["ciphertext"]))

    def encrypt(self, name: str, plaintext: bytes, context: bytes = b"") -> bytes:
        """The ciphertext; of less than a megabyte together, in base64."""
        body = {"plaintext": _b64(plaintext), "context": _b64(context)}
        answer = self._door.demand(
            "PUT", f"/v1/key/encrypt/{_part(name)}", f"KES does not encrypt with {name!r}", body=body
        )
        return base64.b64decode(answer.json()["ciphertext"])

    def decrypt(self, name: str, ciphertext: bytes, context: bytes = b"") -> bytes:
        """ServiceError 400 when another key made it, 404 when there is no such key."""
        body = {"ciphertext": _b64(ciphertext), "context": _b64(context)}
        answer = self._door.demand(
            "PUT", f"/v1/key/decrypt/{_part(name)}", f"KES does not decrypt with {name!r}", body=body
        )
        return base64.b64decode(answer.json()["plaintext"])

    def describe_identity(self, identity: str) -> dict[str, Any]:
        what = f"KES does not know the identity {identity[:12]}…"
        return dict(self._door.demand("GET", f"/v1/identity/describe/{_part(identity)}", what).json())


class _FirstOf(Door):
    """Several servers as one: who does not answer goes to the end of the line."""

    def __init__(self, doors: list[Door]) -> None:
        self._doors = doors

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        *others, last = self._doors
        for door in others:
            try:
                return door.ask(method, path, body=body, headers=headers)
            except ServiceError:
                # Whatever another thread found meanwhile: none is lost.
                self._doors = [*(each for each in self._doors if each is not door), door]
        return last.ask(method, path, body=body, headers=headers)


def _listable(prefix: str) -> bool:
    """KES refuses to list by a prefix that ends in a dash, or is `_` (`validPattern` in its auth.go)."""
    return prefix != "_" and not prefix.endswith("-")


def _deeper(prefix: str) -> Iterator[str]:
    yield from (prefix + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz0123456789")
    if prefix and not prefix.endswith("--"):  # no name begins with a dash
        yield prefix + "-"


def _part(name: str) -> str:
    """A name as one part of a path: `delete` of `k?x` must not delete `k`."""
    return quote(name, safe="")


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
