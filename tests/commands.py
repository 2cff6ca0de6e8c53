"""kesdeploy as a process: what the tests of the command line start."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

from kesdeploy.cli import main

ROOT = Path(__file__).parents[1]
NAMES = (
    *("init", "import", "up", "plan", "render", "start", "stop", "down", "destroy", "status", "list", "verify", "logs"),
    *("policy", "rotate-certs", "rotate-credentials", "schema", "env", "mc", "kes", "doctor", "images"),
    *("key", "bucket", "certs", "autostart", "explain"),
)
FAMILIES = {
    "images": ("list", "pull", "save", "load", "mirror", "acknowledge"),
    "key": ("create", "list", "info", "import", "encrypt", "decrypt", "dek", "delete"),
    "bucket": ("create", "list", "encrypt", "rewrap", "check"),
    "certs": ("list", "show", "import", "trust"),
    "autostart": ("enable", "disable", "status"),
}
COMMANDS = [
    (),
    *((name,) for name in NAMES),
    *((family, name) for family, names in FAMILIES.items() for name in names),
    *(("bucket", "encrypt", name) for name in ("set", "clear", "show")),
]
Done = subprocess.CompletedProcess[str]


def run(*arguments: str, home: Path | None = None, stdin: str = "", **environment: str) -> Done:
    """One command, without a terminal, and without any engine unless the environment names one."""
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(home or "/nonexistent"),
        "KESDEPLOY_HOME": str(home or "/nonexistent"),
        "CONTAINER_HOST": "unix:///nonexistent/podman.sock",
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    command = [sys.executable, "-m", "kesdeploy", *arguments]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=given, cwd=home or ROOT, timeout=60, check=False
    )


def document(done: Done) -> dict[str, Any]:
    """The one document of `--json`: nothing before it, nothing after it."""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_here(*arguments: str, home: Path, stdin: str = "") -> Done:
    """The same in this process: the entry of the installed command, without the time that a process takes to start."""
    out, err, handlers = io.StringIO(), io.StringIO(), {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    environment = {"KESDEPLOY_HOME": str(home), "CONTAINER_HOST": "unix:///nonexistent/podman.sock"}
    try:
        with (
            mock.patch.object(sys, "argv", ["kesdeploy", *arguments]),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            mock.patch.dict(os.environ, environment),
            contextlib.chdir(home),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Done(arguments, code, out.getvalue(), err.getvalue())


def listed(*argv: str) -> str:
    """What an engine's command lists; asked again where it fails, as Podman's does when what it just met goes away."""
    for _ in range(9):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0:
            return done.stdout
        time.sleep(0.3)
    raise AssertionError(f"{' '.join(argv)}: {done.stderr}")
