"""Sizes, in the units that people use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy.sizes import in_bytes, written


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0KiB", 0), ("1KiB", 1024), ("512MiB", 2**29), ("02GiB", 2**31), ("1024TiB", 2**50)],
)
def test_how_much_it_is(text, expected):
    assert in_bytes(text) == expected


@pytest.mark.parametrize(
    "value", ["", "1", "1G", "1GB", "1gib", "1 GiB", "-1GiB", "1.5GiB", "٣GiB", "1GiB\n", 1024, None, True, ["1GiB"]]
)
def test_what_has_no_unit(value):
    with pytest.raises(ValueError, match="a whole number and a unit"):
        in_bytes(value)


@pytest.mark.parametrize("text", ["1025TiB", "9999999999999999KiB"])
def test_more_than_there_is(text):
    with pytest.raises(ValueError, match="1024TiB"):
        in_bytes(text)


@given(st.text() | st.integers() | st.from_regex(r"[0-9]{1,30}(KiB|MiB|GiB|TiB)", fullmatch=True))
def test_anything_is_a_size_or_refused(value):
    try:
        assert 0 <= in_bytes(value) <= 2**50
    except ValueError:
        return


@given(st.integers(0, 2**50))
def test_what_is_written_is_what_was_meant_rounded_up(total):
    assert total <= in_bytes(written(total)) < total + 1024
    assert written(in_bytes(written(total))) == written(total)


@pytest.mark.parametrize(
    ("total", "text"), [(0, "0KiB"), (1, "1KiB"), (2**20, "1MiB"), (1536 * 2**20, "1536MiB"), (2**40, "1TiB")]
)
def test_in_the_largest_unit_that_it_fills(total, text):
    assert written(total) == text
