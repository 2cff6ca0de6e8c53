"""What people read: of every kind of result, what matters is there, and nothing says more than is true."""

from __future__ import annotations

import io
import json

import pytest

from kesdeploy.blocks import lines_of
from kesdeploy.cli import (
    autostart_views,
    bucket_views,
    certificate_views,
    key_views,
    log_views,
    status_views,
    views,
)
from kesdeploy.terminal import Terminal

GOOD = {"name": "object", "ok": True, "evidence": "came back equal", "hint": "", "code": ""}
OTHER = {"name": "MinIO is ready", "ok": True, "evidence": "answers 200", "hint": "", "code": ""}
BAD = {"name": "KES", "ok": False, "evidence": "refused: no", "hint": "kesdeploy logs -n fs kes", "code": "service"}
UP = {
    "deployment": "fs",
    "folder": "/home/me/minio-kes-fs",
    "sandbox": False,
    "endpoints": {"s3": "http://127.0.0.1:9000", "console": "http://127.0.0.1:9001", "kes": "https://127.0.0.1:7373"},
    "user": "admin-1",
    "password_file": "/home/me/minio-kes-fs/secrets/root-password",
    "keep": ["secrets/", "ca/", "kes/"],
    "checks": [OTHER, GOOD],
    "changes": [{"verb": "create", "address": "pod/pod", "reason": "missing"}],
    "unchanged": 13,
}
STATUS = {
    "deployment": "fs",
    "state": "unhealthy",
    "engine": {"name": "podman", "version": "4.3.1", "reason": "asked for", "rootless": False},
    "sandbox": False,
    "containers": [
        {
            "name": "fs-kes-server",
            "part": "kes",
            "state": "running",
            "image": "kes:1",
            "restarts": 0,
            "since": "2026-01-01 00:00:00",
            "uptime_seconds": 300,
            "address": "https://127.0.0.1:7373",
        },
        {
            "name": "fs-minio-server",
            "part": "minio",
            "state": "MISSING",
            "image": "",
            "restarts": 0,
            "since": "",
            "uptime_seconds": None,
            "address": "http://127.0.0.1:9000",
        },
    ],
    "keystore": {"kind": "vault", "state": "SEALED"},
    "kms": "UNREACHABLE (connection refused)",
    "latency": {"keystore_ms": None, "kms_ms": None},
    "traffic": {"kes": None, "minio": None},
    "auto_encryption": False,
    "certificates": [
        {"name": "kes-server", "days_left": 12, "not_after": "2026-01-13", "serial": "1f", "yours": False},
    ],
    "endpoints": UP["endpoints"],
    "drift": [],
}


def lines(view, data) -> list[str]:
    shown = view(data)
    return shown.splitlines() if isinstance(shown, str) else lines_of(shown, Terminal(io.StringIO()))


def row(found: list[str], first: str) -> str:
    """The one line of a table that begins with this word."""
    (line,) = [line for line in found if line.split("  ")[0] == first]
    return line


# --- up


def test_up_ends_with_how_to_log_in_and_what_to_keep():
    found = lines(views.up, UP)
    assert found[0] == "✓ proven: came back equal"
    assert row(found, "S3").endswith("http://127.0.0.1:9000")
    assert row(found, "Console").endswith("http://127.0.0.1:9001")
    assert row(found, "KES").endswith("https://127.0.0.1:7373")
    assert row(found, "User").endswith("admin-1")
    assert row(found, "Password").endswith("in /home/me/minio-kes-fs/secrets/root-password")
    assert row(found, "Use it").endswith('eval "$(kesdeploy env -n fs)"')
    assert row(found, "Keep safe").endswith("/home/me/minio-kes-fs/ (secrets/, ca/, kes/)")
    assert "loses every encrypted object" in found[-1]


def test_an_up_that_changed_nothing_says_so_first():
    assert lines(views.up, {**UP, "changes": []})[0] == "✓ fs: nothing to change (13 parts as they should be)"
    assert not any("nothing to change" in line for line in lines(views.up, UP))


def test_a_proof_that_failed_is_never_called_proven():
    found = lines(views.up, {**UP, "checks": [OTHER, BAD, GOOD]})
    assert not any("proven" in line for line in found)
    assert found[:4] == [
        "✓ MinIO is ready: answers 200",
        "✗ KES: refused: no",
        "  try: kesdeploy logs -n fs kes",
        "✓ object: came back equal",
    ]


@pytest.mark.parametrize(("view", "data"), [(views.up, UP), (status_views.status, STATUS)])
def test_the_sandbox_is_said_loudly_where_it_runs_and_only_there(view, data):
    assert f"! {views.SANDBOX}" in lines(view, {**data, "sandbox": True})
    assert not any("SANDBOX" in line for line in lines(view, data))


def test_verify_shows_every_check_also_when_all_is_well():
    assert lines(views.checked, {"checks": [OTHER, GOOD]}) == [
        "✓ MinIO is ready: answers 200",
        "✓ object: came back equal",
    ]


# --- plan


