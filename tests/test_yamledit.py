"""What people wrote into a spec stays, whatever a flag changes in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy.yamledit import edited, says
from kesdeploy.yamltext import parse, write

SAMPLE = """\
# Ask Anna before you change anything here.
name: photos  # as on the door

keystore:
  fs: {}
network:
  # behind the proxy
  s3_port: 9100
minio:
  root_user: 'root'
  buckets:
    - name: first  # of 2019
      mode: sse-s3
    - name: second
"""


def tree(text: str = SAMPLE) -> dict:
    return parse(text, where="some.yaml")


def test_what_means_the_same_is_left_as_it_is():
    assert edited(SAMPLE, tree()) == SAMPLE


def test_a_changed_value_changes_nothing_else():
    wanted = tree()
    wanted["network"]["s3_port"] = 9200
    assert edited(SAMPLE, wanted) == SAMPLE.replace("9100", "9200")


def test_a_new_value_has_its_place():
    wanted = {"version": 1, **tree()}
    wanted["network"]["kes_port"] = 7374
    text = SAMPLE.replace("name: photos", "version: 1\nname: photos").replace("9100\n", "9100\n  kes_port: 7374\n")
    assert edited(SAMPLE, wanted) == text


def test_a_value_that_is_not_wanted_goes_with_its_comment():
    wanted = tree()
    del wanted["network"]
    text = edited(SAMPLE, wanted)
    assert "9100" not in text
    assert "# Ask Anna" in text
    assert tree(text) == wanted


@pytest.mark.parametrize("names", [[], ["first"], ["first", "second", "third"], ["other", "second"]])
def test_lists_grow_and_shrink(names):
    wanted = tree()
    wanted["minio"]["buckets"] = [{"name": name} for name in names]
    text = edited(SAMPLE, wanted)
    assert tree(text) == wanted
    assert "# as on the door" in text


def test_lists_stand_as_they_stood():
    wanted = tree()
    wanted["minio"]["buckets"][1]["name"] = "other"
    assert edited(SAMPLE, wanted) == SAMPLE.replace("second", "other")
    flat = SAMPLE.replace("    - ", "  - ").replace("      mode", "    mode")
    assert edited(flat, wanted) == flat.replace("second", "other")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet\n",
        "- a list\n",
        "broken: [\n",
        "name: a\nname: b\n",
        "name: &same x\nkeystore: *same\n",
        "a: 0777\nb: 2024-01-11\n",
        "{" * 500,
    ],
)
def test_what_can_not_be_kept_is_written_anew(text):
    wanted = {"name": "photos", "keystore": {"fs": {}}}
    assert tree(edited(text, wanted)) == wanted


def test_a_truth_is_no_number():
    assert edited("a: 1\n", {"a": True}) == "a: true\n"


def test_every_line_of_the_full_sample_outlives_a_change():
    text = Path(__file__).parents[1].joinpath("samples/full.yaml").read_text()
    wanted = tree(text)
    wanted["network"]["s3_port"] = 9999
    changed = [(a, b) for a, b in zip(text.splitlines(), edited(text, wanted).splitlines(), strict=True) if a != b]
    assert ["9999" in after for _, after in changed] == [True], changed


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(st.text(min_size=1, max_size=5), VALUES, max_size=4)


@given(TREES, TREES)
def test_it_means_what_it_has_to_whatever_was_there(before, after):
    assert says(edited(write(before), after), after)


@given(st.text(), TREES)
def test_it_means_what_it_has_to_over_any_text(text, after):
    assert says(edited(text, after), after)
