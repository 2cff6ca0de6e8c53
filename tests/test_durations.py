"""Durations as KES reads them (Go), in the units that people use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("text", ["2562048h", "9" * 30 + "s", "9" * 5000 + "s", "2562047h60m", "9223372036854775808ms"])
def test_longer_than_kes_can_count(text):
    with pytest.raises(ValueError, match="292 years"):
        milliseconds(text)


UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
PARTS = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(sorted(UNITS)), st.integers(0, 3)), min_size=1, max_size=5
)


@given(PARTS)
def test_parts_add_up_and_leading_zeros_count_for_nothing(parts):
    text = "".join(f"{'0' * zeros}{count}{unit}" for count, unit, zeros in parts)
    assert milliseconds(text) == sum(count * UNITS[unit] for count, unit, _ in parts)


def test_many_zeros_are_still_nothing():
    assert milliseconds("0" * 5000 + "1s") == 1000


@given(st.text() | st.integers() | st.none() | st.floats())
def test_anything_is_a_duration_or_refused(value):
    try:
        length = milliseconds(value)
    except ValueError as error:
        told = str(error)
        assert told in ("a duration needs a unit, as in 30s, 5m or 1h30m", "a duration is at most 292 years")
    else:
        assert length >= 0
