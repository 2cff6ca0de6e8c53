"""What the other tests run commands with: a forked one must be like one that was started."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import warm

if TYPE_CHECKING:
    from pathlib import Path


def _told(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", ["--version", "list --json", "status -n nobody", "up --kms nothing", "import -"])
def test_it_says_and_does_what_a_started_one_does(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = {**os.environ, "KESDEPLOY_HOME": "home", "NO_COLOR": "1"}
    command, given = (*warm.COMMAND, *words.split()), "not: compose"
    started = subprocess.run(command, check=False, env=env, input=given, capture_output=True, text=True, timeout=60)
    assert _told(warm.run(command, env=env, stdin=given, timeout=60)) == _told(started)


def test_it_is_ended_at_its_time(tmp_path: Path) -> None:
    env = {**os.environ, "KESDEPLOY_HOME": str(tmp_path)}
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run((*warm.COMMAND, "doctor"), env=env, stdin="", timeout=0.01)


def test_what_python_reads_at_its_start_is_left_to_a_started_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(warm, "_forked", refuse)
    done = warm.run((*warm.COMMAND, "--version"), env={**os.environ, "LC_ALL": "xx"}, stdin="", timeout=60)
    assert done.returncode == 0
    assert warm.run(("/bin/sh", "-c", "cat; exit 3"), env={}, stdin="so", timeout=60).stdout == "so"
