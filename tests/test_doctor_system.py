"""The machine around the engine: localhost, registries, its service, reboots, the folder. Nothing outside is asked."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from memory_engine import MemoryEngine

from kesdeploy.doctor import system
from kesdeploy.doctor.examination import examine
from kesdeploy.doctor.finding import Finding, Verdict
from kesdeploy.doctor.inside import GREETING
from kesdeploy.doctor.localhost import judge_localhost, try_localhost
from kesdeploy.doctor.machine import Machine
from kesdeploy.doctor.probes import examine_engine
from kesdeploy.doctor.registries import examine_registries, hosts
from kesdeploy.doctor.start import examine_start
from kesdeploy.errors import EngineError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Machine("root", root=True, runtimes=("runc",), open_files=1, processes=1, manager="apt-get")
ALICE = Machine("alice", root=False, runtimes=("runc",), open_files=1, processes=1, manager="apt-get")


# --- localhost


@pytest.mark.parametrize(
    ("found", "verdict", "fix"),
    [
        ({"127.0.0.1": "answers"}, "PASS", ""),
        ({"::1": "refuses", "127.0.0.1": "answers"}, "PASS", ""),
        ({"::1": "breaks off", "127.0.0.1": "answers"}, "WARN", "use 127.0.0.1 in place of localhost"),
        ({"::1": "answers"}, "WARN", "add to /etc/hosts: 127.0.0.1 localhost"),
        ({}, "WARN", "add to /etc/hosts"),
    ],
)
def test_localhost_has_to_lead_to_the_published_port(found, verdict, fix):
    finding = judge_localhost(found)
    assert (finding.verdict, finding.fix.startswith(fix)) == (verdict, True)


def _serve(words: bytes | None) -> Iterator[int]:
    """A port of 127.0.0.1 that says this, or breaks off."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as client:
                if words is not None:
                    client.sendall(words)

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize(("words", "told"), [(GREETING, "answers"), (b"else", "breaks off"), (None, "breaks off")])
def test_each_address_is_tried(words, told):
    for port in _serve(words):
        assert try_localhost(port)["127.0.0.1"] == told
    assert try_localhost(port)["127.0.0.1"] == "refuses"


# --- registries


