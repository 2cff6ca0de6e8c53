"""Where the output goes: a terminal with Ctrl-C, and a pipe whose reader has had enough."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pexpect
import pytest
from commandline import RELEASE, podman
from objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from commandline import Cli

pytestmark = pytest.mark.engine
AT_ONCE = 4.0  # seconds; Podman's service waits for five before it leaves somebody whom it serves


def test_ctrl_c_ends_logs_at_once_and_without_a_word(running: Cli) -> None:
    program, *arguments = running.argv("logs", "--follow")
    child = pexpect.spawn(program, arguments, env=running.environment(), encoding="utf-8", timeout=20)
    child.expect("(?s)minio .*kes |kes .*minio ")
    time.sleep(0.5)  # all that was said is shown: it waits for more
    begun = time.monotonic()
    child.sendintr()
    child.expect(pexpect.EOF)
    assert time.monotonic() - begun < AT_ONCE
    child.close()
    assert child.exitstatus == 130
    assert "error:" not in child.before
    assert "Traceback" not in child.before


def test_the_audit_names_who_made_the_key(running: Cli) -> None:
    first, *_ = running("logs", "--audit", "--json").data["events"]
    made = (first["who"], first["operation"], first["key"], first["result"])
    assert made == ("operator", "create", "minio-backend-default-key", "ok")


@pytest.mark.parametrize("flags", [(), ("--follow",), ("--follow", "--json")])
def test_logs_for_a_reader_of_one_line(running: Cli, flags: tuple[str, ...]) -> None:
    again = running.container("kes-server")
    assert _first_line_of(running, "logs", *flags, meanwhile=lambda: podman("kill", "-s", "HUP", again)) == (0, "")


@pytest.mark.parametrize("cli", [RELEASE], indirect=True)
def test_mc_for_a_reader_of_one_line(running: Cli) -> None:
    objects = Objects.of(running)
    assert _first_line_of(running, "mc", "admin", "trace", "--all", "this", meanwhile=objects.s3.list_buckets) == (
        141,
        "",
    )
    process = running.popen("mc", "ls", "this/nosuch")
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 1
    assert "`nosuch` does not exist" in said


def _first_line_of(cli: Cli, *args: str, meanwhile: Callable[[], object]) -> tuple[int, str]:
    """The exit code, and what was said aside, once one line was read and the output closed; `meanwhile` makes more."""
    process = cli.popen(*args)
    assert process.stdout
    assert process.stderr
    try:
        assert process.stdout.readline()
        process.stdout.close()
        deadline = time.monotonic() + 5 * AT_ONCE  # it notices at its next line, which others write
        while _runs(process):
            assert time.monotonic() < deadline
            meanwhile()
        return process.returncode, process.stderr.read()
    finally:
        process.kill()
        process.wait()


def _runs(process: subprocess.Popen[str]) -> bool:
    try:
        process.wait(0.1)
    except subprocess.TimeoutExpired:
        return True
    return False
