"""status, list, verify, logs, policy, schema: what they show of a deployment that is well, broken or not there."""

from __future__ import annotations

import json
import re
from itertools import count

import pytest
from commands import ROOT, run_here

from kesdeploy import overview
from kesdeploy.errors import EngineError

KES, MINIO, POD = "fs-kes-server", "fs-minio-server", "minio-kes-fs"


# --- status


def test_a_healthy_deployment_is_0(up, kesdeploy, ask):
    done = kesdeploy("status")
    assert done.stderr == ""
    assert "running" in next(line for line in done.stdout.splitlines() if line.startswith("minio"))
    found = ask("status")
    assert (found["command"], found["problems"], found["data"]["drift"]) == ("status", [], [])


@pytest.mark.parametrize(
    ("break_it", "words", "hint"),
    [
        (lambda h: h.engine.dies(MINIO), f"{MINIO} is exited", "kesdeploy up -n fs"),
        (lambda h: h.engine.remove_pod(POD, stop_timeout=1), "fs is down: it has no containers", "kesdeploy up -n fs"),
        (lambda h: setattr(h.store, "silent", True), "MinIO is not ready", "kesdeploy logs -n fs"),
        (lambda h: h.later(days=400), "the certificate of kes-server expired", "kesdeploy up -n fs"),
        (lambda h: h.home.write("config/minio/minio", b"#"), "not as the spec wants it: file/minio-env", "plan -n fs"),
    ],
)
def test_anything_else_is_7_with_what_to_type(up, kesdeploy, ask, break_it, words, hint):
    break_it(up)
    told = kesdeploy("status", expect=7).stderr.splitlines()
    at = next(n for n, line in enumerate(told) if line.startswith(f"✗ {words}"))
    assert told[at + 1].startswith("  try: ")
    assert hint in told[at + 1]
    problems = ask("status", expect=7)["problems"]
    assert any(p["message"].startswith(words) and hint in p["hint"] for p in problems)


TYPES = {
    "text": (str,),
    "number": (int, float),
    "number or null": (int, float, type(None)),
    "yes or no": (bool,),
    "mapping or null": (dict, type(None)),
    "list": (list,),
}


def _fields(data, path=""):
    """Every leaf by its path as the page writes it."""
    match data:
        case dict():
            for name, value in data.items():
                yield from _fields(value, f"{path}.{name}".lstrip("."))
        case [*items] if items and isinstance(items[0], dict):
            for item in items:
                yield from _fields(item, f"{path}[]")
        case _:
            yield path, data


def test_the_document_is_the_one_that_the_page_describes(up, ask):
    rows = re.findall(r"^\| `([^`]+)` \| ([a-z ]+) \|", (ROOT / "docs/status.md").read_text(), re.MULTILINE)
    told, data = dict(rows), ask("status")["data"]
    assert [type(data["traffic"][who]) for who in ("kes", "minio")] == [dict, dict]
    starred = [(re.sub(r"^traffic\.(kes|minio)\.", "traffic.*.", path), value) for path, value in _fields(data)]
    assert {path for path, _ in starred} == set(told) - {"traffic.kes", "traffic.minio"}
    wrong = [(path, value) for path, value in starred if type(value) not in TYPES[told[path]]]
    assert wrong == []
    up.engine.remove_pod(POD, stop_timeout=1)
    gone = dict(_fields(ask("status", expect=7)["data"]))
    assert [gone[path] for path in ("traffic.kes", "traffic.minio", "latency.kms_ms")] == [None, None, None]
    assert {path for path in gone if path not in told} == set()


def test_a_certificate_that_ends_soon_is_a_warning_and_0(up, kesdeploy, ask):
    up.later(days=397 - 20)
    assert kesdeploy("status").stderr.startswith("! the certificate of kes-server has 20 days left\n  try: ")
    assert [p["code"] for p in ask("status")["problems"]] == ["warning"]


def test_watching_looks_again_until_ctrl_c(up, monkeypatch, tmp_path):
    looks, status = count(1), overview.status

    def second_is_the_last(*given):
        if next(looks) == 3:
            raise KeyboardInterrupt
        return status(*given)

    monkeypatch.setattr(overview, "status", second_is_the_last)
    monkeypatch.setattr("kesdeploy.cli.inspect.time.sleep", lambda _: up.engine.dies(KES))
    done = run_here("status", "--watch", "--json", home=tmp_path)
    states = [json.loads(line)["data"]["containers"][0]["state"] for line in done.stdout.splitlines()]
    assert (done.returncode, states) == (0, ["running", "exited"])


def test_watching_ends_when_there_is_nothing_more_to_watch(up, monkeypatch, tmp_path):
    monkeypatch.setattr("kesdeploy.cli.inspect.time.sleep", lambda _: up.home.remove())
    done = run_here("status", "--watch", home=tmp_path)
    assert done.returncode == 2
    assert "there is no deployment" in done.stderr
    assert "kes    running" in done.stdout


def test_watching_tells_rates_and_what_is_wrong(up, monkeypatch, tmp_path):
    looks = count(1)

    def next_look(_):
        if next(looks) == 2:
            raise KeyboardInterrupt
        up.kes.served += 100
        up.engine.dies(MINIO)

    monkeypatch.setattr("kesdeploy.cli.inspect.time.sleep", next_look)
    first, second = run_here("status", "-w", home=tmp_path).stdout.split("PART ")[1:]
    assert "/s;" not in first
    assert "MinIO is exited" not in first
    assert "/s; 127 requests" in second
    assert f"✗ {MINIO} is exited\n  try: kesdeploy up -n fs" in second


