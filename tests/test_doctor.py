"""Remedies for the errors that were seen, and the one file that `mend` writes. Without any engine."""

import os
import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kesdeploy.doctor import Change, Finding, Setting, Verdict, mend, proposal, undo
from kesdeploy.doctor import machine as facts
from kesdeploy.doctor.machine import Machine, drop_in
from kesdeploy.doctor.probes import (
    examine_clock,
    examine_disk,
    examine_engine,
    examine_ports,
    examine_rootless,
    examine_runtime,
)
from kesdeploy.doctor.remedies import recognise, settings_text
from kesdeploy.doctor.start import STARTS, _for_this_configuration
from kesdeploy.errors import EngineError, UsageError
from kesdeploy.home import Home
from kesdeploy.state import StateFile

BOTH = Machine("alice", root=True, runtimes=("crun", "runc"), open_files=20000, processes=96365, manager="apt-get")
LIMITS = Setting("containers", "default_ulimits", '["nofile=20000:20000", "nproc=96365:96365"]')
RUNC = Setting("engine", "runtime", '"runc"')


# Podman's and the runtimes' own words, as seen.
SEEN = {
    "runc: runc create failed: unable to start container process: error during container init: error setting rlimits "
    "for ready process: error setting rlimit type 7: operation not permitted: OCI permission denied": (LIMITS,),
    "crun: setrlimit `RLIMIT_NOFILE`: Operation not permitted: OCI permission denied": (LIMITS,),
    "OCI runtime error: crun: cgroups in hybrid mode not supported, drop all controllers from cgroupv2": (RUNC,),
}


@pytest.mark.parametrize("words", SEEN)
def test_what_settings_can_mend_is_mended_by_settings(words: str):
    remedy = recognise(words, BOTH)
    assert remedy.settings == SEEN[words]
    assert remedy.fix == "kesdeploy doctor --fix"
    assert remedy.undo == "kesdeploy doctor --undo"


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ('slirp4netns failed: open("/dev/net/tun"): Permission denied', "chmod 666 /dev/net/tun"),
        ("netavark: No such file or directory (os error 2)", "apt-get install -y iptables"),
        ('rootless mode with multiple IDs: exec: "newuidmap": executable file not found in $PATH',
         "apt-get install -y uidmap"),
        ('no subuid ranges found for user "alice" in /etc/subuid', "usermod --add-subuids"),
        ("write /var/lib/x: no space left on device", "podman system df"),
        ('default OCI runtime "crun" not found: invalid argument', "kesdeploy doctor --fix"),
    ],
)  # fmt: skip
def test_what_needs_the_system_is_a_command(words: str, fix: str):
    assert fix in recognise(words, BOTH).fix


def test_what_is_not_known_has_no_remedy():
    assert recognise("the moon is in the wrong place", BOTH).fix == ""


def test_with_crun_alone_runc_is_installed_first():
    alone = Machine("alice", root=False, runtimes=("crun",), open_files=1024, processes=100, manager="dnf")
    remedy = recognise("crun: cgroups in hybrid mode not supported", alone)
    assert remedy.fix == "sudo dnf install -y runc && kesdeploy doctor --fix"
    assert remedy.settings == ()


def test_a_limit_that_does_not_exist_is_not_set():
    free = Machine("alice", root=True, runtimes=("runc",), open_files=4096, processes=-1, manager="apt-get")
    (setting,) = recognise("error setting rlimit type 7: operation not permitted", free).settings
    assert setting.value == '["nofile=4096:4096"]'


def test_settings_are_containers_conf():
    import tomllib

    text = settings_text((RUNC, LIMITS))
    assert tomllib.loads(text) == {
        "engine": {"runtime": "runc"},
        "containers": {"default_ulimits": ["nofile=20000:20000", "nproc=96365:96365"]},
    }


def test_the_file_lies_where_podman_looks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert drop_in() == Path("/etc/containers/containers.conf.d/60-kesdeploy.conf")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/alice/conf")
    assert drop_in() == Path("/home/alice/conf/containers/containers.conf.d/60-kesdeploy.conf")


