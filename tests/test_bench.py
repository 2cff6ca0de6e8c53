"""The benchmark runs, prints ratios, and leaves nothing behind. How long things take is no test."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import listed

BENCH = Path(__file__).parents[1] / "bench" / "up.py"
NAME = f"bench-test-{os.getpid()}"


@pytest.fixture
def argv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return (sys.executable, str(BENCH), "--images", "sandbox", "--runs", "1", "--name", NAME)


def left(folder: Path) -> list[str]:
    names = listed("podman", "ps", "--all", "--pod", "--format", "{{.Names}} {{.PodName}}")
    return [line for line in names.splitlines() if NAME in line] + [str(p) for p in folder.glob("kesdeploy-bench-*")]


def pods() -> str:
    return listed("podman", "pod", "ps", "--format", "{{.Name}}")


@pytest.mark.engine
def test_it_prints_ratios_and_leaves_nothing_behind(argv, tmp_path):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if re.search(r"\*\*\d+\.\d\d\*\* \|$", line)]
    assert [re.match(r"\| `([^`]+)`", row)[1] for row in rows] == ["up", "up", "down", "--help"]
    assert left(tmp_path) == []


@pytest.mark.engine
def test_of_a_rotation_it_prints_what_requests_felt(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    bench = BENCH.with_name("rotation.py")
    argv = (sys.executable, str(bench), "--images", "sandbox", "--rounds", "1", "--clients", "4", "--name", NAME)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| (while|without).* \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", done.stdout, re.MULTILINE)
    assert [(row[0], row[2]) for row in rows] == [("while", "0"), ("without", "0")]
    assert all(int(p99) <= int(slowest) for *_, p99, slowest in rows)
    assert left(tmp_path) == []


@pytest.mark.engine
def test_an_interrupted_one_leaves_nothing_behind(argv, tmp_path):
    # Who runs the tests in the background may have it ignored.
    heard = ("env", "--default-signal=INT", *argv)
    running = subprocess.Popen(heard, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while NAME not in pods():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    words = running.communicate(timeout=60)[1]
    assert running.returncode == 130, words
    assert left(tmp_path) == []
