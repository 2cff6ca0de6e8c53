"""KES's configuration as it was when the keystore was last seen to hold the data's keys: the one to go back to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.files import translated

if TYPE_CHECKING:
    from kesdeploy.home import Home

FOLDER, KEPT = "config/kes", "config/kes.proven"


def differs(home: Home) -> bool:
    """Whether KES has another configuration now, or none was proven yet."""
    return _files(home, FOLDER) != _files(home, KEPT)


def keep(home: Home) -> None:
    """The present one is good."""
    _copy(home, FOLDER, KEPT)


def put_back(home: Home) -> bool:
    """The last good one takes the place of the present one; False where there is none."""
    if _files(home, KEPT):
        _copy(home, KEPT, FOLDER)
        return True
    return False


def _copy(home: Home, source: str, target: str) -> None:
    wanted, there = _files(home, source), _files(home, target)
    for name in there.keys() - wanted.keys():
        with translated(home.path(target)):
            home.path(f"{target}/{name}").unlink()
    for name, (mode, text) in wanted.items():
        if there.get(name) != (mode, text):
            home.write(f"{target}/{name}", text, mode)


def _files(home: Home, folder: str) -> dict[str, tuple[int, bytes]]:
    """Mode and text of each file, by its name."""
    path = home.path(folder)
    with translated(path, "read"):
        files = [file for file in path.iterdir() if file.is_file()] if path.is_dir() else []
        return {file.name: (file.stat().st_mode & 0o777, file.read_bytes()) for file in files}
