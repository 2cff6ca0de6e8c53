"""What the local store has of what is wanted, and whether it can run here."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.catalogue import Source
from kesdeploy.errors import ImageError
from kesdeploy.references import by_digest, split

if TYPE_CHECKING:
    from kesdeploy.engines import Engine, Image
    from kesdeploy.own_images import Wanted
    from kesdeploy.report import Reporter

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_EMULATORS = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}
_BINFMT = Path("/proc/sys/fs/binfmt_misc")


def here(engine: Engine, ask: Wanted) -> tuple[Source, Image] | None:
    """The image in the local store: any source's by its digest, else any source's by its tag."""
    for source in ask.sources:
        digest = ask.digest(source)
        image = engine.image(by_digest(source.reference, digest)) if digest else None
        if image is not None:
            return source, image
    for source in ask.sources:
        image = engine.image(source.reference)
        if image is not None and _may_be(ask, source, image):
            return source, image
    return _built(engine, ask)


def _built(engine: Engine, ask: Wanted) -> tuple[Source, Image] | None:
    """OpenBao as kesdeploy makes it from its wheel, here or where an archive comes from."""
    if ask.named or ask.component.name != "openbao":
        return None
    from kesdeploy.sandbox.image import REPOSITORY

    reference = f"{REPOSITORY}/openbao:{ask.component.version}"
    image = engine.image(reference)
    return (Source(reference), image) if image else None


def _may_be(ask: Wanted, source: Source, image: Image) -> bool:
    """Whether a tag is enough: it is the user who put it there. Not where the digest is all that speaks for it."""
    told = split(ask.named)[1] or source.kind == "mirror"
    return not told or is_known_by(image, ask.digest(source))


def is_known_by(image: Image, digest: str) -> bool:
    return digest == image.digest or any(each.endswith(f"@{digest}") for each in image.digests)


def digest(ask: Wanted, source: Source, image: Image) -> str:
    """What it is pinned by: the digest that was asked for where it is that, else its own."""
    wanted = ask.digest(source)
    return wanted if wanted and is_known_by(image, wanted) else image.digest


def machine() -> str:
    """This machine's processor, as images name it."""
    return _MACHINES.get(platform.machine(), platform.machine())


def offers(ask: Wanted, source: Source, engine: Engine) -> bool:
    """Whether a source has an image for this machine, as far as anybody knows."""
    known = source.platforms or ask.component.platforms
    return not known or engine.info().remote or machine() in known


def refuse_foreign(engine: Engine, reference: str, image: Image, report: Reporter) -> None:
    """Raises ImageError for an image of another processor, unless this kernel emulates that one."""
    mine = machine()
    if engine.info().remote or image.architecture in ("", mine):
        return
    other = image.architecture
    if (_BINFMT / f"qemu-{_EMULATORS.get(other, other)}").exists():
        report.note(f"{reference} is for {other} and this machine is {mine}: it runs emulated, slowly")
        return
    name = engine.info().name
    raise ImageError(
        f"{reference} is for {other}, and this machine is {mine}",
        because="it would end with 'exec format error': nothing here emulates that processor",
        hint=f"{name} rmi {reference}; {name} pull --platform linux/{mine} {reference}",
    )
