"""Secrets that come over standard input."""

from __future__ import annotations

import io
import sys

import pytest

from kesdeploy.cli.piped import from_stdin, line
from kesdeploy.errors import UsageError


def _text(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="surrogateescape")


def test_each_dash_is_a_line(monkeypatch):
    monkeypatch.setattr(sys, "stdin", _text(b"first word\r\nsecond\n"))
    given = {"minio.root_password": "-", "minio.drives": 4, "keystore.vault.secret_id": "-"}
    overrides, secrets = from_stdin(given)
    assert overrides == {"minio.drives": 4, "keystore.vault.secret_id": None}
    assert secrets == {"root-password": "first word", "vault-secret_id": "second"}


@pytest.mark.parametrize("stdin", [None, _text(b""), _text(b"\n"), _text(b"\r\n")], ids=str)
def test_nothing_there_says_how_to_give_it(monkeypatch, stdin):
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(UsageError) as error:
        line()
    assert "env:NAME" in error.value.hint


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_what_is_no_text_is_refused_and_not_repeated(monkeypatch, errors):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xffsecret\n"), encoding="utf-8", errors=errors))
    with pytest.raises(UsageError, match="no text") as error:
        line()
    assert "secret" not in repr(error.value)
