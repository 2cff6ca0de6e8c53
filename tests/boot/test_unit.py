"""The unit's text, and what systemd itself says of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kesdeploy import boot
from kesdeploy.home import Home
from kesdeploy.render import as_unit

COMMAND = ("/opt/kesdeploy/bin/kesdeploy",)
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
verify = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze: apt-get install systemd")


def made(tmp_path: Path, *, user: bool, folder: str = "/home/me", command: tuple[str, ...] = COMMAND, **more: str):
    place = boot.Place(user, tmp_path / "units", command, {**ENVIRONMENT, **more})
    return boot.unit(Home("demo", Path(folder) / "minio-kes-demo"), place)


@pytest.mark.parametrize("user", [False, True], ids=["system", "user"])
def test_the_unit(tmp_path, golden, user):
    unit = made(tmp_path, user=user)
    golden(f"boot/{'user' if user else 'system'}.service", unit.text)
    assert unit.path == tmp_path / "units/kesdeploy-demo.service"


@verify
@pytest.mark.parametrize("user", [False, True], ids=["system", "user"])
def test_systemd_has_nothing_against_it(tmp_path, user):
    """With everything that a folder's name may hold: systemd reads `%`, quotes and blanks in words of its own."""
    folder = tmp_path / 'my 50% "data"\\n'
    program = tmp_path / "my 50% programs" / "kesdeploy"  # where quotes are refused
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = made(tmp_path, user=user, folder=str(folder), command=(str(program),), ODD='a "b" $HOME %h \\n')
    unit.path.parent.mkdir()
    unit.path.write_text(unit.text)
    manager = "--user" if user else "--system"
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    done = subprocess.run(
        ["systemd-analyze", "verify", manager, "--man=no", "--recursive-errors=no", str(unit.path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@verify
def test_systemd_would_object(tmp_path):
    """The test above can fail: a program that is not there is told."""
    unit = made(tmp_path, user=False)
    unit.path.parent.mkdir()
    unit.path.write_text(unit.text)
    argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit.path)]
    assert "/opt/kesdeploy/bin/kesdeploy" in subprocess.run(argv, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("/usr/bin/x", "/usr/bin/x"),
        ("A=b", "A=b"),
        ("a b", '"a b"'),
        ("50%", "50%%"),
        ('say "x"\\', '"say \\"x\\"\\\\"'),
        ("two\nlines", '"two\\nlines"'),
        ("é", '"é"'),
    ],
)
def test_a_word_of_a_unit(word, quoted):
    assert as_unit(word) == quoted


def test_the_engine_is_found_at_boot(monkeypatch, tmp_path):
    """A user's PATH and variables are not there then."""
    for name in ("CONTAINER_HOST", "DOCKER_HOST", "PYTHONPATH", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    podman = tmp_path / "bin" / "podman"
    podman.parent.mkdir()
    podman.write_text("")
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", str(podman.parent))
    monkeypatch.setenv("CONTAINER_HOST", "unix:///run/podman/podman.sock")
    found = boot.here().environment
    assert found["PATH"].startswith(f"{podman.parent}:/usr/local/sbin:")
    assert found["CONTAINER_HOST"] == "unix:///run/podman/podman.sock"
    assert "DOCKER_HOST" not in found


def test_the_command_is_absolute(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert boot.here().command == (str(tmp_path / "python"), "-m", "kesdeploy")
    (tmp_path / "kesdeploy").write_text("")
    (tmp_path / "kesdeploy").chmod(0o755)
    assert boot.here().command == (str(tmp_path / "kesdeploy"),)


def test_whose_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for uid, user, units in ((0, False, Path("/etc/systemd/system")), (1000, True, tmp_path / "systemd/user")):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        place = boot.here()
        assert (place.user, place.units) == (user, units)
