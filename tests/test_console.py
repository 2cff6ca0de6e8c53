from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
import threading

import pytest
from screen import Ascii, Tty, screen

from kesdeploy.blocks import Item, Table, Text
from kesdeploy.console import Console, NobodyReads
from kesdeploy.errors import (
    DataProtected,
    Interrupted,
    KesdeployError,
    PortTaken,
    Problem,
    ServiceError,
    SpecError,
)
from kesdeploy.result import Result, document

STATUS = Result("status", {"parts": [{"name": "kes", "state": "running"}, {"name": "vault", "state": "SEALED"}]})


def view(data):
    return [
        Text("Deployment fs", style="bold"),
        Table(("part", "state"), [(part["name"], part["state"]) for part in data["parts"]]),
        Item("ok", "an object came back"),
    ]


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def make():
    """Console, its stdout and its stderr."""

    def console(out=None, err=None, **options):
        out, err = out or io.StringIO(), err or io.StringIO()
        return Console(out, err, **options), out, err

    return console


# --- data


def test_a_view_goes_to_stdout_alone(make):
    console, out, err = make()
    assert console.show(STATUS, view) == 0
    assert out.getvalue() == textwrap.dedent("""\
        Deployment fs

        PART   STATE
        kes    running
        vault  SEALED

        ✓ an object came back
        """)
    assert err.getvalue() == ""


def test_a_view_on_a_terminal_is_coloured(make):
    console, out, _ = make(out=Tty())
    console.show(STATUS, view)
    assert "\033[1mDeployment fs\033[0m" in out.getvalue()
    assert "vault  \033[31mSEALED\033[0m" in out.getvalue()


def test_a_stream_without_unicode_gets_ascii(make):
    console, out, err = make(out=Ascii(), err=Ascii())
    console.show(STATUS, view)
    console.note("größer — é…")
    with console.step("Start KES"):
        pass
    assert out.getvalue().endswith("ok an object came back\n")
    assert err.getvalue() == "* gr\\xf6\\xdfer - \\xe9...\nok Start KES\n"


def test_a_view_may_be_text(make):
    console, out, _ = make()
    console.show(STATUS, lambda _: "export A=1")
    console.show(STATUS, lambda _: "")
    assert out.getvalue() == "export A=1\n"


def test_the_exit_code_is_the_results(make):
    console, _, _ = make()
    assert console.show(Result("verify", {}, ok=False, exit_code=7), lambda _: "") == 7


def test_problems_of_a_result_are_spoken_once(make):
    console, _, err = make()
    console.warn("open to all")
    known = Problem("warning", "open to all")
    console.show(Result("up", {}, problems=(known, Problem("x", "expires", "kesdeploy up"))), lambda _: "")
    console.show(Result("up", {}, ok=False, problems=(Problem("x", "no"),)), lambda _: "")
    assert err.getvalue() == "! open to all\n! expires\n  try: kesdeploy up\n✗ no\n"


# --- one document


def test_a_problem_that_the_view_shows_is_not_told_again_to_the_same_reader(make):
    failed = Result("verify", {}, ok=False, problems=(Problem("check", "KES: no", "try"),))
    for kind_of_out, kind_of_err, told in ((Tty, Tty, 0), (io.StringIO, io.StringIO, 0), (io.StringIO, Tty, 1)):
        console, out, err = make(out=kind_of_out(), err=kind_of_err())
        console.show(failed, lambda _: "x KES: no")
        assert out.getvalue().count("KES: no") == 1
        assert err.getvalue().count("KES: no") == told


def test_json_is_one_document_with_the_warnings(make):
    console, out, err = make(json=True)
    with console.step("Start KES"):
        console.warn("open to all")
    assert console.show(STATUS, view) == 0
    body = json.loads(out.getvalue())
    assert body == {**document(STATUS), "problems": [{"code": "warning", "message": "open to all", "hint": ""}]}
    assert err.getvalue() == "! open to all\n✓ Start KES\n"


@pytest.mark.parametrize(
    "error",
    [
        PortTaken("taken", because="by x"),
        SpecError("bad", found=(Problem("spec", "no"),)),
        KeyError(),
        KeyboardInterrupt(),
    ],
)
def test_json_of_a_failure_is_one_document(make, error):
    console, out, err = make(json=True, verbose=True)
    console.warn("first")
    code = console.fail(error, command="up")
    body = json.loads(out.getvalue())
    assert body["command"] == "up"
    assert body["ok"] is False
    assert body["problems"][-1] == {"code": "warning", "message": "first", "hint": ""}
    assert len(body["problems"]) == 2
    assert code in (1, 2, 3, 130)
    assert "error:" in err.getvalue()


