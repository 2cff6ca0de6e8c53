"""The command line over a deployment in memory: the commands are whole, only engine and services are not there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from commands import Done, run_here
from core_fixtures import World, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Call = "Callable[..., Done]"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Nothing is there yet."""
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    return made


@pytest.fixture
def kesdeploy(here: World, tmp_path: Path) -> Callable[..., Done]:
    """`kesdeploy("status", "--json")`; `expect` is its exit code."""

    def call(*arguments: str, expect: int = 0, stdin: str = "") -> Done:
        done = run_here(*arguments, home=tmp_path, stdin=stdin)
        assert done.returncode == expect, done
        assert "Traceback" not in done.stderr
        return done

    return call


@pytest.fixture
def ask(kesdeploy: Callable[..., Done]) -> Callable[..., dict[str, Any]]:
    """The document of a command's `--json`, held to the contract."""

    def call(*arguments: str, expect: int = 0) -> dict[str, Any]:
        done = kesdeploy(*arguments, "--json", expect=expect)
        found: dict[str, Any] = json.loads(done.stdout)
        assert list(found) == ["schema", "command", "ok", "data", "problems"]
        assert found["ok"] is (expect == 0)
        return found

    return call


@pytest.fixture
def up(here: World, kesdeploy: Callable[..., Done]) -> World:
    """A deployment that is up."""
    kesdeploy("up", "--kms", "fs", "--yes")
    return here