def test_a_service_that_runs_already_has_to_be_restarted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CONTAINERS_CONF", raising=False)
    remedy = recognise("error setting rlimit type 7", BOTH)
    assert _for_this_configuration(remedy, "local").restart == ""
    assert "/some/where" in _for_this_configuration(remedy, "unix:///some/where").restart
    monkeypatch.setattr("kesdeploy.doctor.start.own_socket", lambda: "/run/podman/podman.sock")
    monkeypatch.setattr("kesdeploy.doctor.start.here", lambda: BOTH)
    restart = _for_this_configuration(remedy, "unix:///run/podman/podman.sock").restart
    assert restart == "systemctl restart podman.service"


def test_where_containers_conf_rules_the_lines_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONTAINERS_CONF", "/my/own.conf")
    remedy = _for_this_configuration(recognise("error setting rlimit type 7", BOTH), "local")
    assert remedy.settings == ()
    assert "/my/own.conf" in remedy.fix
    assert "nofile=20000:20000" in remedy.fix


# mend

PASSED = Finding(STARTS, Verdict.PASS, "it does")
NEEDS_RUNC = Finding(STARTS, Verdict.FAIL, "crun", "fix", "undo", (RUNC,))
NEEDS_LIMITS = Finding(STARTS, Verdict.FAIL, "rlimit", "fix", "undo", (LIMITS,))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "containers.conf.d" / "60-kesdeploy.conf"


def test_one_fault_that_hides_another_is_mended_in_two_rounds(place: Path):
    rounds = iter([(NEEDS_LIMITS,), (PASSED,)])
    shown: list[Change] = []
    done = mend((NEEDS_RUNC,), allowed=lambda c: not shown.append(c), again=lambda: next(rounds), path=place)
    assert done.findings == (PASSED,)
    assert [change.text for change in done.changes] == [change.text for change in shown]
    assert "default_ulimits" not in shown[0].text
    assert 'runtime = "runc"' in shown[1].text
    assert "default_ulimits" in shown[1].text
    assert place.read_text() == shown[1].text
    assert place.stat().st_mode & 0o777 == 0o644


def test_a_machine_that_is_well_is_left_alone(place: Path):
    done = mend((PASSED,), allowed=lambda _: pytest.fail("asked"), again=lambda: pytest.fail("looked"), path=place)
    assert done.changes == ()
    assert not place.exists()


def test_it_is_safe_to_repeat(place: Path):
    mend((NEEDS_RUNC,), allowed=lambda _: True, again=lambda: (PASSED,), path=place)
    first = place.read_bytes()
    assert proposal((NEEDS_RUNC,), place) is None, "it stands there already"
    mend((PASSED,), allowed=lambda _: True, again=lambda: (PASSED,), path=place)
    assert place.read_bytes() == first


def test_what_did_not_help_is_taken_back(place: Path):
    done = mend((NEEDS_RUNC,), allowed=lambda _: True, again=lambda: (NEEDS_RUNC,), path=place)
    assert done.changes == ()
    assert done.findings == (NEEDS_RUNC,)
    assert not place.exists()
    place.parent.mkdir(exist_ok=True)
    place.write_text('[engine]\nruntime = "runc"\n')
    mend((NEEDS_LIMITS,), allowed=lambda _: True, again=lambda: (NEEDS_LIMITS,), path=place)
    assert place.read_text() == '[engine]\nruntime = "runc"\n'


def test_nothing_is_written_that_was_not_allowed(place: Path):
    done = mend((NEEDS_RUNC,), allowed=lambda _: False, again=lambda: pytest.fail("looked"), path=place)
    assert done.changes == ()
    assert not place.exists()


def test_before_a_restart_nothing_can_be_judged(place: Path):
    stale = Finding(STARTS, Verdict.FAIL, "crun", "fix", "undo", (RUNC,), "systemctl restart podman.service")
    done = mend((stale,), allowed=lambda _: True, again=lambda: pytest.fail("looked"), path=place)
    assert done.restart == "systemctl restart podman.service"
    assert len(done.changes) == 1
    assert place.exists()


def test_undo_removes_the_file_and_is_safe_to_repeat(place: Path):
    mend((NEEDS_RUNC,), allowed=lambda _: True, again=lambda: (PASSED,), path=place)
    assert undo(place) == place
    assert not place.exists()
    assert undo(place) is None


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="wants a folder that nobody can write to")
def test_a_place_that_cannot_be_written_is_one_clear_error():
    with pytest.raises(EngineError, match="cannot be written"):
        mend((NEEDS_RUNC,), allowed=lambda _: True, again=lambda: (PASSED,), path=Path("/proc/conf.d/60.conf"))


