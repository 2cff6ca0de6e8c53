"""autostart as it is typed; `systemctl` and `loginctl` are programs that write down what they were asked."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from kesdeploy import boot
from kesdeploy.boot import systemd

_PROGRAM = """#!/bin/sh
echo "${0##*/} $*" >> "$ASKED"
case " $* " in *" $REFUSED "*) echo "Access denied" >&2; exit 1;; esac
case " $* " in
*" enable "*) mkdir -p "$UNITS/$WANTS"; ln -sf "$UNITS/kesdeploy-fs.service" "$UNITS/$WANTS/kesdeploy-fs.service";;
*" show "*) echo "ActiveState=$STATE";;
*" enable-linger "*) touch "$LINGER/$USER";;
esac
"""


class Machine:
    """One that systemd booted."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, *, user: bool) -> None:
        self.root, self._patch = root, monkeypatch
        self.units, self.asked = root / "units", root / "asked"
        for folder in ("bin", "booted", "linger", "units"):
            (root / folder).mkdir()
        for name in ("systemctl", "loginctl"):
            program = root / "bin" / name
            program.write_text(_PROGRAM)
            program.chmod(0o755)
        place = boot.Place(user, self.units, ("/opt/kesdeploy",), {"PATH": "/usr/bin"})
        monkeypatch.setattr(boot, "here", lambda: place)
        monkeypatch.setattr(systemd, "BOOTED", root / "booted")
        monkeypatch.setattr(systemd, "LINGER", root / "linger")
        monkeypatch.setattr(systemd.getpass, "getuser", lambda: "me")
        self.set(
            PATH=f"{root}/bin:{os.environ['PATH']}",
            ASKED=str(self.asked),
            UNITS=str(self.units),
            WANTS="default.target.wants" if user else "multi-user.target.wants",
            LINGER=str(root / "linger"),
            USER="me",
            STATE="active",
            REFUSED="nothing",
        )

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._patch.setenv(name, value)

    @property
    def calls(self) -> list[str]:
        return self.asked.read_text().splitlines() if self.asked.exists() else []

    @property
    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.units)) for path in self.units.rglob("*") if not path.is_dir())


@pytest.fixture
def system(up, tmp_path, monkeypatch) -> Machine:
    (tmp_path / "machine").mkdir()
    return Machine(tmp_path / "machine", monkeypatch, user=False)


@pytest.fixture
def user(up, tmp_path, monkeypatch) -> Machine:
    (tmp_path / "machine").mkdir()
    return Machine(tmp_path / "machine", monkeypatch, user=True)


def test_enable_writes_enables_and_runs_it_once(system, ask):
    found = ask("autostart", "enable")["data"]
    assert system.calls[:3] == [
        "systemctl daemon-reload",
        "systemctl enable kesdeploy-fs.service",
        "systemctl start kesdeploy-fs.service",
    ]
    assert found["unit"] == str(system.units / "kesdeploy-fs.service")
    assert (found["enabled"], found["scope"], found["active"]) == (True, "system", "active")
    assert ask("autostart", "status")["data"] == found
    assert "ExecStart=/opt/kesdeploy start -n fs " in Path(found["unit"]).read_text()


def test_a_users_own_unit_lingers(user, ask):
    found = ask("autostart", "enable")["data"]
    assert (found["scope"], found["lingers"]) == ("user", True)
    assert "loginctl enable-linger" in user.calls
    assert all(call.startswith(("systemctl --user ", "loginctl ")) for call in user.calls)


def test_a_user_who_may_not_linger_is_told_who_may(user, ask):
    user.set(REFUSED="enable-linger")
    problem = ask("autostart", "enable", expect=3)["problems"][0]
    assert "at boot" in problem["message"]
    assert "Access denied" in problem["message"]
    assert problem["hint"] == "sudo loginctl enable-linger me"
    assert user.files == []


@pytest.mark.parametrize("refused", ["daemon-reload", "enable"])
def test_what_systemd_refuses_leaves_nothing(system, ask, refused):
    system.set(REFUSED=refused)
    problem = ask("autostart", "enable", expect=3)["problems"][0]
    assert "Access denied" in problem["message"]
    assert system.files == []


