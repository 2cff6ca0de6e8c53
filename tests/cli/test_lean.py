"""The few commands that are made say what all of them would."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from kesdeploy.cli import app
from kesdeploy.cli.lean import lean

COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands]
FAMILIES = [family.name for family in app.registered_groups]
WORDS = [
    (),
    ("--help",),
    ("-h",),
    ("--version",),
    ("nosuch",),
    ("--nosuch", "up"),
    ("key", "nosuch"),
    ("key", "delete", "--help"),
    *((word, "--help") for word in (*COMMANDS, *FAMILIES)),
]


def said(program, words):
    done = CliRunner().invoke(program, words, prog_name="kesdeploy")
    return done.exit_code, done.output


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_it_says_the_same(words):
    assert said(lean(app, words), words) == said(app, words)


def test_it_makes_what_was_asked_for():
    assert len(COMMANDS) > 20
    assert [c.callback.__name__ for c in lean(app, ("up", "--kms", "fs")).registered_commands] == ["up"]
    assert lean(app, ("up",)).registered_groups == []
    assert [family.name for family in lean(app, ("key", "list")).registered_groups] == ["key"]
    assert [command.name or command.callback.__name__ for command in app.registered_commands] == COMMANDS


def test_completion_sees_all(monkeypatch):
    monkeypatch.setenv("_KESDEPLOY_COMPLETE", "complete_bash")
    assert lean(app, ()) is app
