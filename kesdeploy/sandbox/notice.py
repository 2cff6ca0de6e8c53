"""How the stand-ins say what they are."""

from __future__ import annotations

import sys

from kesdeploy import __version__

LABEL = "kesdeploy.sandbox"
HEADER = "X-Kesdeploy-Sandbox"
VERSION = f"kesdeploy-sandbox-{__version__}"


def out(text: str) -> None:
    """One line on stdout, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """One line on stderr, at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def server_header(component: str) -> str:
    """The `Server` header of every answer."""
    return f"kesdeploy-sandbox-{component}/{__version__}"


def log_line(component: str) -> str:
    """The first line of the log."""
    return f"NOTICE: this is kesdeploy's stand-in for {component}, not {component} itself. Never use it for production."
