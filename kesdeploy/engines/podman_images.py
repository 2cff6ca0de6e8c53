"""Podman's local store of images."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from kesdeploy.engines import podman_read
from kesdeploy.engines.podman_base import PodmanBase
from kesdeploy.engines.podman_door import Call
from kesdeploy.engines.podman_stream import chunks, events, transfer
from kesdeploy.engines.refusals import Refused, TimedOut
from kesdeploy.engines.registry_login import login_header
from kesdeploy.errors import EngineError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from podman.api.client import APIResponse

    from kesdeploy.engines import Image, Progress, Transfer

_ARCHIVE_SECONDS = 600.0  # without a byte: a store on a slow disk unpacks before it answers


class PodmanImages(PodmanBase):
    """The part of the engine that knows images. Every refusal is an ImageError with Podman's words."""

    def image(self, reference: str) -> Image | None:
        raw = self._read(Call(f"Image {reference} cannot be read", "GET", f"/images/{quote(reference)}/json"))
        return podman_read.image(raw) if raw else None

    def pull(self, reference: str, *, stall: float, progress: Progress) -> Image:
        """Over the docker-compatible call: it alone tells of bytes while a layer comes."""
        what = f"Image {reference} cannot be pulled"
        call = Call(what, "POST", "/images/create", {"fromImage": reference}, timeout=stall)
        self._transfer(call, reference, progress)
        return self._must_be_there(reference, what)

    def push(self, reference: str, *, stall: float, progress: Progress) -> str:
        what = f"Image {reference} cannot be pushed"
        said: list[str] = []

        def follow(line: Transfer) -> None:
            said.append(line.text)
            progress(line)

        self._transfer(Call(what, "POST", f"/images/{quote(reference)}/push", timeout=stall), reference, follow)
        found = [match[0] for line in said if (match := re.search(r"sha256:[0-9a-f]{64}", line))]
        if not found:
            raise ImageError(what, because="Podman reported no error, and no digest")
        return found[-1]

    def _transfer(self, call: Call, reference: str, progress: Progress) -> None:
        call = replace(call, stream=True, compatible=True, headers=login_header(reference))
        try:
            self._follow(self._door.send(call), call.what, progress)
        except TimedOut as silence:
            raise ImageError(call.what, because=f"the registry said nothing for {call.timeout:g} s") from silence
        except EngineError as refusal:
            raise ImageError(call.what, because=refusal.because, hint=refusal.hint) from refusal

    def _follow(self, response: APIResponse, what: str, progress: Progress) -> None:
        for event in events(chunks(response, what)):
            if words := event.get("error") or (event.get("errorDetail") or {}).get("message"):
                raise EngineError(what, because=str(words))
            if line := transfer(event):
                progress(line)

    def load(self, archive: Path) -> tuple[str, ...]:
        what = f"{archive} cannot be loaded"
        with _image_errors(what), archive.open("rb") as body:
            call = Call(what, "POST", "/images/load", body=body, timeout=_ARCHIVE_SECONDS)
            names = self._door.json(call)["Names"]
        return tuple(name for each in names for name in each.split(","))

    def save(self, references: tuple[str, ...], archive: Path) -> None:
        what = f"{', '.join(references)} cannot be saved"
        parameters = {"references": list(references), "format": "docker-archive"}
        call = Call(what, "GET", "/images/export", parameters, timeout=_ARCHIVE_SECONDS, stream=True)
        with _image_errors(what):
            _write(archive, chunks(self._door.send(call), what))

    def import_image(self, root: Path, reference: str, *, changes: tuple[str, ...] = ()) -> Image:
        what = f"{root} cannot be made the image {reference}"
        parameters = {"reference": reference, "changes": list(changes)}
        with _image_errors(what), root.open("rb") as body:
            self._door.send(Call(what, "POST", "/images/import", parameters, body=body, timeout=_ARCHIVE_SECONDS))
        return self._must_be_there(reference, what)

    def tag(self, reference: str, new: str) -> None:
        repository, _, tag = new.rpartition(":") if ":" in new.rpartition("/")[2] else (new, "", "latest")
        what = f"{reference} cannot be named {new}"
        with _image_errors(what):
            parameters = {"repo": repository, "tag": tag}
            self._door.send(Call(what, "POST", f"/images/{quote(reference)}/tag", parameters))

    def remove_image(self, reference: str) -> None:
        what = f"Image {reference} cannot be removed"
        with _image_errors(what):
            self._gone_is_fine(Call(what, "DELETE", f"/images/{quote(reference)}"))

    def _must_be_there(self, reference: str, what: str) -> Image:
        found = self.image(reference)
        if found is None:
            raise ImageError(what, because="Podman reported no error, and does not have it")
        return found


@contextmanager
def _image_errors(what: str) -> Iterator[None]:
    """What Podman refuses, and files that cannot be read or written, as ImageError. A broken Podman stays one."""
    try:
        yield
    except Refused as refusal:
        raise ImageError(what, because=refusal.because, hint=refusal.hint) from refusal
    except OSError as error:
        raise ImageError(what, because=str(error)) from error


def _write(archive: Path, data: Iterator[bytes]) -> None:
    """Whole or not at all: an archive that was cut off must not look like one."""
    partial = archive.with_name(f".{archive.name}.partial")
    try:
        with partial.open("wb") as out:
            for piece in data:
                out.write(piece)
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)
