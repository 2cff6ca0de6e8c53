"""Names are looked at before anything is sent, and say what is wrong with them."""

from __future__ import annotations

import re

import pytest
from core_fixtures import spec_of
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy.errors import UsageError
from kesdeploy.keyring import names

WILD = ["", "a/b", "a?b", "a#b", "../x", "-a", "a-", "_", "a b", "a.b", "ключ", "a" * 81, "a\n", "a\0b", "%2e", "*"]
AZURE = "name: fs\nkey_name: mine\nkeystore: {azure: {endpoint: 'https://hhaz.vault.azure.net'}}\n"


@pytest.mark.parametrize("name", WILD)
def test_what_no_kes_has(name):
    for check in (names.asked, lambda name: names.new(spec_of(), name)):
        with pytest.raises(UsageError) as caught:
            check(name)
        assert caught.value.because
        assert len(caught.value.what) < 200


@given(st.text(max_size=200))
def test_any_text_is_a_name_or_a_clear_answer(text):
    if re.fullmatch(r"[0-9A-Za-z_-]{1,80}", text) and text.strip("_") and text == text.strip("-"):
        assert names.asked(text) == text
    else:
        with pytest.raises(UsageError) as caught:
            names.asked(text)
        assert caught.value.because


def test_what_minio_would_blank_is_no_new_name():
    assert names.asked("env-key") == "env-key"
    with pytest.raises(UsageError, match="env-key") as caught:
        names.new(spec_of(), "env-key")
    assert "MinIO blanks" in caught.value.because


def test_the_prefix_that_minio_is_limited_to():
    spec = spec_of(kes__key_prefix="team-a-", key_name="team-a-default")
    assert names.new(spec, "team-a-1") == "team-a-1"
    with pytest.raises(UsageError) as caught:
        names.new(spec, "team-b-1")
    assert "does not begin with" in caught.value.because


def test_what_azure_would_refuse_or_take_for_another():
    spec = spec_of(AZURE)
    with pytest.raises(UsageError) as caught:
        names.new(spec, "with_underscore")
    assert "Azure allows no '_'" in caught.value.because
    assert caught.value.hint == "with-underscore"
    with pytest.raises(UsageError) as caught:
        names.new(spec, "MINE")
    assert "one name" in caught.value.because
    assert names.new(spec, "mine") == "mine"


@pytest.mark.parametrize(("typed", "meant"), [("", ""), ("a", "a"), ("a-", "a-"), ("a*", "a"), ("*", ""), ("_", "_")])
def test_the_beginning_of_names(typed, meant):
    assert names.prefix(typed) == meant


@pytest.mark.parametrize("typed", ["-", "a/b", "a.b", "a" * 81, "a**", "ключ", "\0"])
def test_what_no_name_begins_with(typed):
    with pytest.raises(UsageError, match="begins with"):
        names.prefix(typed)
