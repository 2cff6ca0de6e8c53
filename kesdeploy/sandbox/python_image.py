"""The running Python, with the few packages that the stand-ins need, as a root file system for a container.

The interpreter's folder is moved to /opt/python, where it finds its standard library by itself; the system's shared
libraries keep their paths; packages and kesdeploy lie in one folder that the launchers put on `sys.path`, because `-IS`
leaves it bare.
"""

from __future__ import annotations

import hashlib
import marshal
import sys
import sysconfig
from importlib.util import MAGIC_NUMBER, find_spec, source_hash
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kesdeploy.errors import ImageError
from kesdeploy.sandbox.rootfs import RootFs, libraries

if TYPE_CHECKING:
    from types import CodeType

_PACKAGES = ("cryptography", "cffi", "_cffi_backend", "OpenSSL", "yaml", "_yaml", "typing_extensions")
_OPTIONAL = ("_yaml", "typing_extensions")
# What no server needs; most of the size of a standard library.
_SKIP = (
    "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "distutils", "pydoc_data", "venv",
    "site-packages", "dist-packages", "sqlite3", "curses", "dbm", "unittest", "__phello__",
)  # fmt: skip
_SKIP_LIBRARIES = (
    "_tkinter",
    "_sqlite3",
    "_dbm",
    "_gdbm",
    "_curses",
    "readline",
    "_test",
    "xxlimited",
    "_xxtest",
    "nis",
)
_HOME, _LIB = "/opt/python", "/opt/kesdeploy"
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = f"{_HOME}/bin/{_VERSION}"
LAUNCHERS = {"/kes": "kes", "/usr/bin/minio": "minio"}
_UNCHECKED_HASH = 0b01


def fingerprint() -> str:
    """16 digits that change with the interpreter, the packages, the system or our own sources. Takes milliseconds."""
    digest = hashlib.sha256(f"{sys.version}{sys.platform}".encode())
    outside = [Path(sys.executable).resolve(), Path("/etc/os-release"), *(p for p in map(_origin, _PACKAGES) if p)]
    for path in outside:
        about = path.stat() if path.exists() else None
        digest.update(f"{path} {about.st_size} {about.st_mtime_ns}\n".encode() if about else b"-")
    for source in _sources():
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def write(path: Path) -> tuple[str, ...]:
    """Write the tar; the Dockerfile lines that belong to it."""
    executable = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    with RootFs(path) as root:
        root.file(executable, PYTHON)
        found = root.tree(stdlib, f"{_HOME}/lib/{_VERSION}", _skipped(stdlib))
        found += _packages(root)
        _ourselves(root)
        needed = libraries([executable, *found])
        for library in needed:
            root.file(library, _place(library))
        for launcher, module in LAUNCHERS.items():
            root.text(launcher, _launcher(module), mode=0o755)
    folders = dict.fromkeys(
        str(PurePosixPath(_place(p)).parent) for p in sorted(needed) if not p.is_relative_to(_site())
    )
    return (f"ENV LD_LIBRARY_PATH={':'.join(folders)}",)


def _site() -> Path:
    return Path(sysconfig.get_path("platlib"))


def _place(library: Path) -> str:
    """Where a library goes: beside its package, at its own path, or, from somebody's home, to one folder of ours."""
    site = _site()
    if library.is_relative_to(site):
        return f"{_LIB}/{library.relative_to(site).as_posix()}"
    system = any(library.is_relative_to(root) for root in ("/lib", "/lib64", "/usr"))
    return str(library) if system else f"{_HOME}/lib/{library.name}"


def _skipped(stdlib: Path) -> list[str]:
    dynamic = stdlib / "lib-dynload"
    names = [p.name for p in dynamic.glob("*.so")] if dynamic.is_dir() else []
    return [*_SKIP, *(n for n in names if n.startswith(_SKIP_LIBRARIES)), *(p.name for p in stdlib.glob("config-*"))]


def _origin(package: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        if package in _OPTIONAL:
            return None
        raise ImageError(
            "The sandbox images cannot be built",
            because=f"this Python has no package {package}",
            hint=f"{sys.executable} -m pip install kesdeploy",
        )
    return Path(spec.origin)


def _packages(root: RootFs) -> list[Path]:
    found: list[Path] = []
    for origin in filter(None, map(_origin, _PACKAGES)):
        if origin.name.startswith("__init__."):
            found += root.tree(origin.parent, f"{_LIB}/{origin.parent.name}", ("tests", "test"))
        else:
            root.file(origin, f"{_LIB}/{origin.name}")
            found += [origin] if ".so" in origin.name else []
    return found


def _sources() -> list[Path]:
    """What of kesdeploy runs inside: the stand-ins, not the rest."""
    home = Path(__file__).parent
    return [home.parent / "__init__.py", *sorted(home.rglob("*.py"))]


def _ourselves(root: RootFs) -> None:
    """Compiled here, since nobody inside may write what Python would keep."""
    top = Path(__file__).parent.parent.parent
    for source in _sources():
        content = source.read_bytes()
        place = PurePosixPath(_LIB) / source.relative_to(top).as_posix()
        root.bytes(str(place), content)
        cached = place.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        root.bytes(str(cached), _compiled(content, str(place)))


def _compiled(source: bytes, path: str) -> bytes:
    """A compiled file that Python takes without looking at its source's time (PEP 552)."""
    code: CodeType = compile(source, path, "exec", dont_inherit=True)
    return MAGIC_NUMBER + _UNCHECKED_HASH.to_bytes(4, "little") + source_hash(source) + marshal.dumps(code)


def _launcher(module: str) -> str:
    return (
        f"#!{PYTHON} -IS\n"
        f"import sys\n"
        f"sys.path.append({_LIB!r})\n"
        f"from kesdeploy.sandbox.{module}.__main__ import main\n"
        f"sys.exit(main())\n"
    )
