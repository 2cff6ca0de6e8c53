"""Secrets that the user brings: whatever a source is, there is the secret, or one clear refusal without it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kesdeploy import given as brought
from kesdeploy.errors import UsageError
from kesdeploy.minio_rules import unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = "correct-horse-battery"


def refusal(call: Callable[[], object]) -> str:
    """All that a refusal says; empty when there is none."""
    try:
        call()
    except UsageError as error:
        return f"{error} {error.because} {error.hint}"
    return ""


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_file_without_the_line_end_of_its_editor(tmp_path, ending):
    (tmp_path / "password").write_bytes(f"{GOOD}{ending}".encode())
    assert brought.read("root-password", f"@{tmp_path}/password") == GOOD


def test_only_one_line_end_goes_and_the_rest_is_refused(tmp_path):
    (tmp_path / "password").write_text(f"{GOOD}\n\n")
    with pytest.raises(UsageError, match="cannot use") as raised:
        brought.read("root-password", f"@{tmp_path}/password")
    assert "line end" in raised.value.because


def test_a_variable_and_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PASSWORD", GOOD)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "password").write_text(GOOD)
    assert brought.read("root-password", "env:PASSWORD") == GOOD
    assert brought.read("root-password", "@~/password") == GOOD


@pytest.mark.parametrize(
    "source",
    ["@", "@/nonexistent/file", "@/", "@~nobody-of-that-name/file", "@a\0b", "env:NOT_SET", "env:EMPTY", "env:"],
)
def test_a_source_that_holds_nothing_is_named_with_the_reason(monkeypatch, source):
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(UsageError) as raised:
        brought.read("root-password", source)
    assert raised.value.what == f"no root-password in {source}"
    assert raised.value.because
    assert raised.value.hint


def test_a_variable_that_is_no_text(monkeypatch):
    monkeypatch.setitem(os.environb, b"KESDEPLOY_TEST", b"\xffsecret")
    with pytest.raises(UsageError) as error:
        brought.read("root-password", "env:KESDEPLOY_TEST")
    assert "not text" in error.value.because
    assert "secret" not in repr(error.value)


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="no root-password in"):
        brought.read("root-password", f"@{tmp_path}/key")


@given(st.text(st.characters(blacklist_categories=("Cs",)), max_size=40))
@example("envoy-password")
@example(" padded-password ")
@example("short")
@example("")
def test_a_root_password_is_what_minio_reads_back_or_refused_unseen(value):
    unusable = bool(unreadable(value)) or len(value.encode()) < brought.LEAST_PASSWORD
    told = refusal(lambda: brought.check("root-password", value))
    assert bool(told) is unusable
    assert len(value) < 4 or value not in told


def test_other_secrets_may_be_short():
    brought.check("vault-approle-id", "x")


@given(st.text())
@example("@\0")
@example("@~nobody-of-that-name")
def test_any_source_is_answered(source):
    told = refusal(lambda: brought.read("token", source))
    assert not told or told.startswith("no token in")


def test_a_change_at_the_source_counts_and_its_absence_does_not(tmp_path):
    source = tmp_path / "password"
    source.write_text(GOOD)
    assert not brought.changed(f"@{source}", GOOD)
    assert brought.changed(f"@{source}", "another")
    source.unlink()
    assert not brought.changed(f"@{source}", GOOD)


def test_a_source_without_end_is_no_secret():
    with pytest.raises(UsageError) as error:
        brought.read("x", "@/dev/zero")
    assert "longer than" in error.value.because
