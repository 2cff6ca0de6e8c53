"""What every KMS that others run has in common."""

from __future__ import annotations

import pytest

from kesdeploy.errors import UsageError
from kesdeploy.home import Home
from kesdeploy.keystores.outside import secret


@pytest.fixture
def home(tmp_path):
    home = Home("demo", tmp_path / "minio-kes-demo")
    home.prepare()
    return home


def test_a_new_value_goes_before_the_one_that_is_kept(home, monkeypatch):
    home.write_secret("x-key", "old")
    monkeypatch.setenv("X_KEY", "new")
    assert secret(home, "x-key", "env:X_KEY") == "new"


def test_a_source_that_is_gone_changes_nothing(home, monkeypatch):
    """`status` runs in other shells than the first `up`."""
    home.write_secret("x-key", "old")
    monkeypatch.delenv("X_KEY", raising=False)
    assert secret(home, "x-key", "env:X_KEY") == "old"
    assert secret(home, "x-key", "@/nowhere/key") == "old"
    assert secret(home, "x-key", None) == "old"


def test_one_that_is_nowhere_is_named(home, monkeypatch):
    monkeypatch.delenv("X_KEY", raising=False)
    with pytest.raises(UsageError, match="x-key in env:X_KEY"):
        secret(home, "x-key", "env:X_KEY")
    with pytest.raises(UsageError, match="x-key is not known yet"):
        secret(home, "x-key", None)


@pytest.mark.parametrize("value", ["${HOME}", " ${x}"])
def test_one_that_looks_like_a_variable_is_a_secret_as_well(home, monkeypatch, value):
    """It is rendered so that KES does not replace it (render.as_yaml)."""
    monkeypatch.setenv("X_KEY", value)
    assert secret(home, "x-key", "env:X_KEY") == value
