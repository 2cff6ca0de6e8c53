"""up, plan, render, start, stop, down, destroy, init: what each says and does, from its first word to its exit code."""

from __future__ import annotations

import io
import json
import stat

import pytest
from commands import run_here

from kesdeploy import deploy
from kesdeploy.cli import piped
from kesdeploy.errors import EngineError
from kesdeploy.keystores import FIELDS
from kesdeploy.result import Result
from kesdeploy.spec import load

KES, MINIO, POD = "fs-kes-server", "fs-minio-server", "minio-kes-fs"
SECRET = "correct-horse-battery"


# --- up


def test_the_first_up_says_its_steps_and_how_to_log_in(here, kesdeploy):
    done = kesdeploy("up", "--kms", "fs", "--yes")
    steps = done.stderr.splitlines()
    assert steps[0] == "✓ create pod"
    assert steps[-2].startswith("✓ prove it")
    assert steps[-1].startswith("• known security advisories: ")
    assert "✓ key minio-backend-default-key in the keystore" in steps
    assert done.stdout.startswith("✓ proven: ")
    assert 'eval "$(kesdeploy env -n fs)"' in done.stdout
    assert here.home.read_secret("root-password") not in done.stdout + done.stderr


def test_a_second_up_says_that_nothing_changed_and_asks_the_engine_for_nothing(up, kesdeploy):
    up.engine.calls.clear()
    done = kesdeploy("up")
    assert done.stdout.startswith("✓ fs: nothing to change (")
    assert up.engine.calls == [("close",)]


def test_what_up_gives_to_programs(here, ask):
    data = ask("up", "--kms", "fs", "--bucket", "photos")["data"]
    assert {change["verb"] for change in data["changes"]} == {"create"}
    assert data["unchanged"] == 0
    assert (data["deployment"], data["keystore"], data["sandbox"]) == ("fs", "fs", False)
    assert data["endpoints"] == {
        "s3": "http://127.0.0.1:9000",
        "console": "http://127.0.0.1:9001",
        "kes": "https://127.0.0.1:7373",
    }
    assert all(check["ok"] and check["evidence"] for check in data["checks"])
    assert here.store.rules["photos"] == ("sse-kms", "minio-backend-default-key")
    assert here.home.read_secret("root-password") not in json.dumps(data)
    again = ask("up")["data"]
    assert again["changes"] == []
    assert again["unchanged"] == len(data["changes"])


def test_a_proof_that_fails_is_7_and_names_the_check(up, kesdeploy, ask):
    up.store.wrong = "kms:NotAuthorized"
    done = kesdeploy("up", expect=7)
    assert "✗ MinIO uses the KMS: MinIO cannot use its key: kms:NotAuthorized" in done.stdout
    assert "proven" not in done.stdout
    found = ask("up", expect=7)
    assert [p["code"] for p in found["problems"]] == ["check"]
    assert found["data"]["endpoints"], "what is up is said also when it is not proven"


def test_a_step_that_fails_is_marked_and_the_error_comes_last(here, kesdeploy):
    here.engine.fail["start", KES] = EngineError("podman refuses to start", because="OCI runtime error", hint="doctor")
    done = kesdeploy("up", "--kms", "fs", expect=3)
    lines = done.stderr.splitlines()
    assert "✗ create container kes-server" in lines
    assert lines[-3:] == ["error: podman refuses to start", "  because: OCI runtime error", "  try: doctor"]
    assert done.stdout == ""


def test_dry_run_is_plan(here, kesdeploy, ask):
    dry, plan = (ask(*words, "--kms", "fs")["data"] for words in (("up", "--dry-run"), ("plan",)))
    assert dry == plan
    assert not here.home.root.exists()
    assert "Nothing was touched." in kesdeploy("up", "--kms", "fs", "--dry-run").stdout


def test_nobody_to_ask_lists_what_is_missing(here, ask):
    found = ask("up", "--no-input", expect=2)
    assert any("keystore" in problem["message"] for problem in found["problems"])
    assert here.engine.calls == []