# --- list


def test_the_list_shows_every_deployment_also_a_broken_one(up, kesdeploy, ask):
    broken = up.home.root.parent / "minio-kes-broken"
    (broken / "secrets").mkdir(parents=True)
    (broken / "secrets" / ".kesdeploy").touch()
    (broken / "kesdeploy.yaml").write_text("a: [")
    states = {entry["name"]: entry["state"] for entry in ask("list")["data"]["deployments"]}
    assert states["fs"] == "running"
    assert states["broken"].startswith("error: ")
    assert "broken" in kesdeploy("list").stdout


def test_the_list_of_none_is_no_error(here, kesdeploy, ask):
    assert ask("list")["data"] == {"deployments": []}
    assert "kesdeploy up --kms fs" in kesdeploy("list").stdout


# --- verify


def test_verify_shows_each_check_and_is_0_or_7(up, kesdeploy, ask):
    lines = kesdeploy("verify").stdout.splitlines()
    assert len(lines) > 5
    assert all(line.startswith("✓ ") for line in lines)
    up.kes.denied.add("minio")
    done = kesdeploy("verify", expect=7)
    assert "✗ keystore holds the key: " in done.stdout
    problems = ask("verify", expect=7)["problems"]
    assert [p["code"] for p in problems] == ["check", "check"]
    assert problems[0]["message"].startswith("keystore holds the key: ")
    assert problems[0]["hint"]


def test_verify_restarts_kes_only_when_told(up, kesdeploy):
    up.engine.calls.clear()
    kesdeploy("verify")
    assert not [call for call in up.engine.calls if call[0] in ("stop", "start")]
    kesdeploy("verify", "--restart")
    assert [call for call in up.engine.calls if call[0] in ("stop", "start")] == [("stop", KES), ("start", KES)]


@pytest.mark.parametrize(
    ("rest", "words", "hint"),
    [
        (lambda e: (e.dies(KES, 0), e.dies(MINIO, 143)), "fs is stopped", "kesdeploy start -n fs"),
        (
            lambda e: (e.dies(KES, 2), e.dies(MINIO, 0)),
            f"fs is stopped: {KES} ended with exit code 2",
            "kesdeploy start -n fs",
        ),
        (lambda e: e.remove_pod(POD, stop_timeout=1), "fs is down: it has no containers", "kesdeploy up -n fs"),
    ],
)
def test_verify_of_what_rests_says_so_and_asks_nobody(up, kesdeploy, ask, rest, words, hint):
    rest(up.engine)
    done = kesdeploy("verify", expect=7)
    assert (done.stdout, done.stderr) == ("", f"error: {words}\n  try: {hint}\n")
    assert ask("verify", expect=7)["problems"] == [{"code": "unhealthy", "message": words, "hint": hint}]


def test_what_fails_is_told_once(up, kesdeploy):
    up.kes.denied.add("minio")
    done = kesdeploy("verify", expect=7)
    told = (done.stdout + done.stderr).splitlines()
    assert len([line for line in told if "keystore holds the key: " in line]) == 1


def test_a_console_that_is_off_has_no_address(up, kesdeploy, ask):
    assert "Console" in kesdeploy("status").stdout
    up.want(minio__environment={"MINIO_BROWSER": "off"})
    up.home.write("kesdeploy.yaml", up.spec.text().encode(), 0o644)
    assert "Console" not in kesdeploy("status", expect=7).stdout
    assert ask("status", expect=7)["data"]["endpoints"]["console"] == ""


# --- an engine that is gone, looking alone


def test_an_engine_that_is_gone_is_3(up, kesdeploy, ask, monkeypatch):
    def gone(*_):
        raise EngineError("podman does not answer", hint="systemctl start podman.socket")

    monkeypatch.setattr("kesdeploy.opening.open_engine", gone)
    for command in ("status", "verify", "logs"):
        assert kesdeploy(command, expect=3).stderr.splitlines()[0] == "error: podman does not answer"
        assert ask(command, expect=3)["problems"][0]["code"] == "engine"
    assert ask("list")["data"]["deployments"][0]["state"] == "error: podman does not answer"


# --- policy, schema


def test_a_policy_can_be_pasted(here, kesdeploy, ask):
    text = kesdeploy("policy", "vault").stdout
    assert 'path "kv/' in text
    assert ask("policy", "vault")["data"]["policy"].rstrip("\n") == text.rstrip("\n")
    assert "needs no policy" in kesdeploy("policy", "fs").stdout


def test_the_schema_is_the_document_itself_for_editors(here, kesdeploy, ask):
    plain = json.loads(kesdeploy("schema").stdout)
    assert plain == ask("schema")["data"]
    assert "keystore" in plain["properties"]


def test_looking_changes_nothing(up, kesdeploy):
    before = {p: p.read_bytes() for p in up.home.root.rglob("*") if p.is_file()}
    up.engine.calls.clear()
    for command in ("status", "list", "logs", "plan", "policy", "schema"):
        kesdeploy(command)
    assert {call[0] for call in up.engine.calls} == {"close"}
    assert {p: p.read_bytes() for p in up.home.root.rglob("*") if p.is_file()} == before
