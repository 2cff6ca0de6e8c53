"""One archive with the images of a deployment, for a machine without a registry: `docker-archive`, and sums of it.

Podman and Docker load it as any other; kesdeploy looks at the sums first, which stand in the archive's last file.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kesdeploy import __version__
from kesdeploy.engines.choose import open_engine
from kesdeploy.errors import ImageError, UsageError
from kesdeploy.image_store import opened
from kesdeploy.local_images import here
from kesdeploy.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kesdeploy.engines import Image
    from kesdeploy.image_store import Store
    from kesdeploy.report import Reporter

SUMS = "kesdeploy-images.json"
_FORMAT = 1
_PIECE = 1 << 20


def save(choice: str, name: str, archive: Path, components: Sequence[str], report: Reporter) -> Result:
    """Everything that a deployment needs, as far as it is here; what is missing is told. UsageError: there already."""
    if archive.exists():
        raise UsageError(f"{archive} is there already", hint=f"another name, or: rm {archive}")
    with opened(choice, name) as store:
        chosen = store.chosen(components)
        found = {component: _named(store, component) for component in chosen}
        there = {component: image for component, image in found.items() if image}
        if not there:
            raise ImageError(f"none of {', '.join(chosen)} is here", hint="kesdeploy images pull")
        missing = [component for component in chosen if component not in there]
        if missing:
            report.warn(f"not here, and so not in {archive}: {', '.join(missing)}; kesdeploy images pull first")
        with report.step(f"Writing {archive}"), _whole(archive) as half:
            store.engine.save(tuple(dict.fromkeys(reference for reference, _ in there.values())), half)
            _add_sums(half, [_entry(component, *pair) for component, pair in there.items()])
        images = [reference for reference, _ in there.values()]
        return Result("images save", {"file": str(archive), "images": images, "missing": missing, "checked": True})


@contextmanager
def _whole(archive: Path) -> Iterator[Path]:
    """A file beside it, that gets its name once all is in it: half of one could be taken for the whole."""
    half = archive.with_name(f".{archive.name}.half")
    try:
        yield half
        half.replace(archive)
    finally:
        half.unlink(missing_ok=True)


def _named(store: Store, component: str) -> tuple[str, Image] | None:
    """What is here, by a tag: an archive keeps no digests."""
    found = here(store.engine, store.wanted(component))
    if found is None:
        return None
    source, image = found
    by_tag = store.engine.image(source.reference)
    if by_tag is None or by_tag.id != image.id:
        store.engine.tag(image.id, source.reference)
    return source.reference, image


def _entry(component: str, reference: str, image: Image) -> dict[str, Any]:
    about = {"component": component, "reference": reference, "id": image.id, "digest": image.digest}
    return about | {"architecture": image.architecture, "size": image.size}


def _add_sums(archive: Path, images: list[dict[str, Any]]) -> None:
    about = {"format": _FORMAT, "kesdeploy": __version__, "images": images, "sha256": _sums(archive)}
    body = json.dumps(about, indent=1).encode()
    last = tarfile.TarInfo(SUMS)
    last.size = len(body)
    with tarfile.open(archive, "a") as tar:
        tar.addfile(last, io.BytesIO(body))


def _sums(archive: Path) -> dict[str, str]:
    """SHA-256 of every file in it but ours."""
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() and member.name != SUMS else None
            if content:
                sha = hashlib.sha256()
                while piece := content.read(_PIECE):
                    sha.update(piece)
                found[member.name] = sha.hexdigest()
    return found


def load(choice: str, archive: Path, report: Reporter) -> Result:
    """Load an archive of `images save`, whose sums are looked at, or one of `podman save` or `docker save`."""
    if not archive.is_file():
        because = "it is no file" if archive.exists() else "there is no such file"
        raise ImageError(f"cannot read {archive}", because=because, hint="kesdeploy images save FILE makes one")
    with report.step(f"Checking {archive}"):
        about = _checked(archive)
    engine = open_engine(choice)
    try:
        with report.step(f"Loading {archive}"):
            names = engine.load(archive)
        lost = [each["reference"] for each in about.get("images", ()) if engine.image(each["reference"]) is None]
        if lost:
            raise ImageError(f"{archive} was loaded, and {', '.join(lost)} is not here", hint="kesdeploy images list")
    finally:
        engine.close()
    if not about:
        report.note(f"{archive} has no sums: kesdeploy did not write it")
    return Result("images load", {"file": str(archive), "images": list(names), "missing": [], "checked": bool(about)})


def _checked(archive: Path) -> dict[str, Any]:
    """What the archive says of itself, {} for one that is not ours. ImageError where the sums differ."""
    try:
        about, sums = _about(archive), _sums(archive)
    except (tarfile.TarError, EOFError) as error:
        because = "it is cut off, or no archive of images"
        raise ImageError(f"{archive} cannot be read", because=because, hint="copy it again") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ImageError(f"{archive} cannot be read", because=str(error), hint="copy it again") from error
    wrong = sorted(name for name, sum_ in about.get("sha256", sums).items() if sums.get(name) != sum_)
    if wrong:
        because = f"these are not as they were saved: {', '.join(wrong)}"
        raise ImageError(f"{archive} is damaged", because=because, hint="copy it again, and compare sha256sum")
    return about


def _about(archive: Path) -> dict[str, Any]:
    with tarfile.open(archive) as tar:
        content = tar.extractfile(SUMS) if SUMS in tar.getnames() else None
        found = json.loads(content.read()) if content else {}
    if not isinstance(found, dict) or (found and found.get("format") != _FORMAT):
        raise ValueError("its list of images is of another kesdeploy")
    return found