@pytest.mark.parametrize("piped", [f"{SECRET}\n", f"{SECRET}\r\n", f"{SECRET}\nmore\n", SECRET])
def test_a_password_from_standard_input_is_one_line_and_kept_where_secrets_are(here, tmp_path, piped):
    done = run_here("up", "--kms", "fs", "--root-password", "-", home=tmp_path, stdin=piped)
    assert done.returncode == 0
    assert here.home.read_secret("root-password") == SECRET
    assert SECRET not in done.stdout + done.stderr + here.home.spec.read_text()
    assert f'MINIO_ROOT_PASSWORD="{SECRET}"' in here.home.path("config/minio/minio").read_text()
    assert "nothing to change" in run_here("up", home=tmp_path).stdout


def test_an_empty_password_from_standard_input_is_refused(here, tmp_path):
    done = run_here("up", "--kms", "fs", "--root-password", "-", home=tmp_path)
    assert done.returncode == 2
    assert not here.home.root.exists()


# --- plan, render


def test_a_plan_shows_verb_place_and_reason(up, kesdeploy, ask):
    done = kesdeploy("plan", "--set", "minio.auto_encryption=false")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["DO", "WHAT", "BECAUSE"]
    assert [line.split()[:2] for line in lines[1:3]] == [
        ["replace", "file/minio-env"],
        ["restart", "container/minio-server"],
    ]
    assert lines[-1].startswith("2 to change, ")
    changes = ask("plan", "--set", "minio.auto_encryption=false")["data"]["changes"]
    assert [set(change) for change in changes] == [{"verb", "address", "reason"}] * 2
    assert kesdeploy("plan").stdout == "✓ fs: nothing to change\n"


def test_render_hides_secrets_and_files_with_them_are_private(up, kesdeploy, tmp_path):
    password = up.home.read_secret("root-password")
    shown = kesdeploy("render").stdout
    assert "# ---- config/minio/minio" in shown
    assert 'MINIO_ROOT_PASSWORD="REDACTED"' in shown
    assert password not in shown
    done = kesdeploy("render", "--out", "out", "--with-secrets")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"kes-config.yaml", "minio"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert password in (tmp_path / "out/config/minio/minio").read_text()
    assert password not in done.stdout
    assert "✓ out/config/minio/minio" in done.stdout


def test_secrets_are_never_rendered_onto_the_screen(up, kesdeploy):
    refused = kesdeploy("render", "--with-secrets", expect=2)
    assert refused.stdout == ""
    assert refused.stderr.splitlines()[-1] == "  try: kesdeploy render --with-secrets --out DIR"


def test_secrets_that_do_not_exist_yet_cannot_be_rendered(here, kesdeploy, tmp_path):
    refused = kesdeploy("render", "--kms", "fs", "--with-secrets", "--out", "out", expect=2)
    assert refused.stderr.splitlines()[-1] == "  try: kesdeploy up -n fs"
    assert not (tmp_path / "out").exists()


# --- start, stop, down, destroy


def test_stop_and_start(up, kesdeploy, ask):
    done = kesdeploy("stop")
    assert done.stderr.splitlines() == [f"✓ stop {MINIO}", f"✓ stop {KES}"]
    assert done.stdout == f"✓ stopped: {MINIO}, {KES}. `kesdeploy start -n fs` brings it back.\n"
    assert ask("stop")["data"] == {"deployment": "fs", "stopped": []}
    found = ask("start")
    assert found["command"] == "start"
    assert ("start", "container/minio-server") in [(c["verb"], c["address"]) for c in found["data"]["changes"]]


def test_start_does_not_begin_a_deployment(here, kesdeploy):
    refused = kesdeploy("start", "-n", "fs", expect=2)
    assert refused.stderr.startswith("error: there is no deployment 'fs'")
    assert here.engine.calls == []


def test_down_keeps_the_folder_and_up_brings_all_back(up, kesdeploy, ask):
    key = up.home.read("secrets/minio.key")
    data = ask("down")["data"]
    assert data == {"deployment": "fs", "removed": [POD], "kept": str(up.home.root), "stay": {}}
    assert f"stay in {up.home.root}" in kesdeploy("down").stdout
    kesdeploy("up")
    assert up.home.read("secrets/minio.key") == key


