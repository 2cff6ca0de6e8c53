"""logs: lines of several containers as one, what known ones mean, and KES's audit as a table."""

from __future__ import annotations

import io
import json
import re
import time

import pytest
from commands import run_here

from kesdeploy import pki
from kesdeploy.blocks import lines_of
from kesdeploy.cli import log_views
from kesdeploy.cli.options import moment
from kesdeploy.engines import LogLine
from kesdeploy.errors import UsageError
from kesdeploy.terminal import Terminal

KES, MINIO = "fs-kes-server", "fs-minio-server"
KNOWN = "Error: kesconf: no keystore specified"
STRANGER = "b" * 64
AUDITED = (
    "level=INFO msg=\"secret key 'k1' created\" req.method=PUT req.path=/v1/key/create/k1 req.ip=10.0.0.7 "
    "req.identity={} res.code=200 res.time=19.03ms"
)
DENIED = (
    'level=DEBUG msg="access denied: rejected by policy \'minio\'" req="&{Method:PUT URL:/v1/key/create/k1 '
    'Proto:HTTP/2.0 Host:127.0.0.1 RemoteAddr:127.0.0.1:33032 RequestURI:/v1/key/create/k1}"'
)


class Screen(io.StringIO):
    """Somebody looks at it."""

    def isatty(self) -> bool:
        return True


def says(world, name: str, second: float, text: str, stream: str = "stderr") -> None:
    line = LogLine(f"2026-01-01T00:00:0{second}Z", stream, text)
    world.engine._logs.setdefault(name, []).append(line)


@pytest.fixture
def spoken(up):
    up.engine._logs.clear()
    for second, name, text in ((1.123456789, KES, "one"), (3.2, KES, "three"), (2.123456789, MINIO, "two")):
        says(up, name, second, text)
    return up


# --- lines


def test_lines_are_in_order_of_time_with_who_said_them(spoken, kesdeploy, ask):
    assert kesdeploy("logs").stdout == (
        "00:00:01.123 kes      one\n00:00:02.123 minio    two\n00:00:03.200 kes      three\n"
    )
    (line,) = ask("logs", "minio")["data"]["lines"]
    assert line == {
        "time": "2026-01-01T00:00:02.123456789Z",
        "container": "minio",
        "stream": "stderr",
        "text": "two",
        "explained": [],
    }


def test_a_short_fraction_of_a_second_is_no_late_one(up, kesdeploy):
    up.engine._logs.clear()
    says(up, KES, 1.75, "second")
    says(up, MINIO, 1.7, "first")
    assert re.findall("first|second", kesdeploy("logs").stdout) == ["first", "second"]
    assert re.findall("first|second", kesdeploy("logs", "-f").stdout) == ["first", "second"]


def test_kes_tells_its_time_where_the_engine_has_whole_seconds(up, kesdeploy, ask):
    up.engine._logs.clear()
    says(up, KES, 1, "time=2026-01-01T00:00:01.500Z level=INFO msg=one")
    says(up, KES, 1, "after one")
    says(up, MINIO, 1, "before one")
    assert kesdeploy("logs").stdout == (
        "00:00:01     minio    before one\n00:00:01.500 kes      level=INFO msg=one\n00:00:01.500 kes      after one\n"
    )
    assert ask("logs", "kes")["data"]["lines"][0]["text"].startswith("time=2026")


def test_of_a_request_that_kes_dumps_people_see_what_was_asked(spoken, kesdeploy, ask):
    says(spoken, KES, 4, DENIED)
    said = "level=DEBUG msg=\"access denied: rejected by policy 'minio'\" PUT /v1/key/create/k1 from 127.0.0.1:33032"
    assert kesdeploy("logs", "kes").stdout.endswith(f"kes      {said}\n")
    assert ask("logs", "kes")["data"]["lines"][-1]["text"] == DENIED


def test_the_last_lines_of_one(spoken, kesdeploy):
    assert kesdeploy("logs", "kes", "--tail", "1").stdout.endswith("kes      three\n")
    assert kesdeploy("logs", "kes", "--tail", "1").stdout.count("\n") == 1


