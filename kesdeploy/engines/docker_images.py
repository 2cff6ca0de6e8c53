"""Docker's local store of images."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kesdeploy.engines import docker_read
from kesdeploy.engines.docker_base import DockerBase
from kesdeploy.engines.docker_door import WHO
from kesdeploy.engines.podman_door import Call
from kesdeploy.engines.podman_stream import chunks, events, transfer
from kesdeploy.engines.refusals import Refused, TimedOut
from kesdeploy.engines.registry_login import login_header
from kesdeploy.errors import EngineError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kesdeploy.engines import Image, Progress

_ARCHIVE_SECONDS = 600.0  # without a byte: a store on a slow disk unpacks before it answers
_LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)")


class DockerImages(DockerBase):
    """The part of the engine that knows images. What is refused of one is an ImageError with Docker's words."""

    def image(self, reference: str) -> Image | None:
        raw = self._read(Call(f"Image {reference} cannot be read", "GET", f"/images/{quote(reference)}/json"))
        return docker_read.image(raw) if raw else None

    def pull(self, reference: str, *, stall: float, progress: Progress) -> Image:
        what = f"Image {reference} cannot be pulled"
        call = Call(what, "POST", "/images/create", {"fromImage": reference}, timeout=stall)
        for _ in self._transfer(call, progress, reference):
            pass
        return self._must_be_there(reference, what)

    def push(self, reference: str, *, stall: float, progress: Progress) -> str:
        what = f"Image {reference} cannot be pushed"
        repository, tag = _split(reference)
        call = Call(what, "POST", f"/images/{quote(repository)}/push", {"tag": tag}, timeout=stall)
        said = [event.get("aux") or {} for event in self._transfer(call, progress, reference)]
        found = [str(aux["Digest"]) for aux in said if aux.get("Digest")]
        if not found:
            raise ImageError(what, because="Docker reported no error, and no digest")
        return found[-1]

    def _transfer(self, call: Call, progress: Progress, reference: str) -> Iterator[dict[str, Any]]:
        call = replace(call, stream=True, headers=self._login(reference))
        try:
            for event in self._events(call):
                if line := transfer(event):
                    progress(line)
                yield event
        except TimedOut as silence:
            raise ImageError(call.what, because=f"the registry said nothing for {call.timeout:g} s") from silence
        except EngineError as refusal:
            raise ImageError(call.what, because=refusal.because, hint=refusal.hint) from refusal

    def _login(self, reference: str) -> dict[str, str]:
        """Docker's own login, also one that a credential helper keeps, or else Podman's; `{}` in base64 for none."""
        from docker.auth import get_config_header, resolve_repository_name

        registry, _ = resolve_repository_name(_split(reference.partition("@")[0])[0])
        header = get_config_header(self._door.client, registry)
        return (
            {"X-Registry-Auth": header.decode()} if header else login_header(reference) or {"X-Registry-Auth": "e30="}
        )

    def _events(self, call: Call) -> Iterator[dict[str, Any]]:
        """What Docker says while it works. An error in it is one, although the answer began with 200."""
        for event in events(chunks(self._door.send(call), call.what, who=WHO)):
            if words := (event.get("errorDetail") or {}).get("message") or event.get("error"):
                raise Refused(call.what, because=str(words))
            yield event

    def load(self, archive: Path) -> tuple[str, ...]:
        what = f"{archive} cannot be loaded"
        with _image_errors(what), archive.open("rb") as body:
            call = Call(what, "POST", "/images/load", body=body, timeout=_ARCHIVE_SECONDS, stream=True)
            said = "".join(str(event.get("stream") or "") for event in self._events(call))
        return tuple(_LOADED.findall(said))

    def save(self, references: tuple[str, ...], archive: Path) -> None:
        what = f"{', '.join(references)} cannot be saved"
        call = Call(what, "GET", "/images/get", {"names": list(references)}, timeout=_ARCHIVE_SECONDS, stream=True)
        with _image_errors(what):
            _write(archive, chunks(self._door.send(call), what, who=WHO))

    def import_image(self, root: Path, reference: str, *, changes: tuple[str, ...] = ()) -> Image:
        what = f"{root} cannot be made the image {reference}"
        repository, tag = _split(reference)
        parameters = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": list(changes)}
        with _image_errors(what), root.open("rb") as body:
            call = Call(what, "POST", "/images/create", parameters, body, timeout=_ARCHIVE_SECONDS, stream=True)
            for _ in self._events(call):
                pass
        return self._must_be_there(reference, what)

    def tag(self, reference: str, new: str) -> None:
        repository, tag = _split(new)
        what = f"{reference} cannot be named {new}"
        with _image_errors(what):
            parameters = {"repo": repository, "tag": tag}
            self._door.send(Call(what, "POST", f"/images/{quote(reference)}/tag", parameters))

    def remove_image(self, reference: str) -> None:
        what = f"Image {reference} cannot be removed"
        call = Call(what, "DELETE", f"/images/{quote(reference)}")
        with _image_errors(what):
            self._removed(call, lambda: self.image(reference) is None)

    def _must_be_there(self, reference: str, what: str) -> Image:
        found = self.image(reference)
        if found is None:
            raise ImageError(what, because="Docker reported no error, and does not have it")
        return found


def _split(reference: str) -> tuple[str, str]:
    """Repository and tag; a colon before the last slash is a registry's port."""
    repository, colon, tag = reference.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (reference, "latest")


@contextmanager
def _image_errors(what: str) -> Iterator[None]:
    """What Docker refuses, and files that cannot be read or written, as ImageError. A broken Docker stays one."""
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