def test_destroy_wants_a_yes_and_says_what_is_lost(up, kesdeploy, ask):
    up.home.write("minio/photos/cat/xl.meta", b"12345")
    refused = kesdeploy("destroy", expect=9)
    assert "1 object" in refused.stderr
    assert refused.stderr.splitlines()[-1] == "  try: kesdeploy destroy -n fs --yes"
    assert up.home.root.exists()
    assert ask("destroy", "--yes")["data"] == {
        "deployment": "fs",
        "removed": [POD, str(up.home.root)],
        "kept": "",
        "stay": {},
        "deleted_keys": [],
    }
    assert not up.home.root.exists()
    assert ask("list")["data"] == {"deployments": []}


def test_destroy_saves_keys_first_and_destroys_nothing_if_it_cannot(up, kesdeploy, tmp_path):
    (tmp_path / "there.tar").touch()
    kesdeploy("destroy", "--yes", "--save", "there.tar", expect=2)
    assert up.home.root.exists()
    kesdeploy("destroy", "--yes", "--save", "keys.tar")
    assert stat.S_IMODE((tmp_path / "keys.tar").stat().st_mode) == 0o600
    assert not up.home.root.exists()


# --- init


def test_init_writes_and_starts_nothing(here, kesdeploy, tmp_path):
    done = kesdeploy("init", "--kms", "fs", "--out", "p.yaml", "--set", "minio.drives=2", "--no-input")
    assert done.stdout.splitlines() == ["✓ wrote p.yaml; nothing was started", "kesdeploy up --config p.yaml"]
    assert "drives: 2" in (tmp_path / "p.yaml").read_text()
    assert here.engine.calls == []
    kesdeploy("up", "--config", "p.yaml")
    assert (tmp_path / "minio-kes-fs" / "kesdeploy.yaml").read_text() == (tmp_path / "p.yaml").read_text()


@pytest.mark.parametrize("command", [("plan",), ("up", "--yes", "--dry-run"), ("policy",)])
def test_a_name_by_set_is_no_name_in_anothers_folder(ask, here, command):
    kms = ["fs"] if command == ("policy",) else ["--kms", "fs"]
    assert ask(*command, *kms, "--set", "name=photos")["data"]["deployment"] == "photos"
    refused = ask(*command, *kms, "--set", "name=", expect=2)
    assert refused["problems"][0]["message"].startswith("name: ")
    assert refused["problems"][0]["hint"]


def test_every_lifecycle_command_passes_its_timeout_on(up, monkeypatch, tmp_path):
    wishes = []
    for name in ("up", "start", "stop", "down", "destroy"):
        monkeypatch.setattr(deploy, name, lambda wish, _: wishes.append(wish) or Result(wish.command, {}))
    for name in ("up", "start", "stop", "down", "destroy"):
        run_here(name, "-n", "fs", "--timeout", "2m", *(["--yes"] if name in ("up", "destroy") else []), home=tmp_path)
    assert [(wish.command, wish.name, wish.timeout) for wish in wishes] == [
        (name, "fs", 120) for name in ("up", "start", "stop", "down", "destroy")
    ]


# --- secrets from standard input


def test_secrets_on_standard_input_name_their_section(monkeypatch):
    """Without it a keystore that may do without credentials would do without them, silently."""
    monkeypatch.setattr("sys.stdin", io.StringIO("id\nsecret\nroot\n"))
    section = "keystore.aws.credentials"
    given = {
        "keystore.aws": {"region": "eu-central-1"},
        f"{section}.accesskey": "-",
        f"{section}.secretkey": "-",
        "minio.root_password": "-",
    }
    overrides, secrets = piped.from_stdin(given)
    assert secrets == {
        "aws-credentials-accesskey": "id",
        "aws-credentials-secretkey": "secret",
        "root-password": "root",
    }
    spec = load("name: demo", overrides, FIELDS)
    assert spec.keystore.credentials is not None
    assert spec.document()["keystore"] == {"aws": {"region": "eu-central-1", "credentials": {}}}
