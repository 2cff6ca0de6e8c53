"""`key` and `bucket` as they are typed: documents, exit codes, what is printed, and what never is."""

from __future__ import annotations

import base64
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from commands import Done, run, run_here
from key_world import key_world
from test_contract_json import checked

from kesdeploy.cli import completing
from kesdeploy.spec import DEFAULT_KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core_fixtures import World

SECRET = bytes(range(100, 132))
WORD = base64.b64encode(SECRET).decode()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return key_world(tmp_path, monkeypatch)


@pytest.fixture
def call(here: World, tmp_path: Path) -> Callable[..., Done]:
    def called(*words: str, stdin: str = "", expect: int = 0) -> Done:
        done = run_here(*words, home=tmp_path, stdin=stdin)
        assert done.returncode == expect, done
        assert "Traceback" not in done.stderr
        return done

    return called


@pytest.fixture
def ask(call: Callable[..., Done]) -> Callable[..., dict[str, Any]]:
    def asked(*words: str, stdin: str = "", expect: int = 0, command: str = "") -> dict[str, Any]:
        done = call(*words, "--json", stdin=stdin, expect=expect)
        return checked(done, command or " ".join(words[:2]), expect)

    return asked


NAMED = [
    ("key", "list"),
    ("key", "info", "k"),
    ("key", "create", "k"),
    ("key", "dek", "k"),
    ("key", "encrypt", "k", "env:HOME"),
    ("key", "decrypt", "k", "eA=="),
    ("key", "import", "k", "env:THE_KEY"),
    ("key", "delete", "k", "--yes"),
    ("bucket", "list"),
    ("bucket", "create", "photos"),
    ("bucket", "check"),
    ("bucket", "rewrap", "photos", "k"),
    ("bucket", "encrypt", "set", "photos"),
    ("bucket", "encrypt", "clear", "photos"),
    ("bucket", "encrypt", "show", "photos"),
]


@pytest.mark.parametrize("words", NAMED, ids=lambda words: "-".join(words[:3]))
def test_no_deployment_at_all(tmp_path, words):
    command = " ".join(words[: 3 if words[1] == "encrypt" and words[0] == "bucket" else 2])
    found = checked(run(*words, "--json", home=tmp_path, THE_KEY=WORD), command, 2)
    assert found["problems"][0]["hint"] == "kesdeploy up --kms fs"


def test_a_key_through_its_life(ask, call):
    assert ask("key", "create", "invoices")["data"]["keys"][0]["created"] is True
    assert "invoices" in call("key", "list").stdout
    assert ask("key", "info", "invoices")["data"]["maker"] == "operator"
    sealed = call("key", "encrypt", "invoices", stdin="größe\n").stdout.strip()
    assert call("key", "decrypt", "invoices", sealed, "--text").stdout == "größe\n"
    assert base64.b64decode(call("key", "decrypt", "invoices", stdin=sealed).stdout) == "größe\n".encode()
    assert ask("key", "delete", "invoices", expect=9)["problems"][0]["hint"].endswith("--yes")
    ask("key", "delete", "invoices", "--yes")
    assert "invoices" not in call("key", "list").stdout


def test_a_bucket_through_its_life(here, ask, call):
    assert ask("bucket", "create", "photos", "--key", "own")["data"]["created"] is True
    words = ("bucket", "encrypt")
    assert ask(*words, "show", "photos", command="bucket encrypt show")["data"]["key"] == "own"
    assert ask(*words, "set", "photos", command="bucket encrypt set")["data"]["key"] == DEFAULT_KEY
    here.store.door(here.spec, here.home).here.put("photos", "cat", "sse-kms", "own")
    row = ask("bucket", "check", "photos", expect=7)["data"]["buckets"][0]
    assert (row["wrong"], row["exceptions"][0]["object"]) == (1, "cat")
    assert ask("bucket", "rewrap", "photos")["data"]["rewrapped"] == 1
    assert "all 1 under" in call("bucket", "check", "photos").stdout
    assert ask(*words, "clear", "photos", command="bucket encrypt clear")["data"]["mode"] == "auto"
    assert "photos" in call("bucket", "list").stdout


# --- what is secret


def test_a_key_is_never_a_word_of_the_command(here, ask):
    for words in (("import", "mine", WORD), ("encrypt", DEFAULT_KEY, WORD)):
        found = json.dumps(ask("key", *words, expect=2))
        assert WORD not in found
        assert "@FILE" in found
    assert here.kes.imported == {}


