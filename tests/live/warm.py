"""Commands that need not read their libraries first: each is forked from a process that did nothing but import them.

The suite runs about a thousand, and a third of the time of each went there.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND = (sys.executable, "-m", "kesdeploy")
_CONTEXT = multiprocessing.get_context("forkserver")
# Not kesdeploy itself: what its modules do when they are imported, and in which order, is each command's own.
_CONTEXT.set_forkserver_preload(
    ["cryptography.x509", "docker", "jinja2", "minio", "podman", "pydantic", "rich.console", "typer", "yaml", __name__]
)
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
# Python looks at these when it starts, and only then.
_AT_ITS_START = ("LANG", "LC_", "PYTHON")


def run(
    words: tuple[str, ...], *, env: Mapping[str, str], stdin: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` would do it, and so it does where forking would not be the same.

    timeout: in seconds; TimeoutExpired afterwards.
    """
    if words[: len(COMMAND)] == COMMAND and _starts_like_us(env):
        return _forked(words, env, stdin, timeout)
    return subprocess.run(words, check=False, env=env, input=stdin, capture_output=True, text=True, timeout=timeout)


def _starts_like_us(env: Mapping[str, str]) -> bool:
    names = [name for name in {*env, *os.environ} if name.startswith(_AT_ITS_START)]
    return all(env.get(name) == os.environ.get(name) for name in names)


def _forked(
    words: tuple[str, ...], env: Mapping[str, str], stdin: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory(prefix="kesdeploy-warm-") as folder:
        given, out, err = (Path(folder) / name for name, _ in _STREAMS)
        given.write_text(stdin)
        process = _CONTEXT.Process(target=_become, args=(words[len(COMMAND) :], dict(env), folder, Path.cwd()))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, timeout)
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())


def _become(arguments: tuple[str, ...], env: Mapping[str, str], folder: str, cwd: Path) -> None:
    for number, (name, mode) in enumerate(_STREAMS):
        with (Path(folder) / name).open(mode) as opened:
            os.dup2(opened.fileno(), number)
        setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - a number; it stays open
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["kesdeploy", *arguments]
    from kesdeploy.__main__ import main

    main()
