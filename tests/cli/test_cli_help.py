"""Every command from its outside: a process, its output, its exit code."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from commands import COMMANDS, ROOT, run

from kesdeploy.cli import HELP, app


@pytest.mark.parametrize("command", COMMANDS, ids="-".join)
def test_every_command_explains_itself(command):
    done = run(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"Usage: kesdeploy {' '.join(command)}".rstrip())
    assert lines[2].strip().endswith((".", ":", ",")) or len(lines[2].strip()) > 60, "a sentence says what it does"


WITH_EXAMPLES = [("up",), ("init",), ("env",), ("mc",), ("kes",), ("key", "list"), ("bucket", "encrypt", "set")]


@pytest.mark.parametrize("command", WITH_EXAMPLES, ids="-".join)
def test_examples_keep_their_lines(command):
    lines = [line.strip() for line in run(*command, "--help").stdout.splitlines()]
    examples = [line for line in lines[1:] if f"kesdeploy {' '.join(command)}" in line]
    assert examples
    assert all(line.count("kesdeploy") == 1 for line in examples)


def test_the_first_page_names_the_next_command():
    shown = run("--help").stdout
    for line in HELP.split("\b\n")[1].splitlines():
        assert line in shown


def test_without_a_word_it_is_the_help():
    done = run()
    assert done.returncode in (0, 2)
    assert "kesdeploy up --kms fs" in done.stdout + done.stderr


def test_the_short_form():
    assert run("up", "-h").stdout == run("up", "--help").stdout


def test_the_version():
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("kesdeploy ")


def names_in(family, above=()):
    for command in family.registered_commands:
        yield (*above, command.name or command.callback.__name__)
    for group in family.registered_groups:
        yield (*above, group.name)
        yield from names_in(group.typer_instance, (*above, group.name))


def test_every_command_is_looked_at():
    assert {(), *names_in(app)} == set(COMMANDS)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_an_output_that_was_closed_from_the_start(closed, tmp_path):
    """As cron and service managers may do."""
    script = f"exec {sys.executable} -m kesdeploy list {closed}"
    done = subprocess.run(
        ["sh", "-c", script],
        env={**os.environ, "KESDEPLOY_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
@pytest.mark.parametrize("words", [("--help",), ("up", "--help")], ids="-".join)
def test_a_help_that_finds_no_room_is_no_traceback(words):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        argv = (sys.executable, "-m", "kesdeploy", *words)
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the output\n  because: No space left on device\n"