@pytest.fixture
def registry() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(401 if self.path == "/v2/" else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_registry_that_wants_a_login_answers(registry):
    finding = examine_registries([registry])
    assert (finding.verdict, finding.evidence) == (Verdict.PASS, f"{registry}: answers")


def test_a_silent_registry_costs_seconds_and_hides_no_other(registry):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        finding = examine_registries([mute, registry, "127.0.0.1:1"], seconds=1)
        assert time.monotonic() - began < 3
    assert finding.verdict is Verdict.WARN
    assert f"{mute}: time-out" in finding.evidence
    assert f"{registry}: answers" in finding.evidence
    assert "127.0.0.1:1: connection refused" in finding.evidence
    assert "kesdeploy images load" in finding.fix


def test_the_registries_are_those_of_the_catalogue():
    assert "quay.io" in hosts()
    assert all("." in host and "/" not in host for host in hosts())


# --- the service, reboots, control groups


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_systemd", lambda _: True)


def test_without_systemd_nothing_starts_at_boot(monkeypatch, tmp_path):
    monkeypatch.setattr(system, "_systemd", lambda _: False)
    finding = system.examine_reboot(ALICE, tmp_path)
    assert (finding.verdict, finding.steps) == (Verdict.WARN, ())
    assert "kesdeploy start" in finding.fix


def test_lingering_is_offered_and_seen(systemd, tmp_path):
    finding = system.examine_reboot(ALICE, tmp_path)
    assert (finding.verdict, finding.fix, finding.undo) == (
        *(Verdict.WARN, "loginctl enable-linger alice"),
        "loginctl disable-linger alice",
    )
    assert [(step.do[1], step.undo[1]) for step in finding.steps] == [("enable-linger", "disable-linger")]
    (tmp_path / "alice").touch()
    assert system.examine_reboot(ALICE, tmp_path).evidence.startswith(
        "alice's services run at boot; `kesdeploy autostart"
    )
    assert system.examine_reboot(ROOT, tmp_path).verdict is Verdict.PASS


def test_a_socket_that_was_asked_for_and_is_gone_is_started(systemd, monkeypatch, tmp_path):
    path = tmp_path / "podman.sock"
    monkeypatch.setattr(system, "own_socket", lambda: str(path))
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    assert system.examine_service(ALICE).verdict is Verdict.PASS, "none is needed"
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{path}")
    finding = system.examine_service(ALICE)
    assert (finding.verdict, finding.fix) == (Verdict.FAIL, "systemctl --user enable --now podman.socket")
    assert finding.undo == "systemctl --user disable --now podman.socket"
    assert system.examine_service(ROOT).fix == "systemctl enable --now podman.socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert system.examine_service(ALICE).evidence == f"{path} answers"


def test_control_groups(tmp_path):
    assert system.examine_groups(ALICE, tmp_path / "none") is None
    assert system.examine_groups(ALICE, tmp_path).verdict is Verdict.WARN
    assert system.examine_groups(ROOT, tmp_path).verdict is Verdict.PASS
    (tmp_path / "cgroup.controllers").touch()
    assert system.examine_groups(ALICE, tmp_path).evidence == "version 2"


# --- the folder


@pytest.mark.parametrize(
    ("folder", "platform", "disk", "verdict"),
    [
        ("/Users/alice", "darwin", "", "PASS"),
        ("/private/tmp/x", "darwin", "", "PASS"),
        ("/opt/data", "darwin", "", "WARN"),
        ("/Usersx", "darwin", "", "WARN"),
        ("/mnt/c/Users/alice", "linux", "9p", "WARN"),
        ("/media/stick", "linux", "vfat", "WARN"),
        ("/home/alice", "linux", "ext4", ""),
        ("/home/alice", "linux", "", ""),
    ],
)
def test_a_folder_that_an_engine_may_not_see(folder, platform, disk, verdict):
    finding = system.judge_folder(PurePosixPath(folder), platform, disk)
    assert (finding.verdict if finding else "") == verdict
    assert finding is None or verdict == "PASS" or "KESDEPLOY_HOME" in finding.fix


def test_the_disk_of_a_folder_is_that_of_the_nearest_mount():
    assert system._disk(Path("/proc/self")) == "proc"
    assert system._disk(Path("/sys/kernel")) == "sysfs"


# --- the trial


def test_without_an_image_nothing_is_said_about_the_engine(monkeypatch):
    def none(*_: object) -> None:
        raise ImageError("The sandbox images cannot be built", because="ldd: no such file")

    monkeypatch.setattr("kesdeploy.doctor.start.open_engine", lambda _: MemoryEngine())
    monkeypatch.setattr("kesdeploy.sandbox.rootfs.libraries", none)
    (finding,) = examine_start()
    assert (finding.verdict, "ldd: no such file" in finding.evidence) == (Verdict.WARN, True)


# --- all of it


def test_looks_run_side_by_side_and_are_told_in_order(monkeypatch, kesdeploy_home):
    together = threading.Barrier(2, timeout=5)

    def meets(name):
        def look(*_: object) -> tuple[Finding, ...]:
            together.wait()
            return (Finding(name, Verdict.PASS, ""),)

        return look

    monkeypatch.setattr("kesdeploy.doctor.examination.examine_engine", lambda _: Finding("e", Verdict.PASS, ""))
    monkeypatch.setattr("kesdeploy.doctor.examination.examine_start", meets("start"))
    monkeypatch.setattr("kesdeploy.doctor.examination.examine_registries", meets("registries"))
    names = [finding.name for finding in examine(ports=())]
    assert names[0] == "e"
    assert names.index("start") < names.index("disk") < names.index("registries")


def test_without_an_engine_the_machine_is_looked_at_all_the_same(monkeypatch, kesdeploy_home):
    monkeypatch.setattr("kesdeploy.doctor.examination.examine_registries", lambda: Finding("r", Verdict.PASS, ""))
    monkeypatch.setenv("CONTAINER_HOST", "unix:///nonexistent/podman.sock")
    found = {finding.name: finding for finding in examine(ports=())}
    assert found["engine"].verdict is Verdict.FAIL
    assert "disk" in found
    assert "a container starts" not in found


def test_a_virtual_machine_that_sleeps_can_be_started(monkeypatch):
    def asleep(_: str) -> None:
        raise EngineError("Podman's virtual machine does not run", hint="podman machine start (after: … init)")

    monkeypatch.setattr("kesdeploy.doctor.probes.open_engine", asleep)
    (step,) = examine_engine("auto").steps
    assert (step.do, step.undo) == (("podman", "machine", "start"), ("podman", "machine", "stop"))
