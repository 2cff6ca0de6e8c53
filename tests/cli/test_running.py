"""The one way out: what each outcome prints, and the exit code that scripts rely on."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import pytest
import typer

import kesdeploy.errors as tree
from kesdeploy.cli.running import run
from kesdeploy.console import NobodyReads
from kesdeploy.errors import KesdeployError, Problem, SpecError
from kesdeploy.result import Result

CODES = {
    tree.KesdeployError: 1,
    tree.UsageError: 2,
    tree.EngineError: 3,
    tree.PortTaken: 3,
    tree.ImageError: 4,
    tree.CertificateError: 5,
    tree.ServiceError: 6,
    tree.Unhealthy: 7,
    tree.StateError: 8,
    tree.Locked: 8,
    tree.DataProtected: 9,
    tree.Interrupted: 130,
}


@pytest.fixture(autouse=True)
def _signals():
    known = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    yield
    for number, handler in known.items():
        signal.signal(number, handler)


def _text(data) -> str:
    return f"text {data}"


def _code(work, **flags) -> int:
    """What the shell gets."""
    with pytest.raises(typer.Exit) as ended:
        run("verify", work, _text, **flags)
    return ended.value.exit_code


def _raising(error: BaseException):
    def work(_):
        raise error

    return work


def test_a_result_is_shown_and_its_code_is_the_exit_code(capsys):
    problems = (Problem("check", "object: in the clear", "kesdeploy logs"),)
    assert _code(lambda _: Result("verify", {"a": 1})) == 0
    assert capsys.readouterr() == ("text {'a': 1}\n", "")
    assert _code(lambda _: Result("verify", {}, ok=False, problems=problems, exit_code=7)) == 7
    out, err = capsys.readouterr()
    assert out == "text {}\n"
    assert err == "✗ object: in the clear\n  try: kesdeploy logs\n"


def test_a_result_as_a_document_and_nothing_beside_it(capsys):
    problems = (Problem("check", "no", "try"),)
    assert _code(lambda _: Result("verify", {"a": 1}, ok=False, problems=problems, exit_code=7), json=True) == 7
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "schema": 1,
        "command": "verify",
        "ok": False,
        "data": {"a": 1},
        "problems": [{"code": "check", "message": "no", "hint": "try"}],
    }
    assert err == ""


def test_a_command_that_streamed_shows_nothing_more(capsys):
    assert _code(lambda _: None) == 0
    assert _code(lambda _: None, json=True) == 0
    assert capsys.readouterr() == ("", "")


def test_a_secret_is_shown_only_where_it_is_what_was_asked_for(capsys):
    def work(console):
        console.hide("correct-horse")
        return Result("env", {"password": "correct-horse"})

    _code(work)
    assert "correct-horse" not in capsys.readouterr().out
    _code(work, reveal=True)
    assert "correct-horse" in capsys.readouterr().out


# --- errors


def test_every_error_of_the_tree_has_a_code():
    ours = {e for e in vars(tree).values() if isinstance(e, type) and issubclass(e, KesdeployError)}
    assert ours == CODES.keys() | {SpecError}


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_an_error_has_its_code_and_three_lines(capsys, kind):
    assert _code(_raising(kind("what", because="cause", hint="kesdeploy plan"))) == CODES[kind]
    assert capsys.readouterr() == ("", "error: what\n  because: cause\n  try: kesdeploy plan\n")


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_an_error_as_a_document_names_command_code_and_hint(capsys, kind):
    assert _code(_raising(kind("what", because="cause", hint="kesdeploy plan")), json=True) == CODES[kind]
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["command"], found["ok"], found["data"]) == ("verify", False, {})
    assert found["problems"] == [{"code": kind.code, "message": "what: cause", "hint": "kesdeploy plan"}]
    assert err.startswith("error: what\n"), "people who watch the log see it too"


def test_every_problem_of_a_spec_has_its_line_and_its_entry(capsys):
    found = (Problem("spec", "name: required", "give one"), Problem("spec", "minio.drives: 99 is too many"))
    error = SpecError("the spec has 2 problems", found=found, hint="kesdeploy schema")
    assert _code(_raising(error), json=True) == 2
    out, err = capsys.readouterr()
    assert [p["message"] for p in json.loads(out)["problems"]] == ["name: required", "minio.drives: 99 is too many"]
    assert err.splitlines() == [
        "error: the spec has 2 problems",
        "  name: required (give one)",
        "  minio.drives: 99 is too many",
        "  try: kesdeploy schema",
    ]


def test_a_mistake_of_ours_is_1_and_no_traceback_unless_asked_for(capsys):
    def work(_):
        return {}["missing"]

    assert _code(work) == 1
    short = capsys.readouterr().err
    assert short.startswith("error: kesdeploy made a mistake\n  because: KeyError: 'missing'\n")
    assert ".py" not in short
    assert _code(work, verbose=True) == 1
    assert "test_running.py" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), EOFError()])
def test_ctrl_c_and_ctrl_d_are_130(capsys, error):
    assert _code(_raising(error)) == 130
    assert capsys.readouterr().err.startswith("error: interrupted\n  try: ")


def test_a_reader_that_went_away_is_no_error(capsys):
    assert _code(_raising(NobodyReads("nobody reads"))) == 0
    assert capsys.readouterr() == ("", "")


def test_a_tool_keeps_its_own_exit_code(capsys):
    assert _code(_raising(typer.Exit(42))) == 42
    with pytest.raises(SystemExit) as ended:
        run("mc", _raising(SystemExit(3)), _text)
    assert ended.value.code == 3
    assert capsys.readouterr() == ("", "")


def test_a_view_that_refuses_is_an_error_like_any_other(capsys):
    def view(_):
        raise tree.UsageError("no shell 'tcsh'", hint="--shell sh")

    with pytest.raises(typer.Exit) as ended:
        run("env", lambda _: Result("env", {}), view)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "error: no shell 'tcsh'\n  try: --shell sh\n"


# --- signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_polite_kill_end_alike_and_let_go_of_everything(capsys, number):
    let_go = []

    def work(_):
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            let_go.append(True)

    assert _code(work) == 130
    assert let_go == [True]
    assert "Traceback" not in capsys.readouterr().err


def test_a_second_ctrl_c_does_not_spoil_the_last_words():
    _code(_raising(tree.EngineError("no")))
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_an_import_is_not_torn_apart(tmp_path, monkeypatch):
    """Half an import leaves a lock that other threads wait for, for ever: it is let finish, and then comes the end."""
    (tmp_path / "slow_to_import.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.05)\nWHOLE = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def work(_):
        import slow_to_import  # noqa: F401

        time.sleep(5)

    began = time.monotonic()
    assert _code(work) == 130
    assert time.monotonic() - began < 3, "the interrupt came, only later"
    assert sys.modules.pop("slow_to_import").WHOLE