def test_json_of_a_failure_after_the_result_stays_one_document(make):
    console, out, err = make(json=True)
    console.show(STATUS, view)
    assert console.fail(KeyError("late")) == 1
    assert json.loads(out.getvalue())["ok"] is True
    assert "late" in err.getvalue()


def test_json_survives_what_is_not_json(make, tmp_path):
    console, out, _ = make(json=True, out=Ascii())
    console.show(Result("x", {"path": tmp_path, "text": "é\udc80😀\033[2J"}), view)
    data = json.loads(out.getvalue())["data"]
    assert data == {"path": str(tmp_path), "text": "é\udc80😀\033[2J"}


def test_a_stream_is_one_document_a_line(make):
    console, out, _ = make(json=True)
    console.stream(document(STATUS))
    console.clear_and_show(STATUS, view)
    assert console.fail(PortTaken("taken"), command="status") == 3
    first, second, last = map(json.loads, out.getvalue().splitlines())
    assert first == second == document(STATUS)
    assert last["ok"] is False
    assert last["problems"][0]["code"] == "port-taken"


def test_a_stream_of_text_cannot_drive_the_terminal(make):
    console, out, _ = make(out=Tty())
    console.stream("kes: \033[2Jstarted")
    assert out.getvalue() == "kes: \\x1b[2Jstarted\n"


def test_watch_takes_the_place_of_the_last_one(make):
    console, out, _ = make(out=Tty())
    for _ in range(2):
        console.clear_and_show(STATUS, lambda data: [Text(data["parts"][0]["name"])])
    assert screen(out.getvalue()) == ["kes"]
    console, out, _ = make()
    for _ in range(2):
        console.clear_and_show(STATUS, lambda _: "kes")
    assert out.getvalue() == "kes\nkes\n"


# --- errors


def test_an_error_has_three_lines(make):
    console, out, err = make()
    error = PortTaken("port 9000 is taken", because="held by\nminio", hint="kesdeploy up --port-offset 10")
    assert console.fail(error) == 3
    assert err.getvalue() == (
        "error: port 9000 is taken\n  because: held by minio\n  try: kesdeploy up --port-offset 10\n"
    )
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [(DataProtected("x"), 9), (Interrupted("x"), 130), (KeyboardInterrupt(), 130), (ValueError("x"), 1)],
)
def test_every_error_has_its_exit_code_and_no_traceback(make, error, code):
    console, _, err = make()
    with pytest.raises(type(error)) as caught:
        raise error
    assert console.fail(caught.value) == code
    assert "Traceback" not in err.getvalue()
    assert "File " not in err.getvalue()
    assert len(err.getvalue().splitlines()) <= 3


def test_verbose_says_where_without_secrets(make):
    console, _, err = make(verbose=True)

    def login(token):
        try:
            int(f"token {token}")
        except ValueError as error:
            raise ServiceError("KES refused", because=f"token {token}") from error

    console.hide("s3cr3t-token")
    with pytest.raises(ServiceError) as caught:
        login("s3cr3t-token")
    console.fail(caught.value)
    assert "in login" in err.getvalue()
    assert "ValueError: invalid literal for int() with base 10: 'token REDACTED'" in err.getvalue()
    assert "because: token REDACTED" in err.getvalue()
    assert "token s3cr3t-token" not in err.getvalue()


def test_an_error_cannot_drive_the_terminal(make):
    console, _, err = make(err=Tty())
    console.fail(ServiceError("KES refused", because="\033]0;owned\007 \033[2J"))
    assert "\033[2J" not in err.getvalue()
    assert "\033]" not in err.getvalue()


# --- secrets


def test_no_way_of_printing_shows_a_hidden_secret(make):
    secret = 'pass"word\\1'
    for as_json in (False, True):
        console, out, err = make(json=as_json, verbose=True)
        console.hide(secret)
        with pytest.raises(KesdeployError), console.step(f"step {secret}"):
            raise KesdeployError("x")
        console.note(secret)
        console.warn(secret)
        console.tell([Text(secret), Table((secret,), [(secret,)])])
        console.stream(secret if not as_json else {"data": secret})
        console.clear_and_show(Result("x", {"parts": [], secret: secret}, problems=(Problem("x", secret),)), str)
        console.show(Result("x", {secret: [secret]}, problems=(Problem("x", secret, secret),)), str)
        console.fail(ServiceError(secret, because=secret, hint=secret))
        console.fail(ValueError(secret))
        everything = out.getvalue() + err.getvalue()
        assert "pass" not in everything
        assert everything.count("REDACTED") > 12