@pytest.mark.parametrize("tail", ["-1", "many"])
def test_a_tail_that_is_no_number_of_lines_is_refused(spoken, kesdeploy, tail):
    refused = kesdeploy("logs", "--tail", tail, expect=2)
    assert "--tail" in refused.stderr


def test_none_of_the_last_lines_leaves_those_to_come(spoken, kesdeploy):
    assert kesdeploy("logs", "--tail", "0").stdout == ""


def test_since_asks_for_all_from_there(spoken, kesdeploy, monkeypatch):
    asked, logs = [], spoken.engine.logs

    def remembered(name, **which):
        asked.append(which)
        return logs(name, **which)

    monkeypatch.setattr(spoken.engine, "logs", remembered)
    kesdeploy("logs", "kes")
    kesdeploy("logs", "kes", "--since", "2026-01-01T00:00:00Z")
    kesdeploy("logs", "kes", "--since", "2026-01-01T00:00:00Z", "--tail", "3")
    assert [(which["tail"], which["since"]) for which in asked] == [(200, None), (None, 1767225600), (3, 1767225600)]


def test_a_time_is_an_age_or_a_date(monkeypatch):
    monkeypatch.setattr("kesdeploy.cli.options.time.time", lambda: 100_000.5)
    assert [moment(age) for age in ("10s", "10m", "2h", "1d")] == [99_990, 99_400, 92_800, 13_600]
    assert moment("1970-01-02T00:00:00+00:00") == 86_400
    assert moment("1970-01-02 00:00") == int(time.mktime((1970, 1, 2, 0, 0, 0, 0, 0, -1)))
    for wrong in ("", "yesterday", "10", "-5m", "10 m", "9999999d", "2026-13-01"):
        with pytest.raises(UsageError) as raised:
            moment(wrong)
        assert "--since 10m" in raised.value.hint


def test_following_is_one_document_a_line(spoken, kesdeploy):
    done = kesdeploy("logs", "--follow", "--json")
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["one", "two", "three"]
    assert [line.split()[-1] for line in kesdeploy("logs", "-f").stdout.splitlines()] == ["one", "two", "three"]


def test_a_part_that_there_is_none_of(spoken, kesdeploy):
    refused = kesdeploy("logs", "bogus", expect=2)
    assert refused.stderr.splitlines()[1:] == ["  because: there are kes, minio, vault", "  try: kesdeploy logs kes"]
    assert "'fs' has no vault of its own" in kesdeploy("logs", "vault", expect=2).stderr


def test_stopped_containers_are_read_too(spoken, kesdeploy):
    spoken.engine.dies(KES, 1)
    spoken.engine.dies(MINIO, 1)
    assert "three" in kesdeploy("logs").stdout


def test_what_a_server_said_cannot_drive_the_terminal(spoken, kesdeploy):
    says(spoken, KES, 4, "\x1b[2Jgone\r\x07")
    assert "\\x1b[2Jgone\\x0d\\x07" in kesdeploy("logs").stdout


# --- what they mean


def test_known_lines_are_explained_beneath_once(spoken, kesdeploy, tmp_path):
    says(spoken, KES, 4, KNOWN)
    says(spoken, KES, 5, KNOWN)
    plain = kesdeploy("logs", "kes").stdout
    told = kesdeploy("logs", "kes", "--explain").stdout.splitlines()
    at = told.index(f"00:00:04     kes      {KNOWN}")
    assert told[at + 1].strip().startswith("means: The configuration has no `keystore`")
    assert told[at + 2].strip().startswith("try: ")
    assert told[at + 3].endswith(KNOWN)
    assert len(told) == len(plain.splitlines()) + 2
    assert kesdeploy("logs", "kes", "--no-explain").stdout == plain