# probes


def test_no_runtime_at_all():
    none = Machine("alice", root=True, runtimes=(), open_files=1, processes=1, manager="apt-get")
    finding = examine_runtime(none)
    assert (finding.verdict, finding.fix) == (Verdict.FAIL, "apt-get install -y runc")


def test_a_clock_from_long_ago_fails():
    assert examine_clock(datetime(1970, 1, 1, tzinfo=UTC)).verdict is Verdict.FAIL
    assert examine_clock(datetime(2026, 6, 1, tzinfo=UTC)).verdict is Verdict.PASS


@pytest.mark.parametrize(("free", "verdict"), [(10**7, "FAIL"), (10**9, "WARN"), (10**11, "PASS")])
def test_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, verdict: str):
    from types import SimpleNamespace

    monkeypatch.setenv("KESDEPLOY_HOME", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=free) if place == tmp_path else None)
    assert examine_disk().verdict == verdict


def test_a_port_that_is_taken_says_by_whom():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        (finding,) = examine_ports([port])
    assert finding.verdict is Verdict.WARN
    assert str(os.getpid()) in finding.evidence
    assert examine_ports([port])[0].verdict is Verdict.PASS


def test_a_port_of_the_deployment_itself_is_right(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("kesdeploy.ports.is_free", lambda _, port: port == 1)
    monkeypatch.setattr("kesdeploy.clash.taken", lambda *_: "the deployment 'fs'")
    found = [(f.name, f.verdict) for f in examine_ports((1, 2), name="fs")]
    assert found == [("ports", Verdict.PASS), ("port 2", Verdict.PASS)]
    assert [f.verdict for f in examine_ports((1, 2), name="other")] == [Verdict.PASS, Verdict.WARN]


def test_without_root_ids_are_looked_for(monkeypatch: pytest.MonkeyPatch):
    user = Machine("nobody-of-that-name", root=False, runtimes=("runc",), open_files=1, processes=1, manager="apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr("kesdeploy.doctor.probes.find_program", lambda _: None)
    ids, maps = examine_rootless(user)
    assert ids.verdict is maps.verdict is Verdict.FAIL
    assert "usermod" in ids.fix
    assert "nobody-of-that-name" in ids.fix
    assert maps.fix == "sudo apt-get install -y uidmap"
    assert examine_rootless(BOTH) == ()


def test_limits_are_those_of_this_process():
    import resource

    assert facts.here().open_files == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_the_engine_is_the_one_asked_for_or_the_deployments(kesdeploy_home):
    from kesdeploy.checkup import Where

    assert Where().chosen() == "auto"
    assert Where("never-there").chosen() == "auto"
    home = Home.of("d")
    home.prepare()
    StateFile.open(home).update(lambda state: replace(state, engine="docker"))
    assert Where("d").chosen() == "docker"
    assert Where("d", engine="podman").chosen() == "podman"
    home.write("state.json", b"{")
    assert Where("d").chosen() == "auto"
    with pytest.raises(UsageError, match="no engine 'lxc'"):
        Where(engine="lxc").chosen()


def test_the_doctor_does_not_send_to_the_doctor(monkeypatch: pytest.MonkeyPatch):
    def silent(_: str) -> None:
        raise EngineError("Podman does not answer", hint="kesdeploy doctor")

    monkeypatch.setattr("kesdeploy.doctor.probes.open_engine", silent)
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    assert examine_engine("auto").fix == "podman info"
    monkeypatch.setenv("CONTAINER_HOST", "tcp://127.0.0.1:1")
    assert examine_engine("auto").fix == "start what CONTAINER_HOST names, or: unset CONTAINER_HOST"


def test_the_ports_of_a_deployment_and_those_beside_it(kesdeploy_home):
    from kesdeploy.checkup import Where

    assert Where().ports() == ((9000, 9001, 7373, 8200), "127.0.0.1")
    assert Where(offset=100).ports() == ((9100, 9101, 7473, 8300), "127.0.0.1")
    home = Home.of("v")
    home.prepare()
    home.spec.write_text("{name: v, keystore: {vault: {}}, network: {bind: 10.1.2.3, s3_port: 1, vault_port: 2}}")
    assert Where("v").ports() == ((1, 9001, 7373, 2), "10.1.2.3")
    with pytest.raises(UsageError, match="no deployment"):
        Where("other").ports()
