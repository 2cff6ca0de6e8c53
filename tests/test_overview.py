from __future__ import annotations

import pytest
from core_fixtures import World, world

from kesdeploy import deploy, overview
from kesdeploy.errors import UsageError
from kesdeploy.opening import Wish
from kesdeploy.report import Silent

KES, MINIO = "fs-kes-server", "fs-minio-server"


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    deploy.up(Wish("up", "fs", overrides={"keystore.fs": {}}, timeout=1), Silent())
    made.engine.calls.clear()
    return made


def _status():
    return overview.status(Wish("status", "fs"), Silent())


# --- status


def test_a_healthy_deployment(here):
    result = _status()
    assert (result.ok, result.exit_code, result.problems) == (True, 0, ())
    data = result.data
    assert data["state"] == "healthy"
    assert [(c["name"], c["state"]) for c in data["containers"]] == [(KES, "running"), (MINIO, "running")]
    assert [c["image"] for c in data["containers"]] == [f"example.org/{c}:{here.version}" for c in ("kes", "minio")]
    assert data["keystore"] == {"kind": "fs", "state": "ok"}
    assert data["kms"].startswith("ok")
    assert {c["name"] for c in data["certificates"]} == {"ca", "kes-server"}
    assert data["auto_encryption"] is True


def test_what_the_servers_tell_of_themselves(here):
    data = _status().data
    assert data["latency"]["keystore_ms"] == 2
    assert data["latency"]["kms_ms"] >= 0
    kes, minio = data["traffic"]["kes"], data["traffic"]["minio"]
    assert kes == {"requests": 27, "errors": 1, "failures": 0, "mean_ms": 0.35, "most_ms": 10.0, "per_second": None}
    assert minio == {"requests": 12, "errors": 1, "failures": 0, "mean_ms": None, "most_ms": 50.0, "per_second": None}
    assert [c["address"] for c in data["containers"]] == ["https://127.0.0.1:7373", "http://127.0.0.1:9000"]
    assert all(c["uptime_seconds"] > 0 for c in data["containers"])


def test_a_full_disk_is_told(here, monkeypatch):
    monkeypatch.setattr(overview.drives, "full", lambda *_: (here.home.path("minio"),))
    (problem,) = _status().problems
    assert (problem.code, _status().exit_code) == ("disk", 7)
    assert problem.hint.startswith(f"df -h {here.home.path('minio')}")


def test_where_one_is_paused_nobody_is_asked(here, monkeypatch):
    here.engine.pauses(KES)
    monkeypatch.setattr("kesdeploy.services.minio", lambda *_, **__: pytest.fail("asked"))
    result = _status()
    assert [(p.code, p.hint) for p in result.problems] == [("container", "kesdeploy up -n fs")]
    assert (result.exit_code, result.data["kms"]) == (7, "not asked")


def test_what_is_stopped_is_one_problem_and_nobody_is_asked(here, monkeypatch):
    here.engine.dies(KES, 0)
    here.engine.dies(MINIO, 0)
    monkeypatch.setattr("kesdeploy.services.minio", lambda *_, **__: pytest.fail("asked"))
    result = _status()
    assert [(p.code, p.hint) for p in result.problems] == [("stopped", "kesdeploy start -n fs")]
    assert (result.exit_code, result.data["state"], result.data["kms"]) == (7, "stopped", "not asked")
    here.engine.remove_pod("minio-kes-fs", stop_timeout=1)
    here.later(days=400)
    assert [p.code for p in _status().problems] == ["down", "certificate"]


def test_status_changes_nothing(here):
    _status()
    assert here.engine.calls == [("close",)]


