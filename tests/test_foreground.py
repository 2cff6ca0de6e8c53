"""What runs in our place, in real pipes and in a real terminal."""

from __future__ import annotations

import subprocess
import sys

import pexpect
import pytest

IN_OUR_PLACE = "import sys; from kesdeploy import foreground; sys.exit(foreground.run(sys.argv[1:]))"
TERMINAL = "from kesdeploy import foreground; print(foreground.on_terminal())"


def started(script: str) -> subprocess.Popen[str]:
    argv = (sys.executable, "-c", IN_OUR_PLACE, "sh", "-c", script)
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("code", [0, 1, 126])
def test_who_reads_sees_everything(code):
    out, err = (process := started(f"echo out; echo words >&2; exit {code}")).communicate(timeout=20)
    assert (out, err, process.returncode) == ("out\n", "words\n", code)


def test_words_come_as_they_are_said():
    process = started("echo soon >&2; read -r line; echo $line")
    assert process.stderr
    assert process.stderr.readline() == "soon\n"
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=20)


@pytest.mark.parametrize(("code", "told"), [(126, 141), (0, 0)])
def test_who_stops_reading_hears_nothing(code, told):
    script = "trap '' PIPE; echo first; while echo more; do :; done 2>/dev/null; echo 'broken pipe' >&2"
    process = started(f"{script}; exit {code}")
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == "first\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(20) == told


@pytest.mark.parametrize(("script", "answer"), [("{0}", "True"), ("{0} </dev/null", "False"), ("{0} | cat", "False")])
def test_a_terminal_is_one_on_both_sides(script, answer):
    command = script.format(f"{sys.executable} -c '{TERMINAL}'")
    child = pexpect.spawn("sh", ["-c", command], encoding="utf-8", timeout=15)
    child.expect_exact(answer)
    child.close()


def test_in_a_terminal_the_program_has_it():
    child = pexpect.spawn(
        sys.executable, ["-c", IN_OUR_PLACE, "sh", "-c", "test -t 1 && test -t 2 && exit 3"], timeout=15
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3
