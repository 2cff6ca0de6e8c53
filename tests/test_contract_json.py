"""The contract of `--json` and of the exit codes, as a program sees it: one document, always."""

from __future__ import annotations

import pytest
from commands import Done, document, run, run_here

import kesdeploy.errors as tree
from kesdeploy.result import SCHEMA

SECRET = "correct-horse-battery"


def checked(done: Done, command: str, code: int) -> dict:
    found = document(done)
    assert list(found) == ["schema", "command", "ok", "data", "problems"]
    assert (found["schema"], found["command"]) == (SCHEMA, command)
    assert found["ok"] is (code == 0)
    assert isinstance(found["data"], dict)
    assert all(set(problem) == {"code", "message", "hint"} for problem in found["problems"])
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    return found


@pytest.mark.parametrize("command", ["status", "verify", "logs", "start", "stop", "down", "env"])
def test_no_deployment_at_all(tmp_path, command):
    found = checked(run(command, "--json", home=tmp_path), command, 2)
    assert found["problems"][0]["hint"] == "kesdeploy up --kms fs"


@pytest.mark.parametrize("command", ["status", "verify", "logs", "start", "stop", "env"])
def test_no_such_deployment(tmp_path, command):
    found = checked(run(command, "-n", "nobody", "--json", home=tmp_path), command, 2)
    assert found["problems"][0]["code"] == "usage"
    assert "nobody" in found["problems"][0]["message"]


@pytest.mark.parametrize("command", ["list", "schema"])
def test_what_needs_no_engine(tmp_path, command):
    assert checked(run(command, "--json", home=tmp_path), command, 0)["problems"] == []


def test_init_writes_a_spec_and_says_where(tmp_path):
    done = run("init", "--kms", "fs", "--no-input", "--out", "x.yaml", "--json", home=tmp_path)
    assert checked(done, "init", 0)["data"]["deployment"] == "fs"
    assert (tmp_path / "x.yaml").exists()
    checked(run("init", "--kms", "fs", "--out", "x.yaml", "--json", home=tmp_path), "init", 2)


@pytest.mark.parametrize("command", ["up", "plan", "render"])
def test_no_engine(tmp_path, command):
    found = checked(run(command, "--kms", "fs", "--json", home=tmp_path), command, 3)
    assert found["problems"][0]["hint"]
    assert not (tmp_path / "minio-kes-fs").exists(), "what fails at once leaves nothing behind"


@pytest.mark.parametrize("command", [("images", "list"), ("images", "save", "x.tar")])
def test_images_without_an_engine(tmp_path, command):
    checked(run(*command, "--json", home=tmp_path), " ".join(command[:2]), 3)


def test_an_archive_that_is_not_there_is_4(tmp_path):
    checked(run("images", "load", "x.tar", "--json", home=tmp_path), "images load", 4)


BAD = [
    (("up",), "up"),
    (("up", "--kms", "fs", "-n", "With Space"), "up"),
    (("up", "--kms", "fs", "-n", "../x"), "up"),
    (("up", "--kms", "fs", "-n", "x" * 41), "up"),
    (("up", "--kms", "vualt"), "up"),
    (("plan", "--kms", "vualt"), "plan"),
    (("render", "--kms", "fs", "--with-secrets"), "render"),
    (("up", "--kms", "fs", "--timeout", "soon"), "up"),
    (("up", "--kms", "fs", "--timeout", "-1s"), "up"),
    (("up", "--kms", "fs", "--set", "nonsense"), "up"),
    (("up", "--kms", "fs", "--set", "=1"), "up"),
    (("up", "--kms", "fs", "--set", "kes.cache.any=soon"), "up"),
    (("up", "--kms", "fs", "--set", "kes.chache.any=1m"), "up"),
    (("up", "--kms", "fs", "--set", "kes.cache.any.deep=1m"), "up"),
    (("up", "--kms", "fs", "--set", f"minio.root_password={SECRET}"), "up"),
    (("up", "--kms", "fs", "--root-password", SECRET), "up"),
    (("up", "--kms", "fs", "--s3-port", "9001"), "up"),
    (("up", "--kms", "fs", "--s3-port", "70000"), "up"),
    (("up", "--kms", "fs", "--s3-port", "many"), "up"),
    (("up", "--kms", "fs", "--port-offset", "-99999"), "up"),
    (("up", "--kms", "fs", "--bind", "somewhere"), "up"),
    (("up", "--kms", "fs", "--bucket", "A_B"), "up"),
    (("up", "--kms", "fs", "--engine", "lxc"), "up"),
    (("up", "--kms", "fs", "--images", "none"), "up"),
    (("up", "--kms", "fs", "--bogus"), "up"),
    (("up", "--config", "missing.yaml"), "up"),
    (("status", "--bogus"), "status"),
    (("status", "-n", "../../etc"), "status"),
    (("logs", "bogus"), "logs"),
    (("images", "bogus"), "images"),
    (("bogus",), "kesdeploy"),
    (("destroy", "--timeout", "soon"), "destroy"),
    (("rotate-credentials",), "rotate-credentials"),
    (("rotate-credentials", "--root-password", SECRET), "rotate-credentials"),
    (("rotate-credentials", "--all", "--timeout", "soon"), "rotate-credentials"),
]


