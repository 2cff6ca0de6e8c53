"""What a session without root lacks, in folders of the test's own."""

from __future__ import annotations

import os

import pytest

from kesdeploy.doctor import rootless
from kesdeploy.doctor.machine import Machine
from kesdeploy.doctor.remedies import recognise

USER = Machine("me", root=False, runtimes=("runc",), open_files=1024, processes=100, manager="apt-get")


def test_root_has_what_the_system_has():
    machine = Machine("root", root=True, runtimes=("runc",), open_files=1024, processes=100, manager="apt-get")
    assert rootless.examine_session(machine) == ()


@pytest.mark.parametrize(
    ("given", "login", "verdict", "told"),
    [
        (True, True, "PASS", ""),
        (False, True, "WARN", "export XDG_RUNTIME_DIR="),
        (False, False, "WARN", "loginctl enable-linger"),
    ],
)
def test_the_runtime_folder(tmp_path, monkeypatch, given, login, verdict, told):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    if given:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    if login:
        (tmp_path / str(os.geteuid())).mkdir()
    found = rootless.examine_runtime_folder(tmp_path)
    assert found.verdict == verdict
    assert told in found.fix


def test_a_runtime_folder_that_is_gone(tmp_path, monkeypatch):
    """As `su` without a login shell leaves it: another user's, or nobody's."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    found = rootless.examine_runtime_folder(tmp_path)
    assert found.verdict == "WARN"
    assert "gone is not writable" in found.evidence


@pytest.mark.parametrize(
    ("folder", "verdict"), [("", "PASS"), ("overlay-layers", "PASS"), ("vfs-layers", "WARN")], ids=["new", "o", "vfs"]
)
def test_the_store(tmp_path, folder, verdict):
    if folder:
        (tmp_path / "containers" / "storage" / folder).mkdir(parents=True)
    found = rootless.examine_store(tmp_path)
    assert found.verdict == verdict
    assert ("overlay" in found.fix) is (verdict == "WARN")


def test_the_network_device(tmp_path, monkeypatch):
    device = tmp_path / "tun"
    assert "is not there" in rootless.examine_tunnel(USER, device).evidence
    device.touch()
    assert rootless.examine_tunnel(USER, device).verdict == "PASS"
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = rootless.examine_tunnel(USER, device)
    assert (found.verdict, "not yours to open" in found.evidence) == ("FAIL", True)
    assert rootless.examine_tunnel(USER, rootless.TUN).fix == "sudo chmod 666 /dev/net/tun"


def test_a_pause_process_that_was_killed():
    words = 'invalid internal status, try resetting the pause process with "podman system migrate": cannot re-exec'
    assert recognise(words, USER).fix == "podman system migrate"