def test_a_secret_is_hidden_before_a_column_breaks_it(make):
    console, out, _ = make(out=Tty(), secrets=["alpha-beta-gamma-delta"])
    console.show(
        Result("x", {"a": "alpha-beta-gamma-delta " * 9}), lambda data: [Table(("k", "v"), [("a", data["a"])])]
    )
    assert "alpha" not in out.getvalue()


@pytest.mark.parametrize("as_json", [False, True])
def test_what_was_asked_for_is_shown(make, as_json):
    console, out, _ = make(json=as_json, secrets=["hunter22"])
    console.show(Result("env", {"key": "hunter22"}), lambda data: f"export K={data['key']}", reveal=True)
    assert "hunter22" in out.getvalue()


# --- talk


def test_quiet_keeps_warnings_and_errors(make):
    console, _, err = make(quiet=True)
    with console.step("Start KES"):
        console.note("n")
        console.warn("w")
    console.fail(KesdeployError("e"))
    assert err.getvalue() == "! w\nerror: e\n"


def test_warnings_are_collected_from_all_threads(make):
    console, out, err = make(json=True)
    threads = [threading.Thread(target=console.warn, args=(f"w{n}",)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    console.show(Result("x", {}), str)
    told = [problem["message"] for problem in json.loads(out.getvalue())["problems"]]
    assert sorted(told) == sorted(f"w{n}" for n in range(50))
    assert len(err.getvalue().splitlines()) == 50


def test_a_title_of_two_lines_is_one_line(make):
    console, _, err = make(err=Tty())
    with console.step("Start\n KES"):
        assert len(screen(err.getvalue())) == 1
    assert screen(err.getvalue()) == ["✓ Start KES"]


def test_data_and_running_steps_share_a_terminal(make):
    both = Tty()
    console, _, _ = make(out=both, err=both)
    with console.step("Start KES"):
        console.stream("a line of the log")
    assert screen(both.getvalue()) == ["a line of the log", "✓ Start KES"]


@pytest.mark.parametrize(("stream", "as_json"), [(io.StringIO, False), (Tty, True)])
def test_nobody_is_asked_without_a_terminal_or_with_json(make, stream, as_json):
    console, _, _ = make(err=stream(), json=as_json)
    assert not console.interactive


# --- readers that go away

PROGRAM = """
import sys
from kesdeploy.console import Console
from kesdeploy.result import Result, document
console = Console(json=%s)
try:
    for n in range(100_000):
        %s
except BaseException as error:
    sys.exit(console.fail(error))
sys.exit(console.show(Result("x", {"n": "z" * 200_000}), lambda data: data["n"]))
"""


@pytest.mark.parametrize(
    ("as_json", "body"),
    [
        (False, "console.stream('a line')"),
        (True, "console.stream(document(Result('x')))"),
        (False, "break"),
        (True, "break"),
    ],
)
def test_a_broken_pipe_ends_quietly(monkeypatch, as_json, body):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # with it nothing would be left to flush at exit
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM % (as_json, body)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    program.stdout.readline() if body != "break" else program.stdout.read(10)
    program.stdout.close()
    assert program.stderr.read() == b""
    program.stderr.close()
    assert program.wait(20) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_a_full_disk_is_an_error_of_its_own():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM % (False, "console.stream('a line')")],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the output\n  because: No space left on device\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_closed_streams_are_no_reason_to_crash(as_json):
    script = f"{sys.executable} -c '{PROGRAM % (as_json, 'break')}' >&- 2>&-"
    assert subprocess.run(["sh", "-c", script], check=False).returncode == 0


def test_the_end_of_a_reader_is_no_error(make):
    console, out, err = make(json=True)
    assert console.fail(NobodyReads("x")) == 0
    assert out.getvalue() + err.getvalue() == ""


def test_talking_imports_nothing_heavy():
    program = "import sys; from kesdeploy.console import Console; c = Console()\nwith c.step('x'): c.note('y')\n"
    program += "print(sorted({'rich', 'typer', 'click', 'pydantic', 'yaml', 'podman', 'json'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("[]", "['json']")
