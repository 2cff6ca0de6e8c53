"""`doctor --fix` and `--undo` in a root of their own: a made-up systemctl, a journal, a drop-in."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from commands import Done, run_here

from kesdeploy.doctor import Finding, Setting, Step, Verdict, take, take_back
from kesdeploy.doctor.steps import journal
from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

ON = Step(("manager", "enable", "socket"), ("manager", "disable", "socket"))
LINGER = Step(("manager", "enable", "linger"), ("manager", "disable", "linger"))
BROKEN = Step(("manager", "enable", "broken"), ("manager", "disable", "broken"))


def _needs(*steps: Step, verdict: Verdict = Verdict.WARN) -> Finding:
    return Finding("x", verdict, "off", steps=steps)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that keeps what it turned on as files, and fails for `broken`."""
    program = tmp_path / "bin" / "manager"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ "$2" = broken ] && {{ echo "no such unit" >&2; exit 5; }}\n'
        f'case $1 in enable) : >"{tmp_path}/$2.on";; *) rm -f "{tmp_path}/$2.on";; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def _on(root: Path) -> list[str]:
    return sorted(path.stem for path in root.glob("*.on"))


def test_what_is_taken_is_written_down_and_taken_back_in_reverse(root):
    assert take([_needs(ON), _needs(LINGER)], allowed=lambda _: True) == (ON, LINGER)
    assert _on(root) == ["linger", "socket"]
    assert [entry["do"] for entry in json.loads(journal().read_text())] == [list(ON.do), list(LINGER.do)]
    assert take_back() == (LINGER, ON)
    assert (_on(root), journal().exists()) == ([], False)
    assert take_back() == ()


def test_what_was_not_allowed_or_passes_is_not_run(root):
    assert take([_needs(ON)], allowed=lambda _: False) == ()
    assert take([_needs(ON, verdict=Verdict.PASS)], allowed=lambda _: pytest.fail("asked")) == ()
    assert (_on(root), journal().exists()) == ([], False)


def test_the_same_step_of_two_findings_is_asked_for_once(root):
    asked = []
    take([_needs(ON), _needs(ON)], allowed=lambda step: not asked.append(step))
    take([_needs(ON)], allowed=lambda _: True)
    assert asked == [ON]
    assert len(json.loads(journal().read_text())) == 1


def test_a_step_that_fails_says_why_and_can_be_taken_back(root):
    with pytest.raises(EngineError, match="manager enable broken failed") as raised:
        take([_needs(ON, BROKEN)], allowed=lambda _: True)
    assert raised.value.because == "no such unit"
    assert raised.value.hint.endswith("manager disable broken")
    with pytest.raises(EngineError, match="manager disable broken failed"):
        take_back()
    assert [entry["do"][2] for entry in json.loads(journal().read_text())] == ["socket", "broken"], (
        "nothing is forgotten"
    )


def test_a_program_that_is_not_there(root):
    with pytest.raises(EngineError, match="no-such-program"):
        take([_needs(Step(("no-such-program",), ("true",)))], allowed=lambda _: True)


def test_a_journal_that_nobody_can_read_is_named(root):
    journal().parent.mkdir(parents=True)
    journal().write_text("[{}]")
    with pytest.raises(EngineError, match=r"doctor\.json cannot be read"):
        take_back()


# --- the command


RUNC = Setting("engine", "runtime", '"runc"')


@pytest.fixture
def doctor(root, monkeypatch):
    """The command on a machine where these findings are true until they are fixed."""

    def examine(*_: object, **__: object) -> tuple[Finding, ...]:
        starts = Finding("a container starts", Verdict.FAIL, "crun", "kesdeploy doctor --fix", settings=(RUNC,))
        if (root / "60-kesdeploy.conf").exists():
            starts = Finding("a container starts", Verdict.PASS, "runc")
        socket = Verdict.PASS if "socket" in _on(root) else Verdict.WARN
        return (starts, Finding("socket", socket, "off", "manager enable socket", steps=(ON,)))

    monkeypatch.setattr("kesdeploy.doctor.examine", examine)
    # The package calls a function as the module is called.
    monkeypatch.setattr(sys.modules["kesdeploy.doctor.mend"], "drop_in", lambda: root / "60-kesdeploy.conf")

    def call(*arguments: str, expect: int = 0) -> Done:
        done = run_here("doctor", *arguments, home=root)
        assert done.returncode == expect, done
        return done

    return call


def test_the_command_shows_what_it_does_and_takes_it_back(doctor, root):
    assert "kesdeploy doctor --fix" in doctor(expect=7).stdout
    done = doctor("--fix", "--yes")
    assert '  runtime = "runc"' in done.stderr
    assert "this would be run: manager enable socket" in done.stderr
    assert done.stdout.splitlines()[-2:] == [f"• wrote {root}/60-kesdeploy.conf", "• ran manager enable socket"]
    assert doctor("--fix", "--yes").stdout.count("•") == 0, "it is safe to repeat"
    undone = doctor("--undo").stdout.splitlines()
    assert undone == [f"• removed {root}/60-kesdeploy.conf", "• ran manager disable socket"]
    assert (_on(root), (root / "60-kesdeploy.conf").exists()) == ([], False)
    assert doctor("--undo").stdout == "• there was nothing to take back\n"
    doctor(expect=7)


def test_nobody_to_ask_means_nothing_is_done(doctor, root):
    doctor("--fix", expect=7)
    assert (_on(root), (root / "60-kesdeploy.conf").exists(), journal().exists()) == ([], False, False)


def test_the_document_holds_every_finding_and_what_was_done(doctor):
    found = json.loads(doctor("--fix", "--yes", "--json").stdout)
    assert found["ok"] is True
    keys = {"name", "verdict", "evidence", "fix", "undo", "settings", "restart", "steps"}
    assert [set(finding) for finding in found["data"]["findings"]] == [keys, keys]
    assert len(found["data"]["done"]) == 2