def test_a_unit_that_fails_stays_and_its_journal_is_named(system, ask):
    system.set(REFUSED="start")
    problem = ask("autostart", "enable", expect=3)["problems"][0]
    assert problem["hint"] == "journalctl -u kesdeploy-fs.service -n 30"
    assert len(system.files) == 2


def test_disable_takes_it_away_and_stops_nothing(system, ask, here):
    ask("autostart", "enable")
    assert ask("autostart", "disable")["data"]["removed"] is True
    assert system.files == []
    assert not any(" stop " in call for call in system.calls)
    assert all(container.running for container in here.engine.containers({}))
    again = ask("autostart", "disable")["data"]
    assert (again["removed"], again["enabled"]) == (False, False)


def test_destroy_takes_it_away_and_down_does_not(system, ask):
    ask("autostart", "enable")
    ask("down")
    assert len(system.files) == 2
    assert str(system.units / "kesdeploy-fs.service") in ask("destroy", "--yes")["data"]["removed"]
    assert system.files == []


def test_a_unit_of_another_folder_is_never_touched(system, ask):
    theirs = system.units / "kesdeploy-fs.service"
    theirs.write_text("# Deployment: /home/other/minio-kes-fs\n")
    problem = ask("autostart", "enable", expect=9)["problems"][0]
    assert "/home/other/minio-kes-fs" in problem["message"]
    assert ask("autostart", "disable")["data"]["removed"] is False
    assert "another deployment" in ask("autostart", "status", expect=7)["problems"][0]["message"]
    ask("destroy", "--yes")
    assert theirs.read_text() == "# Deployment: /home/other/minio-kes-fs\n"


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda m: (m.units / "kesdeploy-fs.service").open("a").write("x"), "not what this kesdeploy would write"),
        (lambda m: (m.units / "default.target.wants/kesdeploy-fs.service").unlink(), "does not start it at boot"),
        (lambda m: (m.root / "linger" / "me").unlink(), "you do not linger"),
        (lambda m: m.set(STATE="failed"), "journalctl --user-unit kesdeploy-fs.service"),
        (lambda m: (m.root / "booted").rmdir(), "systemd does not run here"),
    ],
)
def test_status_tells_what_would_not_work(user, ask, broken, told):
    ask("autostart", "enable")
    broken(user)
    problem = ask("autostart", "status", expect=7)["problems"][0]
    assert told in problem["message"]
    assert problem["hint"] == "kesdeploy autostart enable -n fs"


def test_not_enabled_is_no_problem(system, ask, kesdeploy):
    assert ask("autostart", "status")["data"]["enabled"] is False
    assert "does not start at boot" in kesdeploy("autostart", "status").stdout


def test_without_systemd_it_says_what_else_there_is(system, ask):
    (system.root / "booted").rmdir()
    problem = ask("autostart", "enable", expect=2)["problems"][0]
    assert "systemd does not run" in problem["message"]
    assert "@reboot KESDEPLOY_HOME=" in problem["hint"]
    assert problem["hint"].endswith("/opt/kesdeploy start -n fs")
    assert "PATH=/" not in problem["hint"], "cron's own is long enough"


def test_a_line_for_cron_leads_to_the_same_engine(system, ask, monkeypatch):
    (system.root / "booted").rmdir()
    place = replace(boot.here(), environment={"DOCKER_HOST": "unix:///run/my docker.sock?a%20b"})
    monkeypatch.setattr(boot, "here", lambda: place)
    hint = ask("autostart", "enable", expect=2)["problems"][0]["hint"]
    assert r"DOCKER_HOST='unix:///run/my docker.sock?a\%20b'" in hint
    assert system.files == []


def test_a_dry_run_shows_it_anywhere(system, ask, kesdeploy):
    (system.root / "booted").rmdir()
    found = ask("autostart", "enable", "--dry-run")["data"]
    assert "ExecStart=/opt/kesdeploy start -n fs --timeout 5m" in found["text"]
    assert found["commands"] == ["systemctl daemon-reload", "systemctl enable --now kesdeploy-fs.service"]
    assert "ExecStart=" in kesdeploy("autostart", "enable", "--dry-run").stdout
    assert (system.files, system.calls) == ([], [])


def test_nothing_to_start(here, kesdeploy):
    assert "no deployment" in kesdeploy("autostart", "enable", expect=2).stderr