@pytest.mark.parametrize(
    ("break_it", "code", "words"),
    [
        (lambda h: h.engine.dies(KES), "container", "fs-kes-server is exited"),
        (lambda h: h.engine.remove(MINIO), "container", "fs-minio-server is missing"),
        (lambda h: h.home.path("kes").rename(h.home.path("elsewhere")), "keystore", "MISSING"),
        (lambda h: setattr(h.kes, "lost", True), "keystore", "not to KES: key store is not reachable"),
        (lambda h: setattr(h.store, "silent", True), "kms", "503"),
        (lambda h: setattr(h.store, "wrong", "kms:NotAuthorized"), "kms", "kms:NotAuthorized"),
        (lambda h: h.later(days=400), "certificate", "kes-server expired on 2027-07-03"),
    ],
)
def test_anything_else_is_7_and_says_what_to_do(here, break_it, code, words):
    break_it(here)
    result = _status()
    assert (result.ok, result.exit_code) == (False, 7)
    assert any(p.code == code and words in p.message and p.hint.startswith("kesdeploy ") for p in result.problems)


def test_a_certificate_that_ends_soon_is_a_warning_and_no_failure(here):
    here.later(days=397 - 20)
    result = _status()
    assert result.exit_code == 0
    assert [p.code for p in result.problems] == ["warning"]


@pytest.mark.parametrize("file", ["ca/ca.crt", "certs/kes-server/public.crt"])
def test_a_certificate_that_nobody_can_read_is_one_problem_among_others(here, file):
    here.home.write(file, b"garbage")
    result = _status()
    assert (result.exit_code, len(result.data["certificates"])) == (7, 1)
    assert any(p.code == "certificate" and file in p.message for p in result.problems)


def test_a_leaf_that_is_left_from_https_does_not_count(here):
    here.home.write("certs/minio-server/public.crt", here.home.read("certs/kes-server/public.crt"))
    assert {c["name"] for c in _status().data["certificates"]} == {"ca", "kes-server"}


def test_status_of_what_is_not_there(here):
    with pytest.raises(UsageError):
        overview.status(Wish("status", "nobody"), Silent())


# --- list


def _state() -> str:
    (entry,) = overview.all_deployments().data["deployments"]
    return entry["state"]


def test_the_list_says_how_each_is(here):
    (entry,) = overview.all_deployments().data["deployments"]
    assert {k: entry[k] for k in ("name", "state", "keystore", "engine", "s3")} == {
        "name": "fs",
        "state": "running",
        "keystore": "fs",
        "engine": "podman",
        "s3": "http://127.0.0.1:9000",
    }
    here.engine.dies(MINIO)
    assert _state() == "degraded"
    here.engine.dies(KES)
    assert _state() == "stopped"
    here.engine.remove_pod("minio-kes-fs", stop_timeout=1)
    assert _state() == "down"


def test_one_that_is_broken_does_not_hide_the_others(here):
    other = here.home.root.parent / "minio-kes-broken"
    other.mkdir()
    (other / "state.json").write_text("{")
    (other / "secrets").mkdir()
    (other / "secrets" / ".kesdeploy").touch()
    (other / "kesdeploy.yaml").write_text("a: [")
    states = {d["name"]: d["state"] for d in overview.all_deployments().data["deployments"]}
    assert states["fs"] == "running"
    assert states["broken"].startswith("error: ")


# --- drift


def test_a_file_that_was_edited_by_hand_is_no_health(here):
    environment = here.home.path("config/minio/minio")
    environment.write_text(environment.read_text().replace('AUTO_ENCRYPTION="on"', 'AUTO_ENCRYPTION="off"'))
    found = overview.status(Wish("status", here.home.name), Silent())
    assert found.exit_code == 7
    assert "file/minio-env" in found.data["drift"]
    assert "file/minio-env" in found.problems[0].message


@pytest.mark.parametrize(
    "left",
    ["", "{", "[" * 100_000, '{"ciphertext": "x", "sha256": ""}', '{"ciphertext": "eA==", "sha256": null}'],
    ids=["empty", "half", "deep", "damaged", "no digest"],
)
def test_a_fingerprint_that_tells_nothing_any_more_is_no_health(here, left):
    here.home.secret("fingerprint-minio-backend-default-key.json").write_text(left)
    (problem,) = _status().problems
    assert problem.code == "data-protected"
    assert "the fingerprint of the key 'minio-backend-default-key' is damaged" in problem.message
    assert "from your copy of secrets/" in problem.hint
