from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy.hidden import Hidden

PASSWORD = 'p"w\\d é/1'


@pytest.mark.parametrize(
    "spelled", [PASSWORD, json.dumps(PASSWORD), json.dumps(PASSWORD, ensure_ascii=False), quote(PASSWORD, safe="")]
)
def test_every_spelling_is_hidden(spelled):
    shown = Hidden([PASSWORD]).text(f"denied: {spelled}.")
    assert "p" not in shown.removeprefix("denied: ")
    assert "REDACTED" in shown


def test_a_secret_inside_another_leaves_no_rest():
    hidden = Hidden(["hunter", "hunter-two"])
    assert hidden.text("hunter-two hunter") == "REDACTED REDACTED"


def test_each_line_of_a_key_is_hidden():
    pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\nBQYDK2Vw\n-----END PRIVATE KEY-----\n"
    shown = Hidden([pem]).text(f"{pem}BQYDK2Vw")
    assert "MC4CAQAw" not in shown
    assert "BQYDK2Vw" not in shown
    assert "-----BEGIN PRIVATE KEY-----" in shown


@pytest.mark.parametrize("secret", ["", "a", "abc", "\n"])
def test_what_is_too_short_blanks_nothing(secret):
    assert Hidden([secret]).text("abc abc\n") == "abc abc\n"


def test_data_is_hidden_at_any_depth_and_in_keys():
    body = {"a": ["x hunter22", {"hunter22": 1, "n": None}], "t": ("hunter22",)}
    assert Hidden(["hunter22"]).data(body) == {"a": ["x REDACTED", {"REDACTED": 1, "n": None}], "t": ["REDACTED"]}


@given(st.text(min_size=8).filter(lambda s: len(s.splitlines()) == 1 and len(s.strip()) > 7), st.text(), st.text())
def test_no_secret_survives(secret, before, after):
    shown = Hidden([secret]).text(before + secret + after)
    assert secret.strip() not in shown.replace("REDACTED", "\0")
