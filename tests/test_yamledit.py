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


COMMENTED = """\
keystore: {fs: {}}  # for now
# ---- the network ----
network:
  kes_port: 11373   # k

# ---- images: stand-ins only ----
images:
   source: sandbox
# ---- MinIO ----
minio:
  buckets:
    # photos: for the family
    - name: photos  # p
    # docs: for the office, never delete
    - name: docs    # d
      key: one      # the key of docs
    - {name: flow, mode: sse-kms}  # f
# ---- signed: ops ----
"""


def changed(**values) -> dict:
    found = tree(COMMENTED)
    for path, value in values.items():
        section, _, name = path.partition("__")
        (found[section] if name else found)[name or section] = value
    return found


@pytest.mark.parametrize(
    ("wanted", "before", "after"),
    [
        (changed(network__vault_port=1), "# k\n", "# k\n  vault_port: 1\n"),
        (changed(images__pull="never"), "sandbox\n", "sandbox\n   pull: never\n"),
        (changed(keystore={"vault": {"seal": "shares"}}), "{fs: {}}", "{vault: {seal: shares}}"),
        (changed(restart="always"), "# f\n", "# f\nrestart: always\n"),
        (changed(minio__root_user="me"), "# f\n", "# f\n  root_user: me\n"),
        (changed(network__kes_port=None), "11373", "null"),
        (changed(network__kes_port="a: b"), "11373", "'a: b'"),
    ],
)
def test_comments_stay_with_what_they_are_about(wanted, before, after):
    for newline in ("\n", "\r\n"):
        there, should = COMMENTED.replace("\n", newline), COMMENTED.replace(before, after).replace("\n", newline)
        assert edited(there, wanted) == should
        assert edited(there.removesuffix(newline), wanted).removesuffix(newline) == should.removesuffix(newline)


@pytest.mark.parametrize(
    ("names", "without", "within"),
    [
        (["docs", "flow"], ["    # photos: for the family\n", "    - name: photos  # p\n"], ""),
        (["photos", "docs", "flow", "new"], [], "# f\n    - name: new\n"),
        (["new", "photos", "docs", "flow"], [], "buckets:\n    - name: new\n    # photos"),
        (["photos", "new", "docs", "flow"], [], "# p\n    - name: new\n    # docs"),
    ],
)
def test_buckets_come_and_go_with_their_own_comments(names, without, within):
    there = {bucket["name"]: bucket for bucket in tree(COMMENTED)["minio"]["buckets"]}
    text = edited(COMMENTED, changed(minio__buckets=[there.get(name, {"name": name}) for name in names]))
    assert within in text
    left = COMMENTED
    for line in without:
        left = left.replace(line, "")
    assert text.replace("    - name: new\n", "") == left


def test_what_others_are_made_of_may_change():
    """Anchors and merges: the meaning counts."""
    text = "buckets:\n  - &b {name: docs, key: one}\n  - {<<: *b, name: photos}\n"
    wanted = {"buckets": [{"name": "docs"}, {"name": "photos", "key": "one"}]}
    assert tree(edited(text, wanted)) == wanted


def test_a_text_of_comments_alone_stays_above():
    assert edited("# to be filled in", {"name": "a"}) == "# to be filled in\nname: a\n"


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