def test_a_plan_is_a_table_with_reasons_and_counts_what_stays():
    found = lines(views.planned, UP)
    assert found[:2] == ["DO      WHAT     BECAUSE", "create  pod/pod  missing"]
    assert found[-1] == "1 to change, 13 as they should be. Nothing was touched."


def test_a_plan_without_changes():
    assert lines(views.planned, {**UP, "changes": []}) == ["✓ fs: nothing to change"]


# --- status, list


def test_status_names_what_is_wrong_where_one_looks_for_it():
    found = lines(status_views.status, STATUS)
    assert row(found, "kes").split() == ["kes", "running", "kes:1", "5", "min", "https://127.0.0.1:7373"]
    assert row(found, "minio").split() == ["minio", "MISSING", "-", "-", "http://127.0.0.1:9000"]
    assert row(found, "Keystore").endswith("vault: SEALED")
    assert row(found, "KMS").endswith("UNREACHABLE (connection refused)")
    assert row(found, "Auto-encryption").endswith("off")
    assert row(found, "Engine").endswith("podman 4.3.1 (asked for)")
    assert row(found, "Certificates").endswith("kes-server 12 days")
    assert row(found, "Console").endswith("http://127.0.0.1:9001")
    assert not any(line.startswith(("KES served", "MinIO asked")) for line in found)


TRAFFIC = {"requests": 27, "errors": 1, "failures": 0, "mean_ms": 0.349, "most_ms": 10.0, "per_second": None}


def test_status_tells_what_the_servers_count():
    minio = {**TRAFFIC, "mean_ms": None, "requests": 1, "errors": 0, "failures": 2, "per_second": 0.5}
    latency = {"keystore_ms": 1, "kms_ms": 123.4}
    data = {**STATUS, "kms": "ok: k", "traffic": {"kes": TRAFFIC, "minio": minio}, "latency": latency}
    found = lines(status_views.status, data)
    assert row(found, "KES served").endswith("27 requests (1 error, 0 failures), 0.35 ms each")
    assert row(found, "MinIO asked").endswith("0.5/s; 1 request (0 errors, 2 failures), 99 % in 10 ms")
    assert row(found, "KMS").endswith("ok: k (123 ms)")
    assert row(found, "Keystore").endswith("vault: SEALED (1 ms)")


def test_a_certificate_that_expired_is_not_said_to_have_days_left():
    expired = [{"name": "kes-server", "days_left": -3, "not_after": "2026-01-01", "serial": "1f", "yours": True}]
    line = row(lines(status_views.status, {**STATUS, "certificates": expired}), "Certificates")
    assert line.endswith("kes-server EXPIRED (yours)")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, ""), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (200000, "2 days")],
)
def test_how_long_it_runs(seconds, told):
    assert status_views.uptime(seconds) == told


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("quay.io/minio/kes:2025-03-12T09-35-18Z@sha256:ab", "2025-03-12T09-35-18Z"),
        ("docker.io/other/kes:1", "other/kes:1"),
        ("localhost/kesdeploy-sandbox/kes:8ba3", "stand-in"),
        ("sha256:0123456789abcdef", "sha256:0123456789ab"),
        ("", "-"),
    ],
)
def test_an_image_is_told_by_what_tells_it_apart(image, told):
    part = {**STATUS["containers"][0], "image": image}
    assert row(lines(status_views.status, {**STATUS, "containers": [part]}), "kes").split()[2] == told


def test_status_fits_a_narrow_terminal():
    release = "quay.io/minio/minio:RELEASE.2025-04-22T22-12-26Z"
    parts = [{**STATUS["containers"][0], "part": "minio", "image": release, "address": "https://127.0.0.1:9000"}]
    assert max(map(len, lines(status_views.status, {**STATUS, "containers": parts}))) <= 80


def test_the_list_of_none_says_how_to_make_one():
    assert lines(views.listed, {"deployments": []}) == ["No deployment here. kesdeploy up --kms fs makes one."]


def test_the_list_says_where_each_is_and_how():
    entry = {"name": "fs", "state": "degraded", "keystore": "fs", "engine": "podman", "s3": "http://x", "folder": "/f"}
    found = lines(views.listed, {"deployments": [entry, {**entry, "name": "two", "state": "error: corrupt"}]})
    assert row(found, "fs").split() == ["fs", "degraded", "fs", "podman", "http://x", "/f"]
    assert "error: corrupt" in row(found, "two")


# --- stop, down, destroy


def test_stop_names_what_stopped_and_the_way_back():
    found = lines(views.stopped, {"deployment": "fs", "stopped": ["fs-minio-server", "fs-kes-server"]})
    assert found == ["✓ stopped: fs-minio-server, fs-kes-server. `kesdeploy start -n fs` brings it back."]


def test_stop_of_what_did_not_run():
    assert "nothing ran" in lines(views.stopped, {"deployment": "fs", "stopped": []})[0]


