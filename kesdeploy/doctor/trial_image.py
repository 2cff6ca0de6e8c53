"""The image of the trial: the running interpreter, and the few files that it wants before it runs a line of code."""

from __future__ import annotations

import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kesdeploy.engines import Engine

LABEL = "kesdeploy-doctor"
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = f"/opt/python/bin/{_VERSION}"


def make_image(engine: Engine, reference: str) -> None:
    """About 20 MB, in half a second. ImageError or EngineError."""
    from kesdeploy.sandbox.rootfs import RootFs, libraries

    executable = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    inside = f"/opt/python/lib/{_VERSION}"
    # None where they are built in. `_ctypes` is for mlock, which Python has no word for.
    modules = [m for name in ("_socket", "_ctypes") for m in (stdlib / "lib-dynload").glob(f"{name}.*.so")]
    with tempfile.TemporaryDirectory(prefix="kesdeploy-") as folder:
        tar = Path(folder, "root.tar")
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
        paths = ":".join(sorted({str(library.parent) for library in needed}))
        engine.import_image(tar, reference, changes=(f"ENV LD_LIBRARY_PATH={paths}", f"LABEL {LABEL}=1"))
