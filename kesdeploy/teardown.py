"""Taking a deployment away: always possible, also with a broken spec, a lost state, or a folder that is gone."""

from __future__ import annotations

import os
import tarfile
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy import boot, keystores, opening
from kesdeploy.boot import systemd
from kesdeploy.deployment import marks
from kesdeploy.engines.choose import KINDS, open_engine
from kesdeploy.errors import EngineError, KesdeployError, StateError, UsageError, in_words
from kesdeploy.home import PROOF_BUCKET, SYSTEM
from kesdeploy.opening import Wish
from kesdeploy.state import State, StateFile, locked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kesdeploy.engines import Engine
    from kesdeploy.home import Home
    from kesdeploy.report import Reporter

STOP_TIMEOUT = 10
NOT_THEIRS = (SYSTEM, PROOF_BUCKET)
KEPT = ("secrets", "ca", "kes", "vault", "config", "kesdeploy.yaml", "state.json")


def remove(wish: Wish, report: Reporter, *, data: bool) -> dict[str, Any]:
    """Containers and pod; with `data` the folder too. Finds everything by its labels."""
    home = opening.which(wish)
    if data:
        opening.refuse_a_renamed_folder(home, _written(wish, home))
    if home.ours or home.hollow:
        with locked(home, timeout=wish.timeout, report=report, command=f"kesdeploy {wish.command}"):
            return _remove(home, report, data=data)
    return _remove(home, report, data=data)


def _written(wish: Wish, home: Home) -> dict[str, Any]:
    """The spec as far as it can be read: a broken one keeps nothing from going."""
    try:
        return opening.tree(wish, home)[0]
    except UsageError:
        return {}


def _remove(home: Home, report: Reporter, *, data: bool) -> dict[str, Any]:
    state = _recorded(home)
    gone: list[str] = []
    for each in [open_engine("auto", state.engine)] if state.engine else _all_engines():
        with closing(each) as engine:
            opening.refuse_wrong_engine(home, engine.info(), state)
            gone += _containers(engine, marks(home), report)
    if not (gone or home.ours or home.hollow):
        raise UsageError(f"there is no deployment {home.name!r}", hint="kesdeploy list")
    stay = remaining(home) if data else {}
    if data:
        gone += _unit(home, report)
    if data and (home.ours or home.hollow):
        with report.step(f"remove {home.root}"):
            home.remove()
        gone.append(str(home.root))
    kept = "" if data or not home.ours else str(home.root)
    return {"deployment": home.name, "removed": gone, "kept": kept, "stay": stay}


def _unit(home: Home, report: Reporter) -> list[str]:
    """What would start it at boot. It must not keep anything else from going."""
    unit = boot.unit(home, boot.here())
    if not unit.found() or unit.theirs():
        return []
    try:
        systemd.remove(unit)
    except KesdeployError as error:
        report.warn(f"{error.what}: {error.because}; remove it by hand")
        return []
    return [str(unit.path)]


def remaining(home: Home) -> dict[str, Any]:
    """The keys that stay in a keystore that others can reach: nothing here deletes them. Empty for one of our own."""
    with suppress(KesdeployError, OSError):
        spec = opening.load(Wish("destroy", home.name), home)
        names = list(home.guarded_keys())
        if names and keystores.of(spec).shared(spec.keystore):
            return {"keystore": keystores.of(spec).title, "keys": names}
    return {}


def _all_engines() -> list[Engine]:
    """Each that answers here: where the state is damaged, nobody knows which one it lives on."""
    found = []
    for name in KINDS:
        with suppress(EngineError):
            found.append(open_engine(name))
    return found or [open_engine()]


def _recorded(home: Home) -> State:
    """As far as it is known."""
    with suppress(StateError):
        return StateFile.open(home).value
    return State(home.name)


def _containers(engine: Engine, labels: dict[str, str], report: Reporter) -> list[str]:
    gone = []
    for pod in engine.pods(labels):
        with report.step(f"remove pod {pod.name}"):
            engine.remove_pod(pod.name, stop_timeout=STOP_TIMEOUT)
        gone.append(pod.name)
    for container in engine.containers(labels):
        with report.step(f"remove container {container.name}"):
            engine.stop(container.name, timeout=STOP_TIMEOUT)
            engine.remove(container.name)
        gone.append(container.name)
    return gone


def losses(home: Home) -> dict[str, Any]:
    """What becomes unreadable, counted on disk: objects (of user buckets, each once), the bytes they take, and keys."""
    objects: set[Path] = set()
    size = 0
    minio = home.path("minio")
    drives = [minio] if (minio / SYSTEM).exists() else [d for d in home.drives() if (d / SYSTEM).exists()]
    for drive in drives or [minio]:
        for file in _theirs(drive):
            with suppress(FileNotFoundError):  # MinIO may still be running
                size += file.stat().st_size
                if file.name == "xl.meta":
                    objects.add(file.relative_to(drive))
    return {"objects": len(objects), "bytes": size, "keys": _keys(home)}


def _theirs(drive: Path) -> Iterator[Path]:
    """Every file of the users' buckets."""
    for folder, folders, files in os.walk(drive):
        if Path(folder) == drive:
            folders[:] = [name for name in folders if name not in NOT_THEIRS]
        yield from (Path(folder, name) for name in files)


def _keys(home: Home) -> int:
    """Keys that go with the folder: files of ours, or those in a Vault of ours, as the fingerprints tell them."""
    if home.path("kes").is_dir():
        return len(list(home.path("kes").iterdir()))
    return len(home.guarded_keys()) if home.path("vault").is_dir() else 0


def refuse_archive(home: Home, archive: Path) -> None:
    """Raises UsageError where `save` could not write, or what it writes would go with the deployment."""
    folder = archive.absolute().parent
    because = ""
    if os.path.lexists(archive):
        because = "it is there already"
    elif not folder.is_dir():
        because = f"there is no folder {folder}"
    elif not os.access(folder, os.W_OK):
        because = f"{folder} cannot be written"
    elif folder.resolve().is_relative_to(home.root.resolve()):
        because = f"{home.root} is removed with the deployment"
    if because:
        raise _unwritable(home, archive, because)


def save(home: Home, archive: Path) -> None:
    """A plain tar (0600) of what must be kept to read the data again: not of the data. UsageError when it fails."""
    try:
        with open(archive, "xb", opener=_private) as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
            tar.add(home.root, arcname=home.root.name, recursive=False)
            for name in KEPT:
                if home.path(name).exists():
                    tar.add(home.path(name), arcname=f"{home.root.name}/{name}")
    except OSError as error:
        raise _unwritable(home, archive, in_words(error)) from error


def _unwritable(home: Home, archive: Path, because: str) -> UsageError:
    hint = f"kesdeploy destroy -n {home.name} --save OTHER; nothing was destroyed"
    return UsageError(f"cannot write {archive}", because=because, hint=hint)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
