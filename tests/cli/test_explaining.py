"""explain: from an argument or a pipe, for people and for programs."""

from __future__ import annotations

import json

import pytest
from commands import document, run, run_here

UNKNOWN = "x509: certificate signed by unknown authority"


def test_a_text_as_one_word_or_several(kesdeploy):
    one, several = kesdeploy("explain", UNKNOWN), kesdeploy("explain", *UNKNOWN.split())
    assert one.stdout == several.stdout
    lines = one.stdout.splitlines()
    assert lines[0] == f"! TLS and the system: {UNKNOWN}"
    assert [line.split("  ")[0] for line in lines[2:]] == ["means", "to be sure", "try", "source"]


def test_commands_are_about_the_deployment_that_is_named(kesdeploy):
    assert "kesdeploy certs trust -n prod" in kesdeploy("explain", "-n", "prod", UNKNOWN).stdout


def test_a_pipe(tmp_path):
    log = f"fine\n{UNKNOWN}\nError: kesconf: no keystore specified\n{UNKNOWN}\n"
    found = document(run_here("explain", "--json", home=tmp_path, stdin=log))["data"]
    assert [(a["id"], a["lines"]) for a in found["answers"]] == [("kes-no-keystore", 1), ("tls-unknown-authority", 2)]
    assert (found["read"], found["try"]) == (4, [])
    assert "(2 times)" in run_here("explain", "-", home=tmp_path, stdin=log).stdout


def test_a_pipe_of_any_bytes(tmp_path):
    import subprocess
    import sys

    from commands import ROOT

    done = subprocess.run(
        [sys.executable, "-m", "kesdeploy", "explain"],
        input=b"\xff\xfe\x00 kesconf: no keystore specified\r\n" + b"\x80" * 5000,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done
    assert b"kesconf: no keystore specified" in done.stdout


def test_of_a_long_pipe_the_end_counts(tmp_path, monkeypatch):
    monkeypatch.setattr("kesdeploy.cli.explaining.MOST_LINES", 2)
    log = f"{UNKNOWN}\nkesconf: no keystore specified\nthe end\n"
    found = document(run_here("explain", "--json", home=tmp_path, stdin=log))["data"]
    assert [answer["id"] for answer in found["answers"]] == ["kes-no-keystore"]


def test_what_is_not_known_is_said_and_no_error(kesdeploy, ask):
    done = kesdeploy("explain", "the moon is in the wrong place")
    assert done.stdout.startswith("• Nothing in this text is known to kesdeploy.\n")
    assert "kesdeploy doctor  " in done.stdout
    data = ask("explain", "-n", "prod", "the moon")["data"]
    assert data["answers"] == []
    assert [look["command"] for look in data["try"]] == [f"kesdeploy {c} -n prod" for c in ("doctor", "verify", "logs")]


def test_one_by_its_name(kesdeploy):
    assert kesdeploy("explain", "kes-no-config").stdout.startswith("! KES: Error: open : no such file or directory\n")


@pytest.mark.parametrize("nothing", ["", " \n\n"])
def test_an_empty_pipe_is_a_slip(tmp_path, nothing):
    done = run_here("explain", home=tmp_path, stdin=nothing)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no text to explain\n  try: kesdeploy explain ")


def test_on_a_terminal_all_that_is_known_is_listed(kesdeploy, monkeypatch):
    monkeypatch.setattr("kesdeploy.cli.explaining._nobody_pipes", lambda words: not words)
    listed = kesdeploy("explain").stdout
    assert "kes-no-config" in listed
    assert "podman logs CONTAINER 2>&1 | kesdeploy explain" in listed
    assert kesdeploy("explain", "-", expect=2)


def test_no_secret_comes_back(tmp_path):
    said = "MINIO_ROOT_PASSWORD=hunter2hunter2 key does not exist kes:v1:AOJ22p6+12mmxd+S96RMZyYpldvRCLWBPEdfphrjc8BS\n"
    for flags in ((), ("--json",), ("-v",)):
        done = run_here("explain", *flags, home=tmp_path, stdin=said)
        assert "REDACTED" in done.stdout
        assert "hunter2" not in done.stdout + done.stderr
        assert "AOJ22p6" not in done.stdout + done.stderr


def test_it_needs_no_engine_and_no_deployment():
    done = run("explain", UNKNOWN, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["data"]["answers"][0]["id"] == "tls-unknown-authority"
