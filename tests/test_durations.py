"""Durations as KES reads them (Go), in the units that people use."""

from __future__ import annotations

import pytest

from kesdeploy.durations import duration, milliseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0s", 0),
        ("1ms", 1),
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("1m1m", 120_000),
        ("2562047h", 9223369200000),
    ],
)
def test_how_long_it_is(text, expected):
    assert milliseconds(text) == expected
    assert duration(text) == text


@pytest.mark.parametrize(
    "value", ["", "0", "15", "1d", "5 m", "-5s", "٣s", "5m\n", "h", "1.5h", 0, 15, None, True, ["5m"]]
)
def test_what_has_no_unit(value):
    with pytest.raises(ValueError, match="needs a unit"):
        milliseconds(value)


@pytest.mark.parametrize("text", ["2562048h", "9" * 30 + "s"])
def test_longer_than_kes_can_count(text):
    with pytest.raises(ValueError, match="292 years"):
        milliseconds(text)