@pytest.mark.parametrize("how", ["raw", "base64", "stdin", "variable"])
def test_a_key_is_read_and_not_shown(here, call, tmp_path, monkeypatch, how):
    (tmp_path / "raw").write_bytes(SECRET)
    (tmp_path / "base64").write_text(WORD + "\n")
    monkeypatch.setenv("THE_KEY", WORD)
    source = {"raw": "@raw", "base64": "@base64", "stdin": "-", "variable": "env:THE_KEY"}[how]
    done = call("key", "import", "mine", source, "-v", stdin=WORD)
    assert here.kes.imported["mine"][0] == SECRET
    assert WORD not in done.stdout + done.stderr


@pytest.mark.parametrize("source", ["@nowhere", "@/", "@", "env:NOT_SET", "env:", "@\0", "@~nobody/x"])
def test_sources_that_give_nothing(ask, source):
    assert ask("key", "import", "mine", source, expect=2)["problems"][0]["hint"]


def test_too_much(ask, tmp_path):
    (tmp_path / "big").write_bytes(b"x" * 1_000_000)
    assert "key dek" in ask("key", "encrypt", DEFAULT_KEY, "@big", expect=2)["problems"][0]["hint"]
    ask("key", "import", "mine", "@big", expect=2)


def test_three_commands_print_secrets_and_files_are_private(call, ask, tmp_path):
    made = ask("key", "dek", DEFAULT_KEY)["data"]
    plain = base64.b64decode(made["plaintext"])
    assert made["plaintext"] in call("key", "decrypt", DEFAULT_KEY, made["ciphertext"]).stdout
    done = call("key", "decrypt", DEFAULT_KEY, made["ciphertext"], "--out", "plain")
    assert (tmp_path / "plain").read_bytes() == plain
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o600
    assert made["plaintext"] not in done.stdout + done.stderr
    found = ask("key", "dek", DEFAULT_KEY, "--out", "data-key")["data"]
    assert "plaintext" not in found
    assert len((tmp_path / "data-key").read_bytes()) == 32


def test_bytes_that_are_no_text(call, ask, tmp_path):
    (tmp_path / "noise").write_bytes(b"\xff\xfe\0")
    sealed = call("key", "encrypt", DEFAULT_KEY, "@noise").stdout.strip()
    assert "--out" in ask("key", "decrypt", DEFAULT_KEY, sealed, "--text", expect=2)["problems"][0]["hint"]
    assert base64.b64decode(call("key", "decrypt", DEFAULT_KEY, sealed).stdout) == b"\xff\xfe\0"


def test_a_context_binds(ask, call, tmp_path):
    (tmp_path / "context").write_text("bound")
    sealed = call("key", "encrypt", DEFAULT_KEY, "--context", "bound", stdin="x").stdout.strip()
    assert call("key", "decrypt", DEFAULT_KEY, sealed, "--context", "@context", "--text").stdout == "x\n"
    assert "--context" in ask("key", "decrypt", DEFAULT_KEY, sealed, expect=6)["problems"][0]["hint"]


# --- odd words


ODD = ["a/b", "../x", "a?x", "-", "ключ", "a" * 200, "a\nb", "\x1b[31m", "%41", "a b"]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_of_keys(here, ask, name):
    here.kes.silent = True  # nothing is sent
    for words in (("info", name), ("dek", name), ("delete", name, "--yes"), ("create", name)):
        found = ask("key", *words, expect=2)
        assert "\x1b" not in found["problems"][0]["message"]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_of_buckets(here, ask, name):
    here.store.silent = True
    for words in (("create", name), ("check", name), ("rewrap", name)):
        ask("bucket", *words, expect=2)


def test_objects_cannot_drive_the_terminal(here, call):
    call("bucket", "create", "photos")
    here.store.door(here.spec, here.home).here.put("photos", "\x1b]0;title\x07cat", "", "")
    shown = call("bucket", "check", expect=7).stdout
    assert "\x1b" not in shown
    assert "cat" in shown


# --- completion


class Context:
    def __init__(self) -> None:
        self.params = {"name": "fs"}


def test_names_are_completed_from_files(here, call):
    call("bucket", "create", "photos", "--key", "photo-key")
    (here.home.path("minio") / "music").mkdir()
    here.kes.silent = here.store.silent = True
    assert completing.keys(Context(), "") == [DEFAULT_KEY, "photo-key"]
    assert completing.keys(Context(), "photo") == ["photo-key"]
    assert completing.buckets(Context(), "") == ["music", "photos"]


def test_completion_never_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("KESDEPLOY_HOME", str(tmp_path))
    assert completing.keys(Context(), "") == []
    assert completing.buckets(Context(), "") == []
