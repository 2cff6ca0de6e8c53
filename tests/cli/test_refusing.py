"""What Typer refuses by itself: in our three lines, as our document, with our exit code."""

from __future__ import annotations

import json

import pytest
from commands import run_here

HELP = "  try: kesdeploy {} --help"


@pytest.mark.parametrize(
    ("arguments", "words", "help_"),
    [
        (("status", "--bogus"), "--bogus", "status"),
        (("up", "--s3-port", "many"), "no whole number", "up"),
        (("up", "--s3-port"), "'--s3-port' requires an argument", "up"),
        (("status", "extra"), "unexpected extra argument", "status"),
        (("images", "load"), "Missing argument", "images load"),
        (("images", "bogus"), "No such command 'bogus'", "images"),
    ],
)
def test_three_lines_with_the_page_that_explains(tmp_path, arguments, words, help_):
    done = run_here(*arguments, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    first, last = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert words in first
    assert last == HELP.format(help_)


def test_a_command_that_there_is_none_of(tmp_path):
    done = run_here("bogus", home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    first, last = done.stderr.splitlines()
    assert first.startswith("error: No such command 'bogus'")
    assert last == "  try: kesdeploy --help"


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("status", "--json", "--bogus"), "status"),
        (("--json", "status"), "kesdeploy"),
        (("images", "load", "--json"), "images load"),
        (("bogus", "--json"), "kesdeploy"),
        (("up", "--json", "--s3-port"), "up"),
    ],
)
def test_with_json_it_is_one_document_too(tmp_path, arguments, command):
    done = run_here(*arguments, home=tmp_path)
    found = json.loads(done.stdout)
    assert (found["schema"], found["command"], found["ok"], done.returncode) == (1, command, False, 2)
    (problem,) = found["problems"]
    assert problem["code"] == "usage"
    assert problem["message"]
    assert problem["hint"].endswith("--help")


def test_a_json_that_belongs_to_a_tool_is_not_ours(tmp_path):
    """`kesdeploy mc -- ls --json`: the document is mc's, and the refusal before it is for people."""
    done = run_here("mc", "--name", "--", "ls", "--json", home=tmp_path)
    assert done.returncode == 2
    assert not done.stdout


def test_no_word_at_all_is_the_help(tmp_path):
    for arguments in ((), ("images",)):
        done = run_here(*arguments, home=tmp_path)
        assert done.returncode in (0, 2)
        assert "Usage: kesdeploy" in done.stdout + done.stderr
        assert "error:" not in done.stderr
