"""The image of the trial: the running interpreter, and the few files that it wants before it runs a line of code."""

from __future__ import annotations

import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.errors import ImageError, KesdeployError

if TYPE_CHECKING:
    from kesdeploy.engines import Engine

LABEL = "kesdeploy-doctor"
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = f"/opt/python/bin/{_VERSION}"


class NoImage(KesdeployError):
    """There is no image to try with: that says nothing about the engine."""


def make_image(engine: Engine, reference: str) -> None:
    """About 20 MB, in half a second. NoImage where this Python is none to copy; ImageError or EngineError."""
    with tempfile.TemporaryDirectory(prefix="kesdeploy-") as folder:
        tar = Path(folder, "root.tar")
        engine.import_image(tar, reference, changes=_written(tar))


def _written(tar: Path) -> tuple[str, ...]:
    try:
        libraries = _write(tar)
    except (ImageError, OSError) as error:
        because = getattr(error, "because", "") or str(error)
        hint = getattr(error, "hint", "") or "kesdeploy up tries it with the real images"
        raise NoImage(f"no image can be made of this Python ({because})", hint=hint) from error
    paths = ":".join(sorted({str(library.parent) for library in libraries}))
    return (f"ENV LD_LIBRARY_PATH={paths}", f"LABEL {LABEL}=1")


def _write(tar: Path) -> set[Path]:
    """Write the tar; the libraries that went into it."""
    from kesdeploy.sandbox.rootfs import RootFs, libraries

    executable = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    inside = f"/opt/python/lib/{_VERSION}"
    # None where they are built in. `_ctypes` is for mlock, which Python has no word for.
    modules = [m for name in ("_socket", "_ctypes") for m in (stdlib / "lib-dynload").glob(f"{name}.*.so")]
    with RootFs(tar) as root:
        root.file(executable, PYTHON)
        root.file(stdlib / "os.py", f"{inside}/os.py")  # what tells Python that its library is here
        root.tree(stdlib / "encodings", f"{inside}/encodings")
        root.folder(f"{inside}/lib-dynload")
        for module in modules:
            root.file(module, f"{inside}/lib-dynload/{module.name}")
        needed = libraries([executable, *modules])
        for library in needed:
            root.file(library, str(library))
    return needed