def test_down_says_what_stays_and_destroy_does_not():
    down = lines(views.removed, {"deployment": "fs", "removed": ["minio-kes-fs"], "kept": "/home/me/minio-kes-fs"})
    destroy = lines(views.removed, {"deployment": "fs", "removed": ["minio-kes-fs", "/f"], "kept": ""})
    assert down[0] == "✓ removed: minio-kes-fs"
    assert "stay in /home/me/minio-kes-fs" in down[1]
    assert "`kesdeploy up -n fs` brings all back" in down[1]
    assert destroy == ["✓ removed: minio-kes-fs, /f"]
    stay = {"keystore": "AWS Secrets Manager", "keys": ["one", "two"]}
    left = lines(views.removed, {"deployment": "aws", "removed": ["/f"], "kept": "", "stay": stay})
    assert "Not removed: one, two in AWS Secrets Manager" in left[-1]
    assert "nothing was there" in lines(views.removed, {"deployment": "fs", "removed": [], "kept": ""})[0]


def test_what_to_type_next_names_the_deployment():
    data = {"bucket": "photos", "deployment": "fs", "objects": 2, "rewrapped": 2, "left": 0, "key": "new"}
    assert "`kesdeploy key info old -n fs`" in lines(bucket_views.rewrapped, {**data, "before": ["old"]})[1]
    assert "autostart enable -n fs" in lines(autostart_views.told, {"deployment": "fs", "enabled": False})[0]


def test_a_rule_that_was_so_already_is_told():
    now = {"mode": "", "key": ""}
    again = lines(bucket_views.ruled, {"bucket": "photos", **now, "before": now})
    assert again == ["✓ photos: nothing encrypts new objects; nothing changed"]
    first = lines(bucket_views.ruled, {"bucket": "photos", **now, "before": {"mode": "sse-kms", "key": "k"}})
    assert first[0] == "✓ photos: nothing encrypts new objects"


def test_a_client_without_commands_is_no_heading():
    ways = [{"client": "curl", "note": "", "lines": ["curl"]}, {"client": "Firefox", "note": "Import", "lines": []}]
    data = {"out": "/x", "ca": "/x", "sha256": "", "for": "", "https": True, "ways": ways}
    assert [line for line in lines(certificate_views.trusting, data) if line][-1] == "Firefox (Import)"
    assert "curl:" in lines(certificate_views.trusting, data)


def test_a_key_was_made_at_a_second():
    data = dict.fromkeys(("key", "keystore", "maker", "created_by", "algorithm", "default", "minio", "fingerprint"), "")
    data |= {"buckets": [], "objects": 0, "objects_in": {}, "objects_whole": True, "configuration": False, "spec": []}
    found = lines(key_views.info, {**data, "created_at": "2026-11-21T11:49:29.265447542Z"})
    assert row(found, "Made").split() == ["Made", "2026-11-21T11:49:29Z"]


# --- files


def test_rendered_files_are_shown_as_they_are_or_named():
    found = lines(views.rendered, {"files": {"config/a": "x: 1\n  y: 2\n", "/out/b": ""}})
    assert found == ["# ---- config/a", "x: 1", "  y: 2", "", "✓ /out/b"]


def test_init_names_the_file_and_the_next_command():
    assert lines(views.written, {"file": "./x.yaml", "deployment": "fs"}) == [
        "✓ wrote ./x.yaml; nothing was started",
        "kesdeploy up --config ./x.yaml",
    ]


def test_a_policy_is_shown_as_it_is_pasted_and_its_absence_in_words():
    text = 'path "kv/*" {\n  capabilities = ["read"]\n}\n'
    assert lines(views.policy, {"policy": text, "keystore": "vault"}) == text.rstrip("\n").split("\n")
    assert "'fs' needs no policy" in lines(views.policy, {"policy": "", "keystore": "fs"})[0]


def test_a_schema_is_json():
    assert json.loads(views.as_json({"title": "größe"})) == {"title": "größe"}
    assert "größe" in views.as_json({"title": "größe"})


# --- logs, doctor, images


def test_a_log_line_has_its_time_and_who_said_it():
    line = {"time": "2026-01-01T12:34:56.789012Z", "container": "kes", "stream": "stderr", "text": "two  blanks"}
    assert lines(lambda data: [log_views.log_line(data)], line) == ["12:34:56.789 kes      two  blanks"]
    empty = {**line, "container": "minio", "text": "", "time": "2026-01-01T12:34:56Z"}
    assert lines(lambda data: [log_views.log_line(data)], empty) == ["12:34:56     minio    "]


def test_doctor_marks_what_is_to_be_done_and_says_what_was():
    findings = [
        {"name": "engine", "verdict": "PASS", "evidence": "podman 4.3.1", "fix": ""},
        {"name": "ulimits", "verdict": "WARN", "evidence": "1024", "fix": "kesdeploy doctor --fix"},
        {"name": "socket", "verdict": "FAIL", "evidence": "none", "fix": "systemctl start podman.socket"},
    ]
    assert lines(views.examined, {"findings": findings, "done": ["wrote /etc/x"]}) == [
        "✓ engine: podman 4.3.1",
        "! ulimits: 1024",
        "  try: kesdeploy doctor --fix",
        "✗ socket: none",
        "  try: systemctl start podman.socket",
        "• wrote /etc/x",
    ]


def test_a_tool_that_spoke_for_itself_is_not_repeated():
    assert lines(views.nothing, {"anything": 1}) == []
