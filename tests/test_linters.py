"""The formatter, the linter and the type checker have nothing to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("command", ["ruff format --check .", "ruff check .", "mypy"])
def test_nothing_to_say(command):
    said = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert said.returncode == 0, f"{command}\n{said.stdout[-6000:]}{said.stderr[-2000:]}"
