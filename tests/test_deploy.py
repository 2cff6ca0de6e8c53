from __future__ import annotations

import os

import pytest
from core_fixtures import World, world

from kesdeploy import deploy, overview
from kesdeploy.errors import DataProtected, EngineError, KesdeployError, PortTaken, SpecError, UsageError
from kesdeploy.opening import Wish
from kesdeploy.report import Silent
from kesdeploy.state import StateFile

KES, MINIO, POD = "fs-kes-server", "fs-minio-server", "minio-kes-fs"
FS = {"keystore.fs": {}}


class Told(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    return made


def _up(here: World, report: Silent | None = None, **overrides):
    over = {**FS, **{path.replace("__", "."): value for path, value in overrides.items()}}
    return deploy.up(Wish("up", "fs", overrides=over, timeout=1), report or Silent())


def _do(command: str, **wish):
    return getattr(deploy, command)(Wish(command, "fs", timeout=1, **wish), Silent())


def test_the_first_up_is_proven_and_says_how_to_log_in(here):
    result = _up(here)
    assert (result.ok, result.exit_code) == (True, 0)
    data = result.data
    assert data["password_file"] == str(here.home.secret("root-password"))
    assert data["user"] == here.home.read_secret("root-user")
    assert data["endpoints"]["s3"] == "http://127.0.0.1:9000"
    assert data["keep"] == ["secrets/", "ca/", "kes/"]
    assert all(check["ok"] for check in data["checks"])
    assert data["advisories"]["kes"] == ["CVE-2025-30204"]
    assert here.home.read_secret("root-password") not in str(data)


def test_a_second_up_changes_nothing_and_sends_no_signal(here):
    _up(here)
    here.engine.calls.clear()
    before = {p: p.stat().st_mtime_ns for p in here.home.root.rglob("*") if p.is_file() and p.name != ".lock"}
    result = _up(here)
    assert result.data["changes"] == []
    assert here.engine.calls == [("close",)]
    after = {p: p.stat().st_mtime_ns for p in before if p.exists()}
    assert after == before


def test_an_up_without_flags_keeps_the_flags_of_the_first(here):
    _up(here, minio__auto_encryption=False, key_name="mine")
    here.engine.calls.clear()
    result = deploy.up(Wish("up", timeout=1), Silent())
    assert result.data["changes"] == []
    assert result.data["key"] == "mine"


COMMENTED = """\
# Ask Anna first.
name: fs
keystore:
  fs: {}
network:
  s3_port: 9100  # behind the proxy
"""


def test_what_the_user_wrote_into_the_spec_stays(here):
    _up(here)
    here.home.spec.write_text(COMMENTED)
    _do("up")
    written = COMMENTED.replace("name: fs", "version: 1\nname: fs")
    assert here.home.spec.read_text() == written
    _up(here, network__s3_port=9200)
    assert here.home.spec.read_text() == written.replace("9100", "9200")


def test_the_spec_that_is_kept_is_the_users_own(here, tmp_path):
    given = tmp_path / "mine.yaml"
    given.write_text(f"version: 1\n{COMMENTED}")
    deploy.up(Wish("up", "fs", config=given, timeout=1), Silent())
    assert here.home.spec.read_text() == given.read_text()


def test_a_spec_that_is_a_link_stays_one(here, tmp_path):
    _up(here)
    (theirs := tmp_path / "repository").mkdir(mode=0o755)
    mine = here.home.spec.rename(theirs / "mine.yaml")
    mine.write_text(f"version: 1\n{COMMENTED}")
    mine.chmod(0o600)
    here.home.spec.symlink_to(mine)
    _up(here, network__s3_port=9200)
    assert here.home.spec.is_symlink()
    assert mine.read_text() == f"version: 1\n{COMMENTED}".replace("9100", "9200")
    assert (mine.stat().st_mode & 0o777, theirs.stat().st_mode & 0o777) == (0o600, 0o755)


def test_a_spec_that_can_be_read_once_only_is_refused(here, tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe")
    with pytest.raises(UsageError, match="cannot read") as refused:
        deploy.up(Wish("up", "fs", config=pipe, timeout=1), Silent())
    assert "it is no file" in refused.value.because


@pytest.mark.parametrize(("moment", "left"), [("engine", False), ("ports", False), ("start", True)])
def test_what_fails_before_anything_was_started_leaves_no_folder(here, monkeypatch, moment, left):
    if moment == "engine":
        monkeypatch.setattr("kesdeploy.opening.open_engine", _refuse)
    elif moment == "ports":
        here.taken = {9000}
    else:
        here.engine.fail["start", KES] = EngineError("no")
    with pytest.raises(EngineError):
        _up(here)
    assert here.home.root.exists() is left


def _refuse(*_):
    raise EngineError("no engine")


def test_taken_ports_are_named_with_a_way_out(here):
    here.taken = {9000, 7373, 9100}
    with pytest.raises(PortTaken) as raised:
        _up(here)
    assert "9000, 7373" in raised.value.what
    assert raised.value.hint.endswith("--port-offset 200")


def test_a_failed_up_keeps_what_it_made_and_the_next_one_continues(here):
    here.engine.fail["start", MINIO] = EngineError("no")
    with pytest.raises(EngineError):
        _up(here)
    password = here.home.read_secret("root-password")
    assert _up(here).ok
    assert here.home.read_secret("root-password") == password


def test_auto_encryption_that_is_silently_off_costs_one_restart(here):
    here.store.clear = True
    restarts = []
    called = here._called

    def restarted(call):
        called(call)
        if call == ("start", MINIO):
            restarts.append(call)
            here.store.clear = len(restarts) < 2

    here.engine.on_call = restarted
    report = Told()
    assert _up(here, report).ok
    assert len(restarts) == 2
    assert any("auto-encryption" in note for note in report.notes)


def test_a_proof_that_fails_is_7_with_its_evidence(here):
    here.store.wrong = "kms:NotAuthorized"
    result = _up(here)
    assert (result.ok, result.exit_code) == (False, 7)
    assert any("kms:NotAuthorized" in problem.message for problem in result.problems)
    assert all(problem.hint for problem in result.problems)


def test_another_address_than_loopback_is_warned_of(here):
    report = Told()
    _up(here, report, network__bind="0.0.0.0")
    assert len(report.warnings) == 1
    assert "0.0.0.0" in report.warnings[0]


def test_a_new_ca_is_warned_of_before_and_while_it_is_made(here):
    """Whoever was given the old certificate has to be given the new one."""
    first = Told()
    _up(here, first)
    here.home.ca_key.unlink()
    planned, done = Told(), Told()
    deploy.plan(Wish("plan", "fs"), planned)
    _up(here, done)
    assert first.warnings == []
    assert planned.warnings == done.warnings
    assert "its key is missing" in done.warnings[0]
    assert str(here.home.ca_cert) in done.warnings[0]
    again = Told()
    _up(here, again)
    assert again.warnings == []


# --- plan


def test_plan_and_up_miss_the_same_secrets_all_at_once(here, monkeypatch, tmp_path):
    monkeypatch.setenv("HERE", "s3cret-value")
    key, variable = f"@{tmp_path}/gone", "env:NOWHERE"
    given = {"minio.environment": {"MINIO_A_KEY": key, "MINIO_B_KEY": variable, "MINIO_C_KEY": "env:HERE"}}
    for command in (deploy.plan, deploy.up):
        with pytest.raises(SpecError) as found:
            command(Wish("up", "fs", overrides={**FS, **given}, timeout=1), Silent())
        first, second = (problem.message for problem in found.value.found)
        assert first.startswith(f"no minio-MINIO_A_KEY in {key}: ")
        assert second == f"no minio-MINIO_B_KEY in {variable}: the variable is not set, or empty"
    assert not here.home.spec.exists()

    given["minio.environment"]["MINIO_B_KEY"] = "env:HERE"
    with pytest.raises(UsageError, match="no minio-MINIO_A_KEY"):
        deploy.plan(Wish("plan", "fs", overrides={**FS, **given}), Silent())
    (tmp_path / "gone").write_text("an0ther-value\n")
    planned = str(deploy.plan(Wish("plan", "fs", overrides={**FS, **given}), Silent()))
    assert "create" in planned
    assert not any(value in planned for value in ("s3cret-value", "an0ther-value"))


def test_a_secret_that_is_kept_needs_its_source_no_more(here, tmp_path):
    (tmp_path / "word").write_text("a-long-password")
    _up(here, minio__root_password=f"@{tmp_path}/word")
    (tmp_path / "word").unlink()
    assert _do("plan").data["changes"] == []


def test_plan_touches_nothing(here):
    result = deploy.plan(Wish("plan", overrides=FS), Silent())
    assert {change["verb"] for change in result.data["changes"]} == {"create"}
    assert here.engine.calls == [("close",)]
    assert not here.home.root.exists()


@pytest.mark.parametrize(
    ("overrides", "address"),
    [
        ({"kes.log.error": "debug"}, "container/kes-server"),
        ({"images.kes": "example.org/kes:2025-04-01T00-00-00Z"}, "container/kes-server"),
        ({"images.minio": "example.org/minio:new"}, "container/minio-server"),
    ],
)
def test_plan_shows_what_a_flag_changes(here, overrides, address):
    _up(here)
    result = deploy.plan(Wish("plan", "fs", overrides=overrides), Silent())
    assert address in {change["address"] for change in result.data["changes"]}


def test_plan_shows_the_upgrade_that_a_new_kesdeploy_brings(here, monkeypatch):
    here.version = "2024-01-11T13-09-29Z"
    _up(here)
    assert deploy.plan(Wish("plan", "fs"), Silent()).data["changes"] == []
    monkeypatch.setattr("kesdeploy.choosing.__version__", "99")
    changes = deploy.plan(Wish("plan", "fs"), Silent()).data["changes"]
    assert ("replace", "container/kes-server") in {(c["verb"], c["address"]) for c in changes}


# --- what protects data


def test_another_keystore_under_data_is_refused_before_anything_happens(here):
    _up(here)
    (here.home.root / "minio" / ".minio.sys" / "config").mkdir(parents=True)
    here.engine.calls.clear()
    with pytest.raises(DataProtected) as raised:
        deploy.up(Wish("up", "fs", overrides={"keystore.vault": {}}), Silent())
    assert "-n fs2" in raised.value.hint
    assert here.engine.calls == [("close",)]


def test_a_folder_of_somebody_else_is_not_touched(here):
    (here.home.root / "certs").mkdir(parents=True)
    with pytest.raises(DataProtected):
        _up(here)
    assert [p.name for p in here.home.root.iterdir() if p.name != ".lock"] == ["certs"]


# --- start, stop, down, destroy


def test_stop_goes_from_minio_to_kes_and_start_back(here):
    _up(here)
    here.engine.calls.clear()
    assert _do("stop").data["stopped"]
    assert [call for call in here.engine.calls if call[0] == "stop"] == [("stop", MINIO), ("stop", KES)]
    here.engine.calls.clear()
    result = _do("start")
    assert (result.command, result.ok) == ("start", True)
    starts = [call for call in here.engine.calls if call[0] in ("start", "signal")]
    assert starts[:3] == [("start", KES), ("signal", KES, "SIGHUP"), ("start", MINIO)]


def test_what_was_paused_is_stopped_too(here):
    _up(here)
    here.engine.pauses(KES)
    assert _do("stop").data["stopped"] == [MINIO, KES]


def test_stop_twice_is_no_error(here):
    _up(here)
    _do("stop")
    assert _do("stop").data["stopped"] == []


def test_down_keeps_the_data_and_up_brings_all_back(here):
    _up(here)
    keys, password = dict(here.kes.keys), here.home.read_secret("root-password")
    result = _do("down")
    assert result.data == {"deployment": "fs", "removed": [POD], "kept": str(here.home.root), "stay": {}}
    assert not here.engine.pods({})
    assert _up(here).ok
    assert (here.kes.keys, here.home.read_secret("root-password")) == (keys, password)


def test_destroy_leaves_nothing(here):
    _up(here)
    assert _do("destroy").data["removed"] == [POD, str(here.home.root)]
    assert not here.home.root.exists()
    assert not here.engine.pods({})
    assert not here.engine.containers({})
    with pytest.raises(UsageError):
        _do("destroy")


@pytest.mark.parametrize("loss", ["state", "spec", "folder", "corrupt state", "broken spec"])
def test_destroy_is_always_possible(here, loss):
    _up(here)
    match loss:
        case "state":
            here.home.state.unlink()
        case "corrupt state":
            here.home.state.write_text("{")
        case "spec":
            here.home.spec.unlink()
        case "broken spec":
            here.home.spec.write_text("a: [")
        case "folder":
            here.home.remove()
    _do("destroy")
    assert not here.home.root.exists()
    assert not here.engine.pods({})


@pytest.mark.parametrize("command", ["stop", "start", "check", "down", "destroy"])
def test_what_is_not_there(here, command):
    with pytest.raises(UsageError):
        getattr(deploy, command)(Wish(command, "nobody", timeout=1), Silent())


# --- verify, render


def test_verify_asks_kes_to_forget_first(here):
    _up(here)
    here.engine.calls.clear()
    result = _do("check")
    assert result.ok
    assert here.engine.calls == [("signal", KES, "SIGHUP"), ("close",)]


def test_verify_with_a_restart(here):
    _up(here)
    here.engine.calls.clear()
    assert deploy.check(Wish("verify", "fs", timeout=1), Silent(), restart=True).ok
    assert here.engine.calls[:2] == [("stop", KES), ("start", KES)]


def test_verify_of_what_is_stopped_is_7(here):
    _up(here)
    here.engine.dies(MINIO)
    here.store.silent = True
    result = _do("check")
    assert result.exit_code == 7
    assert any("is exited" in problem.message for problem in result.problems)


def test_render_redacts(here):
    _up(here)
    files = deploy.render(Wish("render", "fs"), Silent(), secrets=False).data["files"]
    assert set(files) == {"config/kes/kes-config.yaml", "config/minio/minio"}
    assert "REDACTED" in files["config/minio/minio"]
    assert here.home.read_secret("root-password") not in str(files)


def test_render_shows_a_public_authority_and_no_key(here, tmp_path):
    """Who it is that KES will trust is what one looks for; a key that lies in the same file by mistake is not shown."""
    here.up()
    (tmp_path / "ca.pem").write_bytes(here.home.ca_cert.read_bytes())
    aws = {"keystore.aws": {"region": "eu-central-1", "ca": str(tmp_path / "ca.pem")}}
    files = deploy.render(Wish("render", "cloud", overrides=aws), Silent(), secrets=False).data["files"]
    assert files["config/kes/aws-ca.crt"].strip() == here.home.ca_cert.read_text().strip()
    (tmp_path / "ca.pem").write_bytes(here.home.ca_key.read_bytes() + here.home.ca_cert.read_bytes())
    files = deploy.render(Wish("render", "cloud", overrides=aws), Silent(), secrets=False).data["files"]
    assert files["config/kes/aws-ca.crt"] == "REDACTED"


def test_render_with_secrets_needs_some(here):
    with pytest.raises(UsageError, match="no secrets yet"):
        deploy.render(Wish("render", overrides=FS), Silent(), secrets=True)
    _up(here)
    files = deploy.render(Wish("render", "fs"), Silent(), secrets=True).data["files"]
    assert files["config/minio/minio"].encode() == here.home.read("config/minio/minio")


def test_a_password_of_the_users_survives(here, tmp_path):
    (tmp_path / "secret").write_text("correct horse battery\n")
    _up(here, minio__root_password=f"@{tmp_path}/secret")
    assert here.home.read_secret("root-password") == "correct horse battery"
    (tmp_path / "secret").unlink()
    assert deploy.up(Wish("up", "fs", timeout=1), Silent()).data["changes"] == []


def test_a_password_from_standard_input_survives(here):
    wish = Wish("up", "fs", overrides=FS, timeout=1, secrets={"root-password": "typed-by-hand"})
    deploy.up(wish, Silent())
    assert b'MINIO_ROOT_PASSWORD="typed-by-hand"' in here.home.read("config/minio/minio")
    assert "typed-by-hand" not in here.home.spec.read_text() + here.home.state.read_text()


def test_the_state_says_what_was_chosen(here):
    _up(here)
    state = StateFile.open(here.home).value
    assert (state.engine, state.keystore, state.sandbox) == ("podman", "fs", False)
    assert set(state.images) == {"kes", "minio"}


def test_errors_are_ours(here):
    here.engine.fail["create_pod", POD] = EngineError("no")
    with pytest.raises(KesdeployError):
        _up(here)


def test_a_limit_that_the_engine_ignores_is_told_before_anything_is_made(here):
    here.engine.most = 0
    with pytest.raises(EngineError, match="minio-server"):
        _up(here, limits__minio__memory="1GiB")
    assert {call[0] for call in here.engine.calls} <= {"close"}
    assert not here.home.root.exists()


@pytest.mark.parametrize("change", [{}, {"limits__minio__memory": "1GiB"}])
def test_a_container_that_somebody_gave_another_name_is_made_again_in_its_place(here, change):
    """Two of them would write to the same data."""
    _up(here)
    here.engine.renames("fs-minio-server", "mine")
    changes = _up(here, **change).data["changes"]
    assert [c["reason"] for c in changes] == ["somebody calls it mine"]
    assert here.engine.container("mine") is None
    assert here.engine.container("fs-minio-server").running
    assert _up(here).data["changes"] == []


@pytest.mark.parametrize("command", ["status", "stop", "start", "down", "destroy"])
def test_what_was_started_with_another_runtime_folder_is_left_alone(here, monkeypatch, command):
    """Podman could neither stop it nor tell that it runs."""
    here.engine.runtime = "/tmp/podman-run-1"
    _up(here)
    here.engine.runtime = "/run/user/1"
    here.engine.calls.clear()
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        "kesdeploy.engines.podman_runtime.watched", lambda names: bool(asked.append(tuple(names))) or True
    )
    with pytest.raises(EngineError, match="another XDG_RUNTIME_DIR") as error:
        overview.status(Wish("status", "fs"), Silent()) if command == "status" else _do(command)
    assert error.value.hint.startswith("XDG_RUNTIME_DIR=/tmp/podman-run-1 kesdeploy down -n fs")
    assert "fs-minio-server" in asked[0]
    assert set(here.engine.calls) <= {("close",)}


def test_why_the_engine_was_chosen_is_remembered(here):
    _up(here)
    state = StateFile.open(here.home).value
    assert (state.engine, state.engine_reason) == ("podman", "asked for")


def test_another_engine_of_the_kind_is_not_taken_for_the_one_it_lives_on(here):
    """Servers of both would write to the same data."""
    here.engine.identity = "one"
    _up(here)
    here.engine.identity = "two"
    here.engine.calls.clear()
    for command in ("stop", "start", "down"):
        with pytest.raises(EngineError, match="lives on another podman") as error:
            _do(command)
        assert "gone for good: kesdeploy up -n fs --engine podman" in error.value.hint
        assert "(asked for)" in error.value.because
    with pytest.raises(EngineError, match="lives on another podman"):
        _up(here)
    assert [call for call in here.engine.calls if call != ("close",)] == []
    _up(here, engine="podman")
    assert _do("stop").ok


def test_nor_where_it_is_named_while_the_first_one_still_runs_the_servers(here):
    here.engine.identity = "one"
    _up(here)
    here.engine.identity, here.engine.publishers = "two", lambda _: {}
    here.taken.add(9000)
    with pytest.raises(DataProtected, match="still runs on another podman") as error:
        _up(here, engine="podman", network__s3_port=9500)
    assert "port 9000 answers" in error.value.because
    assert "kesdeploy down -n fs" in error.value.hint
