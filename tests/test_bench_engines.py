"""The benchmark of engines: its tables from times that are known, what it leaves out, and one run on a real Podman."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_bench import left

BENCH = Path(__file__).parents[1] / "bench"
NAME = f"bench-test-{os.getpid()}"


@pytest.fixture
def engines(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import engines

    return engines


def test_a_ratio_below_one_is_kesdeploys_lead(engines, monkeypatch):
    monkeypatch.setattr(engines, "_version", lambda engine: f"{engine} 1")
    times = {
        ("podman", "up"): [2.0, 1.0, 9.0],
        ("podman", "down"): [1.0],
        ("podman/kube", "up"): [1.0],
        ("podman/kube", "ready"): [4.0],
        ("podman/kube", "down"): [2.0],
    }
    table = engines.table("podman", times)
    assert "runs: 3;" in table
    assert "| kesdeploy, proof included | 2.00 (1.00 - 9.00) | the same | 1.00 (1.00 - 1.00) | | | |" in table
    assert table.splitlines()[-1].endswith("| **2.00** | **0.50** | **0.50** |")
    assert "podman-compose" not in table


def test_what_is_not_installed_is_told(engines, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert engines._lacks("docker-compose") == "no `docker-compose` command"
    assert engines._lacks("kube") == "no `podman` command"
    assert engines._lacks("podman-py") == ""


@pytest.mark.engine
def test_it_prints_ratios_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    argv = (sys.executable, str(BENCH / "engines.py"), "--engine", "podman", "--images", "sandbox", "--runs", "1")
    done = subprocess.run((*argv, "--name", NAME), capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| (.+?) \|.* \*\*\d+\.\d\d\*\* \|$", done.stdout, re.MULTILINE)
    assert {"`podman` in a script", "`podman kube play`", "the floor: podman-py alone"} <= set(rows)
    assert left(tmp_path) == []
