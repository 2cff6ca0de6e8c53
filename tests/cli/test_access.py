"""env, mc, kes: what a shell and the tools are given, and that secrets come out nowhere else."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from commands import run_here

from kesdeploy import toolbox
from kesdeploy.errors import ImageError, Unhealthy
from kesdeploy.home import Home


def _exported(text: str) -> dict[str, str]:
    """What `eval` of these lines would set; every line is an export."""
    words = [shlex.split(line) for line in text.splitlines()]
    assert all(len(line) == 2 and line[0] == "export" for line in words)
    return dict(line[1].split("=", 1) for line in words)


# --- env


def test_env_is_nothing_but_exports_and_means_what_json_says(up, kesdeploy, ask):
    done = kesdeploy("env")
    found = _exported(done.stdout)
    assert done.stderr == ""
    assert found["AWS_SECRET_ACCESS_KEY"] == up.home.read_secret("root-password")
    assert found["KES_API_KEY"].startswith("kes:v1:")
    assert ask("env")["data"]["variables"] == found
    assert json.loads(kesdeploy("env", "--shell", "json").stdout) == found


def test_the_browsers_login_alone(up, kesdeploy):
    assert _exported(kesdeploy("env", "--only", "console").stdout) == {
        "MINIO_ROOT_USER": up.home.read_secret("root-user"),
        "MINIO_ROOT_PASSWORD": up.home.read_secret("root-password"),
    }


def test_the_kes_cli_is_given_roots_only_when_asked(up, kesdeploy):
    assert "SSL_CERT_FILE" not in _exported(kesdeploy("env").stdout)
    bundle = _exported(kesdeploy("env", "--kes").stdout)["SSL_CERT_FILE"]
    assert up.home.ca_cert.read_text() in Path(bundle).read_text()


@pytest.mark.parametrize("flags", [("--shell", "tcsh"), ("--only", "everything")])
@pytest.mark.parametrize("json_", [(), ("--json",)])
def test_what_env_does_not_know_is_2_and_prints_no_secret(up, kesdeploy, flags, json_):
    done = kesdeploy("env", *flags, *json_, expect=2)
    assert flags[1] in done.stderr
    assert up.home.read_secret("root-password") not in done.stdout + done.stderr


def test_env_before_the_first_up_and_of_nobody(here, kesdeploy, ask):
    assert kesdeploy("env", expect=2).stdout == "", "eval of it does nothing"
    assert ask("env", "-n", "nobody", expect=2)["problems"][0]["hint"] == "kesdeploy list"


def test_env_needs_no_engine(up, kesdeploy, monkeypatch):
    def none(*_):
        raise AssertionError("asked for")

    monkeypatch.setattr("kesdeploy.opening.open_engine", none)
    assert _exported(kesdeploy("env").stdout)


# --- mc, kes


@pytest.fixture
def tools(monkeypatch):
    """What the tools were called with; the code that they end with."""
    calls: list[tuple] = []

    def run_tool(tool, wish, arguments, _report):
        calls.append((tool, wish.name, list(arguments)))
        return 42

    monkeypatch.setattr(toolbox, "run_tool", run_tool)
    return calls


@pytest.mark.parametrize("tool", ["mc", "kes"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([], ["ls", "this"]),
        ([], ["ls", "--json", "-n", "x"]),
        (["-n", "fs"], ["ls", "--help"]),
        (["--"], ["-n", "ls"]),
        ([], ["cp", "a b", "this/größe", "--attr", "k=v"]),
        ([], []),
    ],
)
def test_everything_behind_the_tools_name_is_the_tools(tools, kesdeploy, tool, ours, theirs):
    done = kesdeploy(tool, *ours, *theirs, expect=42)
    assert tools == [(tool, "fs" if "fs" in ours else "", theirs)]
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("tool", ["mc", "kes"])
def test_a_name_behind_the_tools_words_is_told_where_it_belongs(tools, kesdeploy, tool):
    for name in ("one", "two"):
        Home.of(name).prepare()
    done = kesdeploy(tool, "cp", "a b", "this/x", "-n", "two", expect=2)
    assert done.stderr.splitlines()[-1] == f"  try: -n before it: kesdeploy {tool} -n two cp 'a b' this/x"
    assert not tools


@pytest.mark.parametrize(("error", "code"), [(ImageError, 4), (Unhealthy, 7)])
def test_what_keeps_a_tool_from_running_is_said_with_our_code(up, monkeypatch, tmp_path, error, code):
    def refuse(*_):
        raise error("no", hint="kesdeploy up")

    monkeypatch.setattr(toolbox, "run_tool", refuse)
    done = run_here("mc", "ls", home=tmp_path)
    assert (done.returncode, done.stderr) == (code, "error: no\n  try: kesdeploy up\n")


def test_the_sandbox_has_no_tools_and_says_what_to_type_instead(here, kesdeploy):
    kesdeploy("up", "--kms", "fs", "--images", "sandbox")
    refused = kesdeploy("mc", "ls", expect=4)
    assert refused.stderr.startswith("error: the sandbox has no mc\n  try: ")