@pytest.mark.parametrize(("arguments", "command"), BAD, ids=lambda value: " ".join(value) if value else "")
def test_what_is_wrong_on_the_command_line_ends_in_2(tmp_path, arguments, command):
    found = checked(run_here(*arguments, "--json", home=tmp_path), command, 2)
    assert found["problems"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "_"), BAD, ids=lambda value: " ".join(value) if value else "")
def test_the_same_for_people_is_short_and_without_a_traceback(tmp_path, arguments, _):
    done = run_here(*arguments, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    first, *others = done.stderr.splitlines()
    assert first.startswith("error: ")
    problems = [line for line in others if not line.startswith(("  because: ", "  try: "))]
    assert len(others) - len(problems) <= 2
    assert len(problems) <= (int(first.split()[-2]) if first.endswith("problems") else 1)
    assert SECRET not in done.stderr


def test_did_you_mean(tmp_path):
    found = checked(run("up", "--kms", "vualt", "--json", home=tmp_path), "up", 2)
    assert "did you mean 'vault'?" in found["problems"][0]["message"]
    assert {"fs", "vault"} <= set(found["problems"][0]["hint"].removeprefix("known: ").split(", "))


def test_a_spec_that_is_not_there_is_named(tmp_path):
    found = checked(run_here("up", "--config", "missing.yaml", "--json", home=tmp_path), "up", 2)
    assert "missing.yaml" in found["problems"][0]["message"]


def test_every_problem_of_a_spec_at_once(tmp_path):
    spec = "version: 1\nname: X\nkeystore: {fs: {}}\nminio: {drives: 99}\nkes: {chache: {}}\n"
    (tmp_path / "k.yaml").write_text(spec)
    found = checked(run("plan", "--config", "k.yaml", "--json", home=tmp_path), "plan", 2)
    assert [p["message"].split(":")[0] for p in found["problems"]] == ["name", "minio.drives", "kes.chache"]


@pytest.mark.parametrize("text", ["", "[]", "7", "a: [", "\t", "name: x\nname: y\n", "\0", "&a [*a]"])
def test_a_file_that_is_no_spec(tmp_path, text):
    (tmp_path / "k.yaml").write_text(text)
    checked(run("plan", "--config", "k.yaml", "--json", home=tmp_path), "plan", 2)


def test_a_corrupt_state_is_8(tmp_path):
    folder = tmp_path / "minio-kes-fs"
    folder.mkdir()
    (folder / "kesdeploy.yaml").write_text("version: 1\nname: fs\nkeystore: {fs: {}}\n")
    (folder / "state.json").write_text("{")
    (folder / "secrets").mkdir()
    (folder / "secrets" / ".kesdeploy").touch()
    found = checked(run("up", "--json", home=tmp_path), "up", 8)
    assert found["problems"][0]["code"] == "state"


def test_a_foreign_folder_is_9_and_untouched(tmp_path):
    folder = tmp_path / "minio-kes-fs"
    (folder / "certs").mkdir(parents=True)
    found = checked(run("up", "--kms", "fs", "--json", home=tmp_path), "up", 9)
    assert found["problems"][0]["hint"]
    assert [path.name for path in folder.iterdir()] == ["certs"]


def test_destroy_without_a_yes_is_9(tmp_path):
    folder = tmp_path / "minio-kes-fs"
    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets" / ".kesdeploy").touch()
    checked(run("destroy", "--json", home=tmp_path), "destroy", 9)
    assert folder.exists()


def test_the_codes_are_those_of_the_tree():
    codes = {
        error.exit_code for error in vars(tree).values() if isinstance(error, type) and hasattr(error, "exit_code")
    }
    assert codes == {1, 2, 3, 4, 5, 6, 7, 8, 9, 130}


def test_verbose_shows_where_it_happened_and_no_secret(tmp_path):
    done = run("up", "--kms", "fs", "--set", f"minio.root_password={SECRET}", "-v", home=tmp_path)
    assert done.returncode == 2
    assert "spec.py" in done.stderr
    assert SECRET not in done.stderr