def test_on_a_terminal_they_are_explained_by_themselves(spoken, tmp_path, monkeypatch):
    says(spoken, KES, 4, KNOWN)
    monkeypatch.setattr("commands.io.StringIO", Screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = run_here("logs", home=tmp_path).stdout
    assert "means: " in shown
    assert "\x1b[36mkes" in shown
    assert "\x1b[32mminio" in shown
    assert f"\x1b[31m{KNOWN}" in shown
    assert "means: " not in run_here("logs", "--no-explain", home=tmp_path).stdout


def test_programs_get_it_as_a_field(spoken, ask):
    says(spoken, KES, 4, KNOWN)
    *others, last = ask("logs", "kes")["data"]["lines"]
    assert [line["explained"] for line in others] == [[], []]
    assert [(a["id"], sorted(a)) for a in last["explained"]] == [("kes-no-keystore", ["cause", "id", "next", "sure"])]


@pytest.mark.parametrize(
    ("text", "style"),
    [("level=ERROR msg=x", 31), ("FATAL x", 31), ("level=WARN x", 33), ("access denied: x", 33), ("fine", None)],
)
def test_levels_have_colours(text, style, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    block = log_views.log_line({"time": "2026-01-01T00:00:01.5Z", "container": "other", "text": text})
    (line,) = lines_of([block], Terminal(Screen()))
    assert (f"\x1b[{style}m{text}\x1b[0m" in line) if style else line.endswith(f"other    {text}")


# --- audit


@pytest.fixture
def audited(spoken):
    me = pki.identity(spoken.home.secret("operator.crt").read_bytes())
    says(spoken, KES, 4, AUDITED.format(me), "stdout")
    says(spoken, KES, 5, AUDITED.format(STRANGER).replace("created", "deleted").replace("create/", "delete/"), "stdout")
    says(spoken, KES, 6, DENIED)
    return spoken


def test_the_audit_names_who_did_what(audited, kesdeploy, ask):
    head, *rows = kesdeploy("logs", "--audit").stdout.splitlines()
    assert head.split() == ["TIME", "WHO", "DID", "KEY", "RESULT", "FROM"]
    cells = [re.split(r"  +", row) for row in rows]
    assert cells == [
        ["2026-01-01 00:00:04", "operator", "create", "k1", "ok", "10.0.0.7"],
        ["2026-01-01 00:00:05", "bbbbbbbbbbbb…", "delete", "k1", "ok", "10.0.0.7"],
        ["2026-01-01 00:00:06", "minio (by its policy)", "create", "k1", "denied", "127.0.0.1:33032"],
    ]
    data = ask("logs", "--audit")["data"]
    assert [event["identity"] for event in data["events"]][1:] == [STRANGER, ""]
    assert [answer["id"] for answer in data["explained"]] == ["kes-denied-policy"]


def test_denials_are_explained_beneath(audited, kesdeploy):
    told = kesdeploy("logs", "--audit", "--explain").stdout
    assert "! The policy minio does not allow what was asked for (PUT /v1/key/create/k1), or denies it." in told
    assert "try: add the path to that policy's allow" in told


def test_what_kes_does_not_log_is_said(audited, kesdeploy):
    said = kesdeploy("logs", "--audit").stderr
    assert "and nothing else" in said
    assert "kesdeploy up -n fs --set kes.log.error=debug" in said


def test_the_last_events_count_events(audited, ask):
    assert [event["result"] for event in ask("logs", "--audit", "--tail", "1")["data"]["events"]] == ["denied"]
    assert ask("logs", "--audit", "--tail", "0")["data"]["events"] == []


def test_the_audit_as_it_comes(audited, kesdeploy):
    lines = kesdeploy("logs", "--audit", "--follow").stdout.splitlines()
    assert lines[0].split() == ["2026-01-01", "00:00:04", "ok", "create", "k1", "operator,", "from", "10.0.0.7"]
    found = [json.loads(line) for line in kesdeploy("logs", "--audit", "-f", "--json").stdout.splitlines()]
    assert [event["who"] for event in found] == ["operator", "bbbbbbbbbbbb…", "minio (by its policy)"]


def test_without_events_that_is_said(spoken, kesdeploy):
    assert kesdeploy("logs", "--audit").stdout == "No event that KES logged, since its container was made.\n"


def test_minio_audits_nothing(spoken, kesdeploy):
    assert "kesdeploy logs --audit" in kesdeploy("logs", "minio", "--audit", expect=2).stderr
